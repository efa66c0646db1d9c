// The functions of `string` that look for patterns: Lua's own, behind a bound on the length of patterns.
//
// Lua matches each item of a pattern in a call within that of the item before it. A long enough pattern would so use up the stack of the
// process.

import RespCodec

enum LuaPatterns {
    static let names: [StaticString] = ["find", "match", "gmatch", "gsub"]

    static var functions: [(ByteSlice, LuaFunctions.Function)] {
        unsafe [("find", find), ("match", match), ("gmatch", iterate), ("gsub", substitute)]
    }

    private static let mostPatternBytes = 16 * 1024

    private static let find: LuaFunctions.Function = { state in unsafe call(0, state) }
    private static let match: LuaFunctions.Function = { state in unsafe call(1, state) }
    private static let iterate: LuaFunctions.Function = { state in unsafe call(2, state) }
    private static let substitute: LuaFunctions.Function = { state in unsafe call(3, state) }

    private static func call(_ place: Int, _ state: LuaFunctions.State) -> Int32 {
        unsafe LuaEnvironment.enter(state) { environment, lua in
            if lua.type(2) == .string && lua.length(2) > mostPatternBytes { return lua.fail("pattern too complex") }
            let count = lua.count
            guard lua.hasRoom(for: 8) else { return lua.fail("stack overflow") }
            lua.push(kept: environment.patternFunctions[place])
            lua.moveTop(to: 1)
            if lua.call(argumentCount: count, resultCount: -1) == .done { return lua.count }
            if lua.type(-1) == .string, let text = lua.string(-1) { return fail(lua, text.array, names[place]) }
            return -1
        }
    }

    /// Has an error of Lua's function raised as if the script had called that itself.
    private static func fail(_ lua: Lua, _ text: [UInt8], _ name: StaticString) -> Int32 {
        let unnamed = Array(" to '?' (".utf8)
        guard text.starts(with: Array("bad argument #".utf8)), let start = place(of: unnamed, in: text) else {
            // What a function of the script raised has its place already.
            let isOwn = ["malformed", "invalid", "missing", "unfinished", "too many", "string"].contains {
                text.starts(with: Array($0.utf8))
            }
            guard isOwn else { return -1 }
            return lua.fail(text)
        }
        let named = Array(" to '".utf8) + ByteSlice(name).array + Array("' (".utf8)
        return lua.fail(Array(text[..<start]) + named + Array(text[(start + unnamed.count)...]))
    }

    private static func place(of part: [UInt8], in text: [UInt8]) -> Int? {
        guard text.count >= part.count else { return nil }
        return (0...text.count - part.count).first { text[$0..<$0 + part.count].elementsEqual(part) }
    }
}
