// Writes whole values: their type, then what they hold.
//
// A value that lies packed in its entry is written as it lies there, in one piece.

import RespCodec

extension RecordWriter {
    /// The form in which a value is written.
    static func type(of entry: Entry) -> RecordType {
        switch (entry.type, entry.encoding) {
        case (.string, _): .string
        case (.hash, .packed): .packedHash
        case (.hash, .packedWithDeadlines): .packedHashWithDeadlines
        case (.hash, .table): entry.earliestFieldDeadline == nil ? .hash : .hashWithDeadlines
        default: preconditionFailure("a type that is not written yet")
        }
    }

    /// Writes a value without its type.
    /// - Complexity: O(bytes of the value).
    func write(valueOf entry: Entry, _ context: KeyspaceContext) {
        switch (entry.type, entry.encoding) {
        case (.string, .integer): write(integer: entry.integer)
        case (.string, _): context.withString(entry) { write(string: $0) }
        case (.hash, .packed): write(string: entry.packedList.bytes)
        case (.hash, .packedWithDeadlines):
            write(time: entry.earliestFieldDeadline ?? 0)
            write(string: entry.packedList.bytes)
        case (.hash, .table):
            writeFields(unsafe HashTable(at: entry.pointer), earliestDeadline: entry.earliestFieldDeadline)
        default: preconditionFailure("a type that is not written yet")
        }
    }

    /// - Parameter earliest: from which on deadlines are counted, 0 standing for none; nil if no field has one.
    private func writeFields(_ table: HashTable, earliestDeadline earliest: Int64?) {
        if let earliest { write(time: earliest) }
        write(length: table.count)
        table.forEach { field, value, deadline in
            if let earliest { write(number: deadline.map { UInt64($0 - earliest) + 1 } ?? 0) }
            write(string: field)
            write(string: value)
        }
    }
}
