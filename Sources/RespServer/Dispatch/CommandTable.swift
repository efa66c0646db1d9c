// All commands by name, with their counters. Found by the bytes of the name, in any letter case, without a conversion.

import RespCodec
import StoreEngine

/// One command of the table, or one subcommand.
final class CommandRecord {
    let handle: CommandHandle
    /// "get", or "client|kill".
    let fullName: String
    let info: CommandInfo
    var arity: Int { handle.arity }
    var flags: CommandFlags { handle.flags }
    var session: Command<SessionContext>.Run? { handle.session }
    private(set) var subcommands: [CommandRecord] = [] {
        didSet { subcommandNames = subcommands.map { Array($0.info.name.lowercased().utf8) } }
    }
    /// Their names in lower case, in the same order: what they are found by.
    private var subcommandNames: [[UInt8]] = []
    private(set) var rejectedCalls = 0
    /// What COMMAND DOCS replies of it, by protocol, once that was asked for.
    var documentation: [ProtocolVersion: ByteSlice] = [:]
    var calls: Int { handle.calls }
    var cycles: UInt64 { handle.cycles }
    var failedCalls: Int { handle.failedCalls }

    convenience init(_ command: Command<KeyspaceContext>, parent: String? = nil) {
        self.init(command, parent: parent, data: command.run, session: nil) { CommandRecord($0, parent: $1) }
    }

    convenience init(_ command: Command<SessionContext>, parent: String? = nil) {
        self.init(command, parent: parent, data: nil, session: command.run) { CommandRecord($0, parent: $1) }
    }

    private init<Context>(
        _ command: Command<Context>, parent: String?, data: Command<KeyspaceContext>.Run?,
        session: Command<SessionContext>.Run?, subcommand: (Command<Context>, String) -> CommandRecord
    ) {
        fullName = (parent.map { "\($0)|" } ?? "") + command.name.lowercased()
        info = CommandInfo(command)
        assert((try? SyntaxParser.parts(command.syntax)) != nil, "malformed syntax of \(command.name)")
        var firstKey = 0
        if let first = command.keys.first, case .index(let index) = first.begin, command.subcommands.isEmpty,
            !first.flags.contains(.notKey)
        {
            firstKey = index
        }
        unsafe handle = CommandHandle()
        unsafe handle.initialize(
            to: CommandHandle.Fields(
                arity: command.arity, firstKey: firstKey, member: command.member, flags: command.flags.union(.any),
                keys: KeySpecs(command.keys), effect: command.effect, function: data, session: session,
                runsOnSession: session != nil && command.subcommands.isEmpty && !command.flags.contains(.protected),
                owner: self))
        let name = fullName
        setSubcommands(command.subcommands.map { subcommand($0, name) })
    }

    /// A function of its own, as within `init` nobody would observe it.
    private func setSubcommands(_ records: [CommandRecord]) { subcommands = records }

    deinit { unsafe handle.deallocate() }

    /// Takes in the subcommands of another container of the same name.
    fileprivate func join(_ other: CommandRecord) {
        precondition(!subcommands.isEmpty && !other.subcommands.isEmpty, "only a container is made of parts")
        subcommands = (subcommands + other.subcommands).sorted { $0.fullName < $1.fullName }
    }

    func countRejection() { rejectedCalls += 1 }

    func resetStatistics() {
        handle.calls = 0
        handle.cycles = 0
        handle.failedCalls = 0
        handle.latencies.reset()
        rejectedCalls = 0
    }

    func accepts(_ count: Int) -> Bool { handle.accepts(count) }

    /// The subcommand that a word names, in any letter case.
    func subcommand(_ word: ByteSlice) -> CommandRecord? {
        for (index, name) in subcommandNames.enumerated() where word.equalsIgnoringCase(name) {
            return subcommands[index]
        }
        return nil
    }
}

/// What a command is, whatever its context.
struct CommandInfo {
    let name: String
    let group: CommandGroup
    let since: String
    let keys: [KeySpec]
    let categories: [String]
    let tips: [String]
    let syntax: String
    let summary: String
    let complexity: String
    let history: [CommandChange]
    let release: String?
    let deprecation: CommandChange?
    let secrets: SecretArguments
    let script: ScriptReference?
    let logUse: LogUse?
    let isOfValkey: Bool
    let difference: String?
    /// How much memory it may take at once, if that can be much more than its arguments.
    let growth: Command<KeyspaceContext>.Growth?

    init<Context>(_ command: Command<Context>) {
        name = command.name
        group = command.group
        since = command.since
        keys = command.keys
        categories = command.categories
        tips = command.tips
        syntax = command.syntax
        summary = command.summary
        complexity = command.complexity
        history = command.history
        release = command.release
        deprecation = command.deprecation
        secrets = command.secrets
        script = command.script
        logUse = command.logUse
        isOfValkey = command.isOfValkey
        difference = command.difference
        growth = (command as? Command<KeyspaceContext>)?.growth
    }
}

@safe final class CommandTable {
    private(set) var records: [CommandRecord] = [] { didSet { counters = [] } }

