// A store of keys and values in this process: what the server is built around, and what a Swift program can use without one.
//
//     let engine = Engine()
//     engine.setTime(1_700_000_000_000)
//     _ = engine.execute(["SET", "greeting", "hello", "EX", "60"].map { Array($0.utf8) })
//     let reply = engine.execute(["GET", "greeting"].map { Array($0.utf8) })     // the bytes "$5\r\nhello\r\n"
//
// The engine never looks at a clock: `setTime` says what time it is. It starts no threads and takes no locks; use it from one
// thread at a time.

import RespCodec

/// Its public variables are its members: see `EngineVariables`.
@dynamicMemberLookup
public final class Engine {
    @usableFromInline let state: EngineState
    /// The commands on data, by name in capitals.
    private static let commands: [String: Command<KeyspaceContext>] = Dictionary(
        uniqueKeysWithValues: allCommands.map { ($0.name, $0) })

    /// Every command that works on data alone.
    public static let allCommands: [Command<KeyspaceContext>] =
        StringCommands.all + BitmapCommands.all + HyperLogLogCommands.all + ListCommands.all + SetCommands.all
        + SortedSetCommands.all + GeoCommands.all + HashCommands.all + StreamCommands.all + GenericCommands.all
        + SortCommands.all + SerializationCommands.all + KeyspaceCommands.all + KeyMemoryCommands.all
        + AcknowledgementCommands.all

    private let writer = ReplyWriter()
    /// For what runs without a reply.
    var silentWriter: ReplyWriter { writer }

    /// - Parameters:
    ///   - databases: how many there are, 1 to 2^31 - 1. One that is never used costs nothing.
    ///   - seed: of the hash of keys and of everything that is random; draw it where you need to resist collisions.
    public init(databases: Int = 16, seed: UInt64 = UInt64.random(in: 1...UInt64.max)) {
        precondition((1...Int(Int32.max)).contains(databases), "an engine has at least one database")
        state = EngineState(databaseCount: databases, seed: seed)
    }

    /// A seed that is always the same for the same text.
    public static func seed(from text: ByteSlice) -> UInt64 { KeyHash(seed: 1)(text) }

    deinit {
        unsafe writer.deallocate()
        unsafe state.deallocate()
    }

    // MARK: executing

    /// Executes one command and returns the bytes of its reply in the protocol asked for.
    ///
    /// - Parameters:
    ///   - words: the command's name, in any letter case, and its arguments.
    ///   - database: which database it works on.
    /// - Returns: the reply; an error reply for an unknown command or wrong arguments.
    public func execute(
        _ words: [[UInt8]], database: Int = 0, version: ProtocolVersion = .resp3
    ) -> [UInt8] {
        precondition(0..<state.databaseCount ~= database, "no such database")
        writer.removeAll()
        writer.version = version
        let request = OwnedArguments(words)
        run(request.view, database: database, reply: writer)
        withExtendedLifetime(request) {}
        endEffects()
        return writer.written(0..<writer.count).array
    }

    /// Finds the command of a request, and runs it.
    func run(_ arguments: Arguments, database: Int, reply: ReplyWriter) {
        do throws(CommandError) {
            let (command, name) = try Self.find(arguments)
            guard command.accepts(argumentCount: arguments.count), let run = command.run else {
                throw .wrongArity(name)
            }
            let keys = KeySpecs(command.keys)
            defer { unsafe keys.deallocate() }
            self.run(run, keys: keys, arguments, database: database, reply: reply, effect: command.effect)
        } catch {
            error.write(to: reply)
        }
    }

    /// The command of a request, or the subcommand, and its full name in lower case.
    private static func find(_ arguments: Arguments) throws(CommandError) -> (Command<KeyspaceContext>, String) {
        let name = arguments.count > 0 ? arguments[0].description.uppercased() : ""
        guard let command = commands[name] else { throw .text("ERR unknown command '\(name)'") }
        guard !command.subcommands.isEmpty && arguments.count > 1 else { return (command, name.lowercased()) }
        let word = arguments[1].description.uppercased()
        guard let subcommand = command.subcommands.first(where: { $0.name == word }) else {
            throw .unknownSubcommand(of: name, arguments[1])
        }
        return (subcommand, "\(name)|\(word)".lowercased())
    }

    // MARK: time

    /// Says what time it is, in milliseconds since 1970. Keys expire by this clock.
    public func setTime(_ milliseconds: Int64) { state.setTime(milliseconds) }

    /// When the next key expires, or a moment that is not after it; nil if none is.
    public var nextDeadline: Int64? {
        let deadline = state.expiry.earliestDeadline
        return deadline == Int64.max ? nil : deadline
    }

    /// Removes up to `budget` keys that have expired; true when none is left that is.
    /// - Complexity: O(databases in use + keys removed), and O(log segments) for each segment looked into; O(1) before the next deadline.
    public func expireCycle(budget: Int) -> Bool { state.expiry.cycle(budget: budget) }

    /// Whether a key is there, expired or not. Leaves no trace.
    public func presence(of key: ByteSlice, database index: Int) -> KeyPresence {
        state.presence(of: key, database: index)
    }

