// What a script says of itself in its first line, `#!lua flags=no-writes,allow-oom`, and a function when it is registered.

import RespCodec
import StoreEngine

struct ScriptFlags: OptionSet, Sendable {
    let rawValue: UInt8
    /// It writes nothing.
    static let noWrites = ScriptFlags(rawValue: 1 << 0)
    /// It may use memory beyond the limit.
    static let allowOOM = ScriptFlags(rawValue: 1 << 1)
    static let allowStale = ScriptFlags(rawValue: 1 << 2)
    static let noCluster = ScriptFlags(rawValue: 1 << 3)
    static let allowCrossSlotKeys = ScriptFlags(rawValue: 1 << 4)
    /// It has no such line: nothing is known of it.
    static let undeclared = ScriptFlags(rawValue: 1 << 5)

    /// The flags in the order in which they are listed.
    static let named: [(name: String, flag: ScriptFlags)] = [
        ("no-writes", .noWrites), ("allow-oom", .allowOOM), ("allow-stale", .allowStale), ("no-cluster", .noCluster),
        ("allow-cross-slot-keys", .allowCrossSlotKeys),
    ]

    static func flag(_ name: [UInt8]) -> ScriptFlags? {
        named.first { Array($0.name.utf8) == name }?.flag
    }
}

/// The first line of a script, if it begins with "#!".
struct ScriptHeader {
    /// Without the line end.
    var byteCount = 0
    var flags: ScriptFlags = .undeclared

    init(of body: ByteSlice) throws(CommandError) {
        guard body.count >= 2, body[0] == UInt8(ascii: "#"), body[1] == UInt8(ascii: "!") else { return }
        guard let end = body.index(of: 0x0A), body[0..<end].index(of: 0) == nil else {
            throw .message("ERR Invalid script shebang")
        }
        byteCount = end
        flags = []
        guard let words = QuotedWords.split(body[0..<end]), let engine = words.first else {
            throw .message("ERR Invalid engine in script shebang")
        }
        guard engine == Array("#!lua".utf8) else {
            throw .bytes(Array("ERR Unexpected engine in script shebang: ".utf8) + engine)
        }
        let prefix = Array("flags=".utf8)
        for word in words.dropFirst() {
            guard word.starts(with: prefix) else {
                throw .bytes(Array("ERR Unknown lua shebang option: ".utf8) + word)
            }
            let names = word.dropFirst(prefix.count)
            guard !names.isEmpty else { continue }
            for name in names.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
                guard let flag = ScriptFlags.flag(Array(name)) else {
                    throw .bytes(Array("ERR Unexpected flag in script shebang: ".utf8) + name)
                }
                flags.insert(flag)
            }
        }
    }
}

extension ScriptRunner {
    /// The flags of a call: those of its command, or, where the script itself says what it does, what follows from that.
    func flags(of record: CommandRecord, _ arguments: Arguments) -> CommandFlags {
        guard let reference = record.info.script, arguments.count > 1,
            let declared = declaredFlags(of: arguments[1], reference), !declared.contains(.undeclared)
        else { return record.flags }
        var flags = record.flags.subtracting([.write, .mayWrite, .denyOOM])
        if !declared.contains(.noWrites) {
            flags.insert(.write)
            if !declared.contains(.allowOOM) { flags.insert(.denyOOM) }
        }
        return flags
    }

    /// Nil for a script that is not known, or has a wrong first line.
    private func declaredFlags(of name: ByteSlice, _ reference: ScriptReference) -> ScriptFlags? {
        switch reference {
        case .text: try? ScriptHeader(of: name).flags
        case .digest: find(digest: name)?.flags
        case .function: functions.function(name)?.flags
        }
    }
}
