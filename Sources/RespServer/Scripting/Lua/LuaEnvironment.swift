// An interpreter as scripts find it: the libraries they may use, and none of the ways out.
//
// Stock Lua has no read-only tables. So what scripts see of a library is an empty table that passes on to the real one, which nobody can
// reach, and refuses to be written to (`protect`). The functions that go past metatables (rawset, table.insert, setmetatable) are ours
// and refuse such tables, too: so there is no place where one script could leave something for another. Global variables are protected
// the same way. There are no files, no modules, no debug library, no environments of functions, and nothing that is already compiled is
// loaded.

import CLinux
import RespCodec

/// What scripts ask of whoever runs them. Functions that push results return how many, or -1 to have what is on top raised.
protocol LuaHost: AnyObject {
    /// Runs the command that the stack holds.
    func call(_ lua: Lua, raisesErrors: Bool) -> Int32
    /// Whether the user who runs the script may run the command that the stack holds.
    func checkPermission(_ lua: Lua) -> Int32
    /// Has replies of commands made in a version of the protocol from now on.
    func setProtocol(_ version: ProtocolVersion)
    /// Has effects told, or not, from now on.
    func setReplication(_ isTold: Bool)
    func log(_ level: Int, _ text: ByteSlice)
    /// Adds a function to the library that is being loaded.
    func registerFunction(_ lua: Lua) -> Int32
    /// Asked after every few instructions: 0 to go on.
    func interrupt(_ lua: Lua) -> Int32
}

@safe final class LuaEnvironment {
    let lua: Lua
    unowned(unsafe) let host: any LuaHost
    /// `call` of the host, whose references are not counted for it.
    let runCommand: (Lua, _ raisesErrors: Bool) -> Int32
    /// Where the handler of errors is on the stack, the table of global variables, and the names of those that are set for each script.
    static let handlerIndex: Int32 = 1
    static let globalsIndex: Int32 = 2
    static let keysNameIndex: Int32 = 3
    static let argumentsNameIndex: Int32 = 4
    /// How many values the stack holds between scripts.
    static let restingCount: Int32 = 4
    /// How many instructions run between two questions to the host.
    private static let instructionCount: Int32 = 100_000

    /// The tables that nobody may write to.
    private var protectedTables: [UnsafeRawPointer] = unsafe []
    /// Lua's own `next`, for `pairs`.
    private var nextFunction: Int32 = 0
    let random = LuaRandom()
    let json = LuaJSON()
    let buffer = LuaBuffer()

    /// What runs in an interpreter.
    enum Use {
        case scripts
        /// Those of libraries, and what their libraries run while they are loaded.
        case functions
    }

    /// - Parameter limit: how many bytes the interpreter may take.
    /// - Returns: nil if the system has no Lua, or no memory for it.
    init?(host: some LuaHost, for use: Use, limit: Int) {
        guard let functions = unsafe LuaLibrary.functions else { return nil }
        let memory = UnsafeMutablePointer<LuaMemory>.allocate(capacity: 1)
        unsafe memory.initialize(to: LuaMemory(limit: limit))
        guard let state = unsafe functions.pointee.newState(LuaMemory.allocator, memory) else {
            unsafe memory.pointee.deallocate()
            unsafe memory.deinitialize(count: 1)
            unsafe memory.deallocate()
            return nil
        }
        unsafe lua = Lua(state: state, functions: functions, memory: memory)
        unsafe self.host = host
        let uncounted = unsafe Uncounted(host)
        runCommand = { lua, raisesErrors in uncounted.use { $0.call(lua, raisesErrors: raisesErrors) } }
        unsafe memory.pointee.environment = Uncounted(self)
        unsafe _ = functions.pointee.atPanic(state, Self.panic)
        LuaSandbox(self, lua, for: use).build()
        lua.push("KEYS")
        lua.push("ARGV")
        precondition(lua.count == Self.restingCount, "what is always on the stack is there")
        unsafe _ = functions.pointee.setHook(state, functions.pointee.counter, 8, Self.instructionCount)
    }