    /// The type of a key's value; nil if the key is absent or expired. Leaves no trace.
    public func type(of key: ByteSlice, database index: Int) -> ValueType? {
        guard let database = state.databaseInUse(index),
            let slot = database.table.find(key, hash: state.hash(key))
        else { return nil }
        let entry = database.entry(at: slot)
        return database.isExpired(entry, state.now) ? nil : entry.type
    }

    // MARK: waiting

    /// What the command that has just been run waits for, if it has asked to wait; it has written no reply then. To be asked once.
    public func takeWait() -> Wait? {
        defer { state.wait = nil }
        return state.wait
    }

    /// Has a command wait that is not the engine's.
    public func requestWait(_ wait: Wait) { state.wait = wait }

    // MARK: upkeep

    /// How many changes there have been since the last save.
    public var unsavedChangeCount: Int { state.changeCount &- state.savedChangeCount }

    /// Says that all changes are saved that there were when `changeCount` was this.
    public func changesSaved(upTo changeCount: Int) { state.savedChangeCount = changeCount }

    /// Whether there is something to do in the background: values or dropped databases to free, memory to give back.
    public var hasGarbage: Bool { state.freeing.hasWork }
    /// How many values wait to be freed, and keys of dropped databases.
    public var garbageCount: Int { state.freeing.garbageCount }
    /// How many of those have been freed, since the start or the last reset.
    public var freedGarbageCount: Int { state.freeing.freedCount }

    public func resetStatistics() {
        state.statistics = EngineStatistics()
        state.variables.defragmentation.statistics = DefragmentationStatistics()
        state.freeing.resetFreedCount()
    }

    /// Does a bounded part of it: well under a millisecond of work.
    public func freeSlice() { state.freeing.slice() }

    /// Gives memory that is held but not in use back to the system, all at once.
    /// - Complexity: O(pages not in use).
    public func purge() { state.allocator.purge() }

    /// Whoever keeps a block for less than this part of it might keep much for little: then bytes are copied.
    private static let leastKeptPart = 4

    /// Keeps bytes of a reply where they lie, whatever becomes of their key, for as long as somebody has what is returned; nil if they are better
    /// copied, or may move. To be called before anything changes.
    /// - Parameter count: how many of them are needed.
    public func keep(_ bytes: BorrowedBytes, count: Int) -> PinnedBlock? {
        guard let address = unsafe bytes.block else { return nil }
        let block = unsafe UnsafeMutableRawPointer(mutating: address)
        guard unsafe count >= state.allocator.capacity(of: block) / Self.leastKeptPart else { return nil }
        return unsafe state.allocator.pin(block)
    }

    // MARK: looking in

    public func database(_ index: Int) -> Database { state.database(index) }
    /// The databases that were used, by index. All others are empty.
    public var databasesInUse: [Database] { state.databasesInUse }

    /// The hash by which keys are found, for those who want to know it before the command runs.
    @inline(__always)
    public func hash(_ key: ByteSlice) -> UInt64 { state.hash(key) }

    @inlinable public subscript<Value>(dynamicMember path: KeyPath<EngineVariables, Value>) -> Value {
        @inline(__always) unsafeAddress { unsafe UnsafePointer(state.pointer(to: path)) }
    }

    @inlinable public subscript<Value>(dynamicMember path: WritableKeyPath<EngineVariables, Value>) -> Value {
        @inline(__always) unsafeAddress { unsafe UnsafePointer(state.pointer(to: path)) }
        @inline(__always) unsafeMutableAddress { unsafe state.pointer(to: path) }
    }

    /// Bytes in use for keys, values and tables of all databases.
    public var usedBytes: Int { state.allocator.usedBytes }
    /// Bytes of the pages and blocks in which these lie.
    public var heldBytes: Int { state.allocator.heldBytes }
    /// Whether the memory of long strings and other large blocks goes back to the system as soon as these are freed, which takes a
    /// little longer than to keep it for the next ones.
    public var returnsLargeBlocks: Bool {
        get { state.allocator.returnsLarge }
        set { state.allocator.returnsLarge = newValue }
    }
    /// The same with free pages that were not given back to the system.
    public var residentBytes: Int { state.allocator.residentBytes }
    /// What the memory consists of.
    public var memoryStatistics: AllocatorStatistics { state.allocator.statistics }

    /// Whether anything hears of commands: of what they change, or of the memory that they use.
    @inlinable @inline(__always) public var isHeard: Bool { !state.listeners.isEmpty }
    /// Whether anybody is told of changes: the observer, or the sink of effects.
    @inlinable @inline(__always) public var tellsChanges: Bool {
        !state.listeners.isDisjoint(with: [.observer, .effects])
    }
    /// Who hears of changes; not retained. Set `isObserved` while there is something to hear for.
    public var observer: (any KeyspaceObserver)? {
        get { state.observer }
        set { state.observer = newValue }
    }
    public var isObserved: Bool {
        @inlinable @inline(__always) get { state.listeners.contains(.observer) }
        set { state.isObserved = newValue }
    }
    /// Whether the observer is also told of keys that are made, overwritten, or looked for in vain.
    public var tellsNotices: Bool {
        get { state.tellsNotices }
        set { state.tellsNotices = newValue }
    }
}
