// A handle on an interpreter, or on one of its coroutines: its stack, for Swift.
//
// Only for functions that were called from Lua through `LuaEnvironment.enter`, and for those that set Lua to work: the memory is lenient
// then, so that none of this raises an error. What is put in a table must be a table's: see `isTable`. Indices are Lua's: from 1 up from
// the bottom, from -1 down from the top.

import CLinux
import RespCodec

enum LuaType: Int32 {
    case none = -1
    case `nil`, boolean, lightUserData, number, string, table, function, userData, thread

    /// The name as errors have it.
    var name: String {
        switch self {
        case .none: "no value"
        case .nil: "nil"
        case .boolean: "boolean"
        case .lightUserData, .userData: "userdata"
        case .number: "number"
        case .string: "string"
        case .table: "table"
        case .function: "function"
        case .thread: "thread"
        }
    }
}

@safe struct Lua {
    let state: LuaFunctions.State
    let functions: UnsafePointer<LuaFunctions>
    let memory: UnsafeMutablePointer<LuaMemory>

    /// Where Lua keeps what scripts cannot reach, and where its global variables are.
    static let registryIndex: Int32 = -10000
    static let globalsIndex: Int32 = -10002
    static let firstUpvalueIndex: Int32 = -10003
    private static let secondUpvalueIndex: Int32 = -10004

    // MARK: the stack

    /// How many values there are: the index of the one on top.
    @inline(__always) var count: Int32 { unsafe functions.pointee.getTop(state) }
    @inline(__always) func truncate(to count: Int32) { unsafe functions.pointee.setTop(state, count) }
    @inline(__always) func pop(_ count: Int32 = 1) { unsafe functions.pointee.setTop(state, -count - 1) }
    /// Whether there is room for `count` more values.
    @inline(__always) func hasRoom(for count: Int32) -> Bool { unsafe functions.pointee.checkStack(state, count) != 0 }
    @inline(__always) func push(copyOf index: Int32) { unsafe functions.pointee.pushValue(state, index) }
    /// Takes one out, and moves those above it down.
    func remove(_ index: Int32) { unsafe functions.pointee.remove(state, index) }
    /// Moves the one on top to an index, and those from there on up.
    func moveTop(to index: Int32) { unsafe functions.pointee.insert(state, index) }
    /// Moves the one on top to an index, in place of what is there.
    func replace(_ index: Int32) { unsafe functions.pointee.replace(state, index) }

    // MARK: looking at values

    @inline(__always) func type(_ index: Int32) -> LuaType {
        LuaType(rawValue: unsafe functions.pointee.type(state, index)) ?? .none
    }
    func isTable(_ index: Int32) -> Bool { type(index) == .table }
    /// Whether it is a number, or a string that spells one.
    func isNumber(_ index: Int32) -> Bool { unsafe functions.pointee.isNumber(state, index) != 0 }
    func boolean(_ index: Int32) -> Bool { unsafe functions.pointee.toBoolean(state, index) != 0 }
    /// 0 for what is no number, and no string that spells one.
    @inline(__always) func number(_ index: Int32) -> Double { unsafe functions.pointee.toNumber(state, index) }

    /// The bytes of a string, good as long as it is on the stack. A number becomes a string where it lies; nil for anything else.
    @inline(__always) func string(_ index: Int32) -> ByteSlice? {
        var length = 0
        guard let start = unsafe functions.pointee.toString(state, index, &length) else { return nil }
        return unsafe ByteSlice(start: start, count: length)
    }

    /// The bytes of a string or number up to the first zero byte.
    func text(_ index: Int32) -> ByteSlice? {
        guard let bytes = string(index) else { return nil }
        return bytes[0..<(bytes.index(of: 0) ?? bytes.count)]
    }

    /// Which object a table, a function or a userdata is.
    func identity(_ index: Int32) -> UnsafeRawPointer? { unsafe functions.pointee.toPointer(state, index) }
    /// What `#` tells of a table or a string.
    @inline(__always) func length(_ index: Int32) -> Int { unsafe functions.pointee.length(state, index) }

    // MARK: pushing values