    deinit {
        unsafe lua.functions.pointee.close(lua.state)
        unsafe lua.memory.pointee.deallocate()
        unsafe lua.memory.deinitialize(count: 1)
        unsafe lua.memory.deallocate()
    }

    /// Empties the stack but for what is always there.
    @inline(__always) func rest() { lua.truncate(to: Self.restingCount) }

    var usedBytes: Int { unsafe lua.memory.pointee.usedBytes }
    var limit: Int {
        get { unsafe lua.memory.pointee.limit }
        set { unsafe lua.memory.pointee.limit = newValue }
    }

    // MARK: garbage

    /// Bytes in use when garbage was last collected to the end, in steps or at once. What died during the steps is still among the first.
    private var bytesWithoutGarbage = 0
    private var bytesWithoutAnyGarbage = 0
    /// Whether there may be much garbage.
    var hasGarbage: Bool { usedBytes > bytesWithoutGarbage + bytesWithoutGarbage / 2 + 1 << 20 }
    /// Whether there may be so much that a script could fail for it.
    var isCrowded: Bool { usedBytes > limit / 2 && usedBytes > bytesWithoutAnyGarbage + limit / 8 }
    /// Whether most of the memory for small blocks is not in use.
    var isSparse: Bool {
        let held = unsafe lua.memory.pointee.chunkByteCount
        return held > 64 << 20 && usedBytes < held / 4
    }

    /// Collects some garbage.
    /// - Returns: Whether it has come to the end.
    func collectSome() -> Bool {
        let isDone = unsafe lua.functions.pointee.collect(lua.state, 5, 100) != 0
        if isDone { bytesWithoutGarbage = usedBytes }
        return isDone
    }

    /// Collects all garbage.
    /// - Complexity: O(objects).
    func collectAll() {
        unsafe _ = lua.functions.pointee.collect(lua.state, 2, 0)
        bytesWithoutGarbage = usedBytes
        bytesWithoutAnyGarbage = usedBytes
    }

    /// From now on the host is asked at each line: who is told to stop cannot go on by catching the error.
    func interruptAlways(_ lua: Lua) {
        unsafe _ = lua.functions.pointee.setHook(lua.state, lua.functions.pointee.counter, 4, 0)
    }
    /// From now on the host is asked as usual.
    func interruptAtTimes() {
        unsafe _ = lua.functions.pointee.setHook(lua.state, lua.functions.pointee.counter, 8, Self.instructionCount)
    }

    // MARK: tables that nobody may write to

    /// Whether a table on the stack is one.
    @inline(__always) func isProtected(_ lua: Lua, _ index: Int32) -> Bool {
        guard let identity = unsafe lua.identity(index) else { return false }
        return unsafe protectedTables.contains(identity)
    }

    func addProtected(_ identity: UnsafeRawPointer?) {
        if let identity = unsafe identity { unsafe protectedTables.append(identity) }
    }

    static let readOnlyText: StaticString = "Attempt to modify a readonly table"

    /// By which numbers are found: the metatable of what is seen as the global variables, and what a library sees while it is loaded.
    var globalsMetatable: Int32 = 0
    /// What scripts are shown as the metatable of the global variables.
    var shownMetatable: Int32 = 0
    var libraryView: Int32 = 0

    /// Whether global variables are those that a library sees while it is loaded, and not those of its functions.
    var showsLibraryOnly = false {
        didSet {
            lua.push(kept: globalsMetatable)
            if showsLibraryOnly { lua.push(kept: libraryView) } else { lua.push(copyOf: Self.globalsIndex) }
            lua.setField("__index", of: -2)
            lua.pop()
        }
    }

    /// Lua's own functions that look for patterns, by their places in `LuaPatterns.names`.
    var patternFunctions: [Int32] = []

    func keepNext(_ reference: Int32) { nextFunction = reference }
    func pushNext(_ lua: Lua) { lua.push(kept: nextFunction) }

    // MARK: the way in

