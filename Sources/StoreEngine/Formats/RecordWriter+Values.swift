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
        case (.hash, .table): .hash
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
        case (.hash, .table): writeFields(unsafe HashTable(at: entry.pointer))
        default: preconditionFailure("a type that is not written yet")
        }
    }

    private func writeFields(_ table: HashTable) {
        write(length: table.count)
        table.forEach { field, value in
            write(string: field)
            write(string: value)
        }
    }
}