    @inline(__always) func pushNil() { unsafe functions.pointee.pushNil(state) }
    @inline(__always) func push(_ value: Double) { unsafe functions.pointee.pushNumber(state, value) }
    @inline(__always) func push(_ value: Bool) { unsafe functions.pointee.pushBoolean(state, value ? 1 : 0) }
    @inline(__always) func push(_ bytes: ByteSlice) {
        unsafe functions.pointee.pushString(
            state, bytes.rawBytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    func push(_ bytes: [UInt8]) { bytes.withByteSlice { push($0) } }
    func push(text: String) { push(Array(text.utf8)) }
    /// What stands for null in JSON.
    func pushNullPointer() { unsafe functions.pointee.pushLightUserData(state, nil) }
    /// Whether it is that.
    func isNullPointer(_ index: Int32) -> Bool {
        unsafe type(index) == .lightUserData && functions.pointee.toUserData(state, index) == nil
    }

    /// A Swift function as one of Lua's. A negative result raises what is on top of the stack.
    func push(_ function: LuaFunctions.Function) {
        unsafe functions.pointee.pushLightUserData(state, unsafeBitCast(function, to: UnsafeMutableRawPointer.self))
        unsafe functions.pointee.pushClosure(state, functions.pointee.caller, 1)
    }

    /// The same with a number that it finds in `secondUpvalue`.
    func push(_ function: LuaFunctions.Function, secondUpvalue: Double) {
        unsafe functions.pointee.pushLightUserData(state, unsafeBitCast(function, to: UnsafeMutableRawPointer.self))
        push(secondUpvalue)
        unsafe functions.pointee.pushClosure(state, functions.pointee.caller, 2)
    }

    /// The number that the function that runs was pushed with; 0 without one.
    var secondUpvalue: Double { number(Self.secondUpvalueIndex) }

    // MARK: tables

    /// A new table, with room for as many elements and fields.
    @inline(__always) func pushTable(elements: Int = 0, fields: Int = 0) {
        unsafe functions.pointee.createTable(
            state, Int32(truncatingIfNeeded: min(elements, 1 << 24)), Int32(truncatingIfNeeded: min(fields, 1 << 20)))
    }

    /// Pushes element `place` of a table.
    @inline(__always) func pushElement(_ place: Int, of table: Int32) {
        unsafe functions.pointee.rawGetIndex(state, table, Int32(truncatingIfNeeded: place))
    }
    /// Sets element `place` of a table to the value on top, and takes that away.
    @inline(__always) func setElement(_ place: Int, of table: Int32) {
        unsafe functions.pointee.rawSetIndex(state, table, Int32(truncatingIfNeeded: place))
    }
    /// Pushes the field of that name.
    func pushField(_ name: ByteSlice, of table: Int32) {
        push(name)
        unsafe functions.pointee.rawGet(state, table < 0 && table > Self.registryIndex ? table - 1 : table)
    }
    /// Sets the field of that name to the value on top, and takes that away.
    func setField(_ name: ByteSlice, of table: Int32) {
        push(name)
        moveTop(to: -2)
        unsafe functions.pointee.rawSet(state, table < 0 && table > Self.registryIndex ? table - 1 : table)
    }
    /// Sets the entry whose key, which can be one, is below the top to the value on top, and takes both away.
    @inline(__always) func setEntry(of table: Int32) { unsafe functions.pointee.rawSet(state, table) }
    /// Replaces the key on top by what the table has for it.
    func replaceKeyByValue(of table: Int32) { unsafe functions.pointee.rawGet(state, table) }
    /// Sets a field by the key below the top to the value on top, and takes both away. A key that cannot be one changes nothing.
    func setField(of table: Int32) {
        let key = type(-2)
        guard key != .nil, key != .number || !number(-2).isNaN else { return pop(2) }
        unsafe functions.pointee.rawSet(state, table)
    }
    /// Replaces the key on top by the next one and its value. False, and the key is gone, if there is none.
    @inline(__always) func pushNext(of table: Int32) -> Bool { unsafe functions.pointee.next(state, table) != 0 }

    /// Pushes a table's or a userdata's metatable, if it has one.
    func pushMetatable(of index: Int32) -> Bool { unsafe functions.pointee.getMetatable(state, index) != 0 }
    /// Makes the table on top, or nil, the metatable of a value, and takes it away.
    func setMetatable(of index: Int32) { unsafe _ = functions.pointee.setMetatable(state, index) }

    // MARK: work

    /// How a piece of work ended.
    enum Outcome: Int32 {
        case done = 0
        case failed = 2
        case malformed = 3
        case outOfMemory = 4
        case handlerFailed = 5
    }

    /// Calls the function that is below its arguments. What it raises is left on the stack in place of results.
    /// - Parameters:
    ///   - resultCount: -1 for as many as there are.
    ///   - handler: where the function is that is called with an error where that happens; 0 for none.
    @inline(__always)
    func call(argumentCount: Int32, resultCount: Int32, handler: Int32 = 0) -> Outcome {
        unsafe memory.pointee.isLenient = false
        let outcome = unsafe functions.pointee.protectedCall(state, argumentCount, resultCount, handler)
        unsafe memory.pointee.isLenient = true
        return Outcome(rawValue: outcome) ?? .failed
    }

    /// Compiles source text to a function, which is pushed, or else the text of what is wrong. What was compiled before is not taken.
    /// - Parameter name: What the source is called; "@" in front says that it is no text but a name. Without zero bytes.
    func load(_ source: ByteSlice, named name: ByteSlice) -> Outcome {
        // Lua keeps the name in no place where it is seen to be in use; here it is.
        push(name)
        defer { remove(-2) }
        // What begins with the mark of compiled code is text all the same, and no program.
        if source.count > 0 && source[0] == 0x1B { return ([0x20] + source.array).withByteSlice { compile($0) } }
        return compile(source)
    }

    /// Compiles a text whose name is on top.
    private func compile(_ text: ByteSlice) -> Outcome {
        guard let name = unsafe functions.pointee.toString(state, -1, nil) else { return .failed }
        unsafe memory.pointee.isLenient = false
        let outcome = unsafe functions.pointee.auxLoad(
            state, text.rawBytes.baseAddress?.assumingMemoryBound(to: CChar.self), text.count, name)
        unsafe memory.pointee.isLenient = true
        return Outcome(rawValue: outcome) ?? .failed
    }

    /// Keeps the value on top, takes it away, and tells by which number to find it.
    func keep() -> Int32 { unsafe functions.pointee.auxReference(state, Self.registryIndex) }
    @inline(__always) func push(kept reference: Int32) {
        unsafe functions.pointee.rawGetIndex(state, Self.registryIndex, reference)
    }
    func release(_ reference: Int32) { unsafe functions.pointee.auxUnreference(state, Self.registryIndex, reference) }

    // MARK: errors

    /// Has a text raised, with the place in the script that called the function in front.
    func fail(_ text: [UInt8]) -> Int32 {
        unsafe functions.pointee.auxWhere(state, 1)
        let place = string(-1)?.array ?? []
        pop()
        push(place + text)
        return -1
    }
    func fail(_ text: String) -> Int32 { fail(Array(text.utf8)) }

    /// Has it raised that an argument is wrong.
    ///
    /// The function is called what the script calls it by, and `?` where it has no name there, as in `pcall(f)`.
    func failArgument(_ number: Int32, _ text: String) -> Int32 {
        var record = unsafe clua_debug()
        guard unsafe functions.pointee.getStack(state, 0, &record) != 0,
            unsafe functions.pointee.getInfo(state, "n", &record) != 0,
            let called = unsafe record.name.map({ unsafe String(cString: $0) })
        else { return fail("bad argument #\(number) to '?' (\(text))") }
        // The object before the colon is the first argument.
        let isMethod = unsafe record.name_kind.map { unsafe String(cString: $0) } == "method"
        if isMethod && number == 1 { return fail("calling '\(called)' on bad self (\(text))") }
        return fail("bad argument #\(isMethod ? number - 1 : number) to '\(called)' (\(text))")
    }
    func failType(_ number: Int32, expected: String) -> Int32 {
        failArgument(number, "\(expected) expected, got \(type(number).name)")
    }

    /// For work in Swift on values that a script has made, which may be very many by being in one another: asks the host now and then whether
    /// to go on. If not, an error has been pushed.
    @inline(__always)
    func mayGoOn(_ steps: inout Int) -> Bool {
        steps &+= 1
        return steps & 0xFFFF != 0 || askHost()
    }

    @inline(never)
    private func askHost() -> Bool {
        guard let environment = unsafe memory.pointee.environment, hasRoom(for: 8) else { return true }
        return unsafe environment.object.host.interrupt(self) >= 0
    }

    /// Has it raised that there is not enough memory.
    func failMemory() -> Int32 {
        push("not enough memory")
        return -1
    }

    /// Whether `count` more bytes would be too many.
    @inline(__always) func isOverLimit(adding count: Int = 0) -> Bool {
        unsafe memory.pointee.isOverLimit(adding: count)
    }
}
