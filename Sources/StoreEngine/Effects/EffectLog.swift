// Effects as requests, the way an append-only file keeps them and a replica gets them.

import RespCodec

/// A sink that appends effects to a run of bytes: requests of the protocol, SELECT where the database changes, and MULTI and EXEC
/// around groups of more than one.
public final class EffectLog: EffectSink {
    public private(set) var bytes: [UInt8] = []
    private var group: [UInt8] = []
    private var groupCount = 0
    /// In which the last effect was; nil before the first.
    private var database: Int?

    public init() {}

    public func take(_ words: Arguments, database: Int) {
        if database != self.database {
            self.database = database
            append([Array("SELECT".utf8), Decimal.text(database)])
        }
        begin(words.count)
        for index in 0..<words.count { append(words[index]) }
        groupCount += 1
    }

    public func endGroup() {
        if groupCount > 1 {
            bytes += Array("*1\r\n$5\r\nMULTI\r\n".utf8) + group + Array("*1\r\n$4\r\nEXEC\r\n".utf8)
        } else {
            bytes += group
        }
        group.removeAll(keepingCapacity: group.capacity <= 1 << 20)
        groupCount = 0
    }

    private func append(_ words: [[UInt8]]) {
        begin(words.count)
        for word in words { word.withByteSlice { append($0) } }
    }

    private func begin(_ count: Int) {
        group.append(UInt8(ascii: "*"))
        appendLine(count)
    }

    private func append(_ word: ByteSlice) {
        group.append(UInt8(ascii: "$"))
        appendLine(word.count)
        unsafe group.append(contentsOf: word.rawBytes)
        group.append(0x0D)
        group.append(0x0A)
    }

    private func appendLine(_ number: Int) {
        Decimal.withText(number) { unsafe group.append(contentsOf: $0.rawBytes) }
        group.append(0x0D)
        group.append(0x0A)
    }
}
