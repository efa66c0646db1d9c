// Functions of Lua's own libraries that scripts get in another form: those that would go past the protection of tables, that would load
// compiled code, whose results would depend on the C library, or that would keep something from one script to the next.

import CLinux
import Glibc
import RespCodec

/// The random numbers of scripts: those of `lrand48`, which are the same everywhere for the same seed. A script that sets no seed gets one
/// that nobody knows.
final class LuaRandom {
    private var state: UInt64?

    func seed(_ value: Int32) { state = UInt64(UInt32(bitPattern: value)) &<< 16 | 0x330E }
    func forgetSeed() { state = nil }

    /// From 0 to 1, without 1.
    func next() -> Double {
        let last = state ?? UInt64.random(in: 0..<1 << 48)
        let new = (last &* 0x5_DEEC_E66D &+ 0xB) & 0xFFFF_FFFF_FFFF
        state = new
        let largest = UInt64(Int32.max)
        return Double((new &>> 17) % largest) / Double(largest)
    }
}

enum LuaBase {
    static var globals: [(ByteSlice, LuaFunctions.Function)] {
        unsafe [
            ("rawget", rawGet), ("rawset", rawSet), ("next", next), ("pairs", pairs),
            ("getmetatable", getMetatable), ("setmetatable", setMetatable), ("pcall", protectedCall),
            ("loadstring", loadString), ("load", load), ("unpack", unpack), ("collectgarbage", collectGarbage),
        ]
    }
    static var table: [(ByteSlice, LuaFunctions.Function)] { unsafe [("insert", insert)] }
    static var math: [(ByteSlice, LuaFunctions.Function)] { unsafe [("random", random), ("randomseed", seed)] }

    // MARK: protected tables

    private static func refuse(_ lua: Lua) -> Int32 {
        lua.push(ByteSlice(LuaEnvironment.readOnlyText))
        return -1
    }

    /// Puts what a protected table passes on to in its place, for those who only look.
    private static func lookThrough(_ environment: LuaEnvironment, _ lua: Lua, _ index: Int32) {
        guard environment.isProtected(lua, index), lua.pushMetatable(of: index) else { return }
        lua.pushField("__index", of: -1)
        lua.replace(index)
        lua.pop()
    }