    /// Commands and subcommands, each container before its own.
    var allRecords: [CommandRecord] { records.flatMap { [$0] + $0.subcommands } }

    /// How many calls of all commands there were, and how long they took.
    var totals: (calls: Int, cycles: UInt64) {
        if counters.isEmpty { counters = allRecords.map(\.handle) }
        var totals = (calls: 0, cycles: UInt64(0))
        for counter in counters {
            totals.calls &+= counter.calls
            totals.cycles &+= counter.cycles
        }
        return totals
    }

    /// The counters of `allRecords`, once somebody asked for them; empty again when other commands are there.
    private var counters: [CommandHandle] = []

    /// A name in lower case: its words, which overlap in names of more than eight bytes, and its length.
    private typealias Key = (UInt64, UInt64, UInt64, length: UInt64)
    private struct Entry {
        var name: Key = (0, 0, 0, 0)
        var command: CommandHandle?
    }
    private let slots: UnsafeMutablePointer<Entry>
    private static let capacity = 1024

    init() {
        unsafe slots = .allocate(capacity: Self.capacity)
        unsafe slots.initialize(repeating: Entry(), count: Self.capacity)
    }

    deinit { unsafe slots.deallocate() }

    /// Adds a command. Subcommands of one container may come from the engine and from the server.
    func add(_ record: CommandRecord) {
        if let other = records.first(where: { $0.fullName == record.fullName }) {
            counters = []
            return other.join(record)
        }
        records.append(record)
        enter(Array(record.info.name.utf8), record)
    }

    /// Lets a command be called by another name only, or by none if that is empty.
    ///
    /// - Returns: What is wrong with the names; nil when it is done.
    func rename(_ name: [UInt8], to newName: [UInt8]) -> String? {
        guard let record = name.withByteSlice({ find($0)?.record }) else {
            return "No such command in rename-command"
        }
        if newName.isEmpty {
            records.removeAll { $0 === record }
            removed.append(record)
        } else {
            guard newName.withByteSlice({ find($0) }) == nil else { return "Target command name already exists" }
            names[ObjectIdentifier(record)] = newName
        }
        rebuild()
        return nil
    }

    /// Names that `rename` has given.
    private var names: [ObjectIdentifier: [UInt8]] = [:]

    /// Commands that cannot be called. They are kept, for somebody may still point to one.
    private var removed: [CommandRecord] = []

    private func rebuild() {
        unsafe slots.update(repeating: Entry(), count: Self.capacity)
        longNames = [:]
        for record in records { enter(names[ObjectIdentifier(record)] ?? Array(record.info.name.utf8), record) }
    }

    private func enter(_ name: [UInt8], _ record: CommandRecord) {
        guard let key = name.withByteSlice({ Self.key($0) }) else {
            longNames[name.map(ByteSlice.lowercased)] = record
            return
        }
        var place = Self.place(key)
        while unsafe slots[place].command != nil { place = (place + 1) % Self.capacity }
        unsafe slots[place] = Entry(name: key, command: record.handle)
    }

    @inline(__always)
    func find(_ name: ByteSlice) -> CommandHandle? {
        guard let key = Self.key(name) else { return findLong(name) }
        var place = Self.place(key)
        while let command = unsafe slots[place].command {
            if unsafe slots[place].name == key { return command }
            place = (place &+ 1) & (Self.capacity - 1)
        }
        return nil
    }

    /// Names too long for `key`, in lower case: only renaming makes them.
    private var longNames: [[UInt8]: CommandRecord] = [:]

    @inline(never)
    private func findLong(_ name: ByteSlice) -> CommandHandle? {
        longNames.isEmpty ? nil : longNames[name.array.map(ByteSlice.lowercased)]?.handle
    }

    /// Nil if the name is longer than any command's.
    @inline(__always)
    private static func key(_ name: ByteSlice) -> Key? {
        let count = name.count
        if count <= 8 { return (lowercased(name.shortWord), 0, 0, UInt64(count)) }
        guard count <= 24 else { return nil }
        let first = lowercased(name[0..<8].shortWord)
        let last = lowercased(name[count - 8..<count].shortWord)
        let middle = count <= 16 ? 0 : lowercased(name[8..<16].shortWord)
        return (first, last, middle, UInt64(count))
    }

    /// The letters among eight bytes in lower case.
    @inline(__always)
    private static func lowercased(_ word: UInt64) -> UInt64 {
        let low = word & 0x7F7F_7F7F_7F7F_7F7F
        // The top bit of each byte says whether it is at least "A", and whether it is above "Z".
        let fromA = low &+ 0x3F3F_3F3F_3F3F_3F3F
        let aboveZ = low &+ 0x2525_2525_2525_2525
        return word | ((fromA & ~aboveZ & ~word & 0x8080_8080_8080_8080) &>> 2)
    }

    @inline(__always)
    private static func place(_ key: Key) -> Int {
        let mixed = (key.0 ^ key.1 &* 31 ^ key.2 &* 131 ^ key.length) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: mixed >> 54)
    }
}