    /// What a function that Lua calls does: its body may use the stack freely.
    @inline(__always)
    static func enter(_ state: LuaFunctions.State, _ body: (LuaEnvironment, Lua) -> Int32) -> Int32 {
        guard let functions = unsafe LuaLibrary.functions else { return 0 }
        var address: UnsafeMutableRawPointer?
        unsafe _ = functions.pointee.getAllocator(state, &address)
        guard let memory = unsafe address?.assumingMemoryBound(to: LuaMemory.self),
            let environment = unsafe memory.pointee.environment
        else { return 0 }
        unsafe memory.pointee.isLenient = true
        defer { unsafe memory.pointee.isLenient = false }
        return environment.use {
            unsafe body($0, Lua(state: state, functions: functions, memory: memory))
        }
    }

    static let interrupt: LuaFunctions.Function = { state in
        unsafe enter(state) { environment, lua in unsafe environment.host.interrupt(lua) }
    }

    private static let panic: LuaFunctions.Function = { _ in
        preconditionFailure("an error in Lua that nobody catches")
    }

    // MARK: errors

    /// Makes the table of every error that ends a script: its text, and where in the script it was.
    static let handler: LuaFunctions.Function = { state in
        unsafe enter(state) { environment, lua in
            var record = unsafe clua_debug()
            func look(_ level: Int32) -> Bool {
                guard unsafe lua.functions.pointee.getStack(state, level, &record) != 0 else { return false }
                unsafe _ = lua.functions.pointee.getInfo(state, "Sl", &record)
                return true
            }
            func isIn(_ name: String, _ text: UnsafePointer<CChar>?) -> Bool {
                unsafe text.map { unsafe String(cString: $0) == name } ?? false
            }
            var level: Int32 = 1
            var isFound = look(level)
            // Of a function of the host, the place from where it was called; and of what the sandbox has in Lua.
            if isFound && (unsafe isIn("C", record.kind)) {
                level += 1
                isFound = look(level)
            }
            while isFound && (unsafe isIn(LuaSandbox.sourceName, record.source)) {
                level += 1
                isFound = look(level)
            }
            if !lua.isTable(-1) || environment.isProtected(lua, -1) {
                let text = Array("ERR ".utf8) + shown(lua, -1)
                lua.pushTable(fields: 3)
                lua.push(text)
                lua.setField("err", of: -2)
            }
            if isFound, let source = unsafe record.source {
                lua.push(text: unsafe String(cString: source))
                lua.setField("source", of: -2)
                unsafe lua.push(Double(record.current_line))
                lua.setField("line", of: -2)
            }
            return 1
        }
    }

    /// What `tostring` makes of a value, without asking its metatable.
    private static func shown(_ lua: Lua, _ index: Int32) -> [UInt8] {
        switch lua.type(index) {
        case .string, .number: lua.text(index)?.array ?? []
        case .boolean: Array((lua.boolean(index) ? "true" : "false").utf8)
        case .nil, .none: Array("nil".utf8)
        case let type: Array(type.name.utf8)
        }
    }

    /// Pushes an error as scripts see them: a table with a text. Text that begins with "-" has its code; else it gets "ERR".
    static func pushError(_ lua: Lua, _ text: ByteSlice) {
        let text = text[0..<(text.index(of: 0) ?? text.count)]
        var code = ByteSlice("ERR")
        var message = text
        if text.count > 0 && text[0] == UInt8(ascii: "-") {
            message = text.dropFirst(1)
            if let space = message.index(of: 0x20) {
                code = message[0..<space]
                message = message.dropFirst(space + 1)
            }
        }
        func isLineEnd(_ byte: UInt8) -> Bool { byte == 0x0D || byte == 0x0A }
        while let last = message.last, isLineEnd(last) { message = message[0..<message.count - 1] }
        while message.count > 0 && isLineEnd(message[0]) { message = message.dropFirst(1) }
        lua.pushTable(fields: 4)
        lua.push(code.array + [0x20] + message.array)
        lua.setField("err", of: -2)
    }

    /// Has an error raised: as `pushError`.
    static func raise(_ lua: Lua, _ text: ByteSlice) -> Int32 {
        pushError(lua, text)
        return -1
    }
}