    private static let rawGet: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            guard lua.isTable(1) else { return lua.failType(1, expected: "table") }
            guard lua.count >= 2 else { return lua.failArgument(2, "value expected") }
            lua.truncate(to: 2)
            lookThrough(environment, lua, 1)
            lua.replaceKeyByValue(of: 1)
            return 1
        }
    }

    /// Only for protected tables does it differ from Lua's own, which finds out whether a key is one.
    private static let next: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            guard lua.isTable(1) else { return lua.failType(1, expected: "table") }
            lua.truncate(to: 2)
            lookThrough(environment, lua, 1)
            lua.push(copyOf: 1)
            lua.push(copyOf: 2)
            environment.pushNext(lua)
            lua.moveTop(to: -3)
            return lua.call(argumentCount: 2, resultCount: -1) == .done ? lua.count - 2 : -1
        }
    }

    private static let getMetatable: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            guard lua.count >= 1 else { return lua.failArgument(1, "value expected") }
            lua.truncate(to: 1)
            if environment.isProtected(lua, 1) {
                let isGlobal = unsafe lua.identity(1) == lua.identity(Lua.globalsIndex)
                if isGlobal { lua.push(kept: environment.shownMetatable) } else { lua.pushNil() }
                return 1
            }
            guard lua.pushMetatable(of: 1) else {
                lua.pushNil()
                return 1
            }
            lua.pushField("__metatable", of: -1)
            if lua.type(-1) == .nil { lua.pop() }
            return 1
        }
    }

    static let refuseChange: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in lua.fail(ByteSlice(LuaEnvironment.readOnlyText).array) }
    }

    static let refuseUnknown: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            guard let name = lua.text(2) else {
                return lua.fail("Second argument to luaProtectedTableError must be a string or number")
            }
            let before = Array("Script attempted to access nonexistent global variable '".utf8)
            return lua.fail(before + name.array + [UInt8(ascii: "'")])
        }
    }

    private static let rawSet: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            guard lua.isTable(1) else { return lua.failType(1, expected: "table") }
            guard lua.count >= 3 else {
                return lua.failArgument(max(2, lua.count + 1), "value expected")
            }
            guard !environment.isProtected(lua, 1) else { return refuse(lua) }
            guard !lua.isOverLimit() else { return lua.failMemory() }
            lua.truncate(to: 3)
            if lua.type(2) == .nil || lua.type(2) == .number && lua.number(2).isNaN {
                lua.push(lua.type(2) == .nil ? "table index is nil" : "table index is NaN")
                return -1
            }
            lua.setField(of: 1)
            return 1
        }
    }

    private static let setMetatable: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            guard lua.isTable(1) else { return lua.failType(1, expected: "table") }
            guard lua.type(2) == .nil || lua.isTable(2) else {
                return lua.failArgument(2, "nil or table expected")
            }
            guard !environment.isProtected(lua, 1) else { return refuse(lua) }
            if lua.pushMetatable(of: 1) {
                lua.pushField("__metatable", of: -1)
                guard lua.type(-1) == .nil else { return lua.fail("cannot change a protected metatable") }
            }
            lua.truncate(to: 2)
            lua.setMetatable(of: 1)
            return 1
        }
    }

    private static let insert: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            guard lua.isTable(1) else { return lua.failType(1, expected: "table") }
            guard !environment.isProtected(lua, 1) else { return refuse(lua) }
            guard !lua.isOverLimit() else { return lua.failMemory() }
            let end = lua.length(1) + 1
            switch lua.count {
            case 2:
                lua.setElement(end, of: 1)
            case 3:
                guard lua.isNumber(2) else { return lua.failType(2, expected: "number") }
                let place = Int(LuaNumber.int32(lua.number(2)))
                // It would take that long.
                guard end - place < 1 << 24 else { return lua.failArgument(2, "position out of bounds") }
                var index = max(end, place)
                while index > place {
                    guard !lua.isOverLimit() else { return lua.failMemory() }
                    lua.pushElement(index - 1, of: 1)
                    lua.setElement(index, of: 1)
                    index -= 1
                }
                lua.setElement(place, of: 1)
            default: return lua.fail("wrong number of arguments to 'insert'")
            }
            return 0
        }
    }

    private static let pairs: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            guard lua.isTable(1) else { return lua.failType(1, expected: "table") }
            let isProtected = environment.isProtected(lua, 1)
            environment.pushNext(lua)
            if isProtected { pushCopy(lua) } else { lua.push(copyOf: 1) }
            lua.pushNil()
            return 3
        }
    }

    /// Lua's own computes how many values there are in 32 bits, where that may overflow.
    private static let unpack: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            guard lua.isTable(1) else { return lua.failType(1, expected: "table") }
            func bound(_ index: Int32) -> Int? {
                guard lua.count >= index, lua.type(index) != .nil else { return nil }
                return lua.isNumber(index) ? Int(LuaNumber.int32(lua.number(index))) : Int.min
            }
            let first = bound(2) ?? 1
            guard first != Int.min else { return lua.failType(2, expected: "number") }
            let last = bound(3) ?? lua.length(1)
            guard last != Int.min else { return lua.failType(3, expected: "number") }
            guard first <= last else { return 0 }
            let count = last - first + 1
            guard count <= 1 << 20, lua.hasRoom(for: Int32(count)) else {
                return lua.fail("too many results to unpack")
            }
            for place in first...last { lua.pushElement(place, of: 1) }
            return Int32(count)
        }
    }

    /// Pushes a copy of what the protected table at the bottom passes on to.
    private static func pushCopy(_ lua: Lua) {
        lua.pushTable()
        let copy = lua.count
        guard lua.pushMetatable(of: 1) else { return }
        lua.pushField("__index", of: -1)
        let real = lua.count
        lua.pushNil()
        while lua.pushNext(of: real) {
            lua.push(copyOf: -2)
            lua.moveTop(to: -2)
            lua.setField(of: copy)
        }
        lua.truncate(to: copy)
    }

    // MARK: errors

    /// Calls a function, and returns the text of an error even if that is a table, as it was before there were such tables.
    private static let protectedCall: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            let count = lua.count
            guard count >= 1 else {
                lua.push(false)
                lua.push("attempt to call a boolean value")
                return 2
            }
            guard lua.hasRoom(for: 4) else { return lua.fail("stack overflow") }
            lua.push(true)
            lua.moveTop(to: 1)
            if lua.call(argumentCount: count - 1, resultCount: -1) != .done {
                lua.remove(1)
                if lua.isTable(-1) {
                    lua.pushField("err", of: -1)
                    let isText = lua.type(-1) == .string || lua.type(-1) == .number
                    if isText { lua.replace(-2) } else { lua.pop() }
                }
                lua.push(false)
                lua.moveTop(to: 1)
            }
            return lua.count
        }
    }

    // MARK: source text

    private static let loadString: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            guard let source = lua.string(1) else { return lua.failType(1, expected: "string") }
            return load(lua, source, name: lua.count >= 2 && lua.type(2) != .nil ? lua.text(2) : lua.text(1))
        }
    }

    /// Puts the pieces together that a function returns, until it returns none.
    private static let load: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            guard lua.type(1) == .function else { return lua.failType(1, expected: "function") }
            if lua.count < 2 || lua.type(2) == .nil {
                lua.truncate(to: 1)
                lua.push("=(load)")
            }
            lua.truncate(to: 2)
            var source: [UInt8] = []
            while true {
                lua.push(copyOf: 1)
                guard lua.call(argumentCount: 0, resultCount: 1) == .done else { break }
                if lua.type(-1) == .nil { return source.withByteSlice { load(lua, $0, name: lua.text(2)) } }
                guard let piece = lua.string(-1) else {
                    lua.push("reader function must return a string")
                    break
                }
                if piece.isEmpty { return source.withByteSlice { load(lua, $0, name: lua.text(2)) } }
                guard !lua.isOverLimit(adding: source.count + piece.count) else { return lua.failMemory() }
                source += piece.array
                lua.pop()
            }
            lua.pushNil()
            lua.moveTop(to: -2)
            return 2
        }
    }

    private static func load(_ lua: Lua, _ source: ByteSlice, name: ByteSlice?) -> Int32 {
        if lua.load(source, named: name ?? "=?") == .done { return 1 }
        lua.pushNil()
        lua.moveTop(to: -2)
        return 2
    }

    // MARK: memory

    /// What there is of it may be counted and collected; that and when Lua collects by itself is the server's to say.
    private static let collectGarbage: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            let option = lua.count >= 1 && lua.type(1) != .nil ? lua.text(1)?.description : "collect"
            func collect(_ what: Int32, _ data: Int32 = 0) -> Int32 {
                unsafe lua.functions.pointee.collect(lua.state, what, data)
            }
            switch option {
            case "collect": lua.push(Double(collect(2)))
            case "count": lua.push(Double(collect(3)) + Double(collect(4)) / 1024)
            case "step": lua.push(collect(5, LuaNumber.int32(lua.count >= 2 ? lua.number(2) : 0)) == 1)
            case "stop", "restart", "setpause", "setstepmul": lua.push(0.0)
            case let text?: return lua.failArgument(1, "invalid option '\(text)'")
            case nil: return lua.failType(1, expected: "string")
            }
            return 1
        }
    }

    // MARK: numbers

    private static let random: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            let count = lua.count
            guard count <= 2 else { return lua.fail("wrong number of arguments") }
            for index in 0..<count where !lua.isNumber(index + 1) {
                return lua.failType(index + 1, expected: "number")
            }
            let value = environment.random.next()
            guard count > 0 else {
                lua.push(value)
                return 1
            }
            let low = count == 2 ? LuaNumber.int32(lua.number(1)) : 1
            let high = LuaNumber.int32(lua.number(count))
            guard low <= high else { return lua.failArgument(count, "interval is empty") }
            lua.push((value * Double(high &- low &+ 1)).rounded(.down) + Double(low))
            return 1
        }
    }

    private static let seed: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            guard lua.isNumber(1) else { return lua.failType(1, expected: "number") }
            environment.random.seed(LuaNumber.int32(lua.number(1)))
            return 0
        }
    }

    static let clock: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            lua.push(Double(Glibc.clock()) / 1_000_000)
            return 1
        }
    }
}

/// Numbers of Lua as integers, for every number there is.
enum LuaNumber {
    /// As C converts it on most machines: without the fraction, the least one for what has no place.
    @inline(__always) static func int64(_ value: Double) -> Int {
        value > -0x1p63 && value < 0x1p63 ? Int(value) : Int.min
    }

    /// The lower half of that.
    static func int32(_ value: Double) -> Int32 { Int32(truncatingIfNeeded: int64(value)) }
}
