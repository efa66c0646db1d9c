// The system's Lua 5.1, loaded the first time it is needed.
//
// Nothing is linked with it and no header of it is needed: each function is looked up by name. Where the library is missing, only scripts are:
// who asks for one is told what to install.

import CLinux
import Glibc

/// The functions of Lua's C interface that are used here, by their names without the prefix. Those that begin with "aux" and "open" are
/// Lua's `luaL_` and `luaopen_`.
@unsafe struct LuaFunctions {
    typealias State = OpaquePointer
    typealias Function = @convention(c) (State) -> Int32
    typealias Allocator =
        @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, Int, Int)
        -> UnsafeMutableRawPointer?
    typealias Hook = @convention(c) (State, UnsafeMutablePointer<clua_debug>?) -> Void

    let newState: @convention(c) (Allocator, UnsafeMutableRawPointer?) -> State?
    let close: @convention(c) (State) -> Void
    let atPanic: @convention(c) (State, Function) -> Function?
    let getAllocator: @convention(c) (State, UnsafeMutablePointer<UnsafeMutableRawPointer?>?) -> Allocator?
    let getTop: @convention(c) (State) -> Int32
    let setTop: @convention(c) (State, Int32) -> Void
    let checkStack: @convention(c) (State, Int32) -> Int32
    let pushValue: @convention(c) (State, Int32) -> Void
    let remove: @convention(c) (State, Int32) -> Void
    let insert: @convention(c) (State, Int32) -> Void
    let replace: @convention(c) (State, Int32) -> Void
    let type: @convention(c) (State, Int32) -> Int32
    let isNumber: @convention(c) (State, Int32) -> Int32
    let toBoolean: @convention(c) (State, Int32) -> Int32
    let toNumber: @convention(c) (State, Int32) -> Double
    let toString: @convention(c) (State, Int32, UnsafeMutablePointer<Int>?) -> UnsafePointer<CChar>?
    let toUserData: @convention(c) (State, Int32) -> UnsafeMutableRawPointer?
    let toPointer: @convention(c) (State, Int32) -> UnsafeRawPointer?
    let length: @convention(c) (State, Int32) -> Int
    let pushNil: @convention(c) (State) -> Void
    let pushNumber: @convention(c) (State, Double) -> Void
    let pushBoolean: @convention(c) (State, Int32) -> Void
    let pushString: @convention(c) (State, UnsafePointer<CChar>?, Int) -> Void
    let pushClosure: @convention(c) (State, Function, Int32) -> Void
    let pushLightUserData: @convention(c) (State, UnsafeMutableRawPointer?) -> Void
    let createTable: @convention(c) (State, Int32, Int32) -> Void
    let rawGet: @convention(c) (State, Int32) -> Void
    let rawGetIndex: @convention(c) (State, Int32, Int32) -> Void
    let rawSet: @convention(c) (State, Int32) -> Void
    let rawSetIndex: @convention(c) (State, Int32, Int32) -> Void
    let next: @convention(c) (State, Int32) -> Int32
    let getMetatable: @convention(c) (State, Int32) -> Int32
    let setMetatable: @convention(c) (State, Int32) -> Int32
    let setEnvironment: @convention(c) (State, Int32) -> Int32
    let protectedCall: @convention(c) (State, Int32, Int32, Int32) -> Int32
    let collect: @convention(c) (State, Int32, Int32) -> Int32
    let setHook: @convention(c) (State, Hook?, Int32, Int32) -> Int32
    let getStack: @convention(c) (State, Int32, UnsafeMutablePointer<clua_debug>) -> Int32
    let getInfo: @convention(c) (State, UnsafePointer<CChar>, UnsafeMutablePointer<clua_debug>) -> Int32
    let auxWhere: @convention(c) (State, Int32) -> Void
    let auxLoad: @convention(c) (State, UnsafePointer<CChar>?, Int, UnsafePointer<CChar>) -> Int32
    let auxReference: @convention(c) (State, Int32) -> Int32
    let auxUnreference: @convention(c) (State, Int32, Int32) -> Void
    let openBase: Function
    let openTable: Function
    let openString: Function
    let openMath: Function
    fileprivate let raise: Function

    /// The functions that run a Swift function, and the hook that counts instructions: see `CLua.h`.
    let caller: Function
    let counter: Hook

    /// Looks all functions up; nil if one is not there.
    fileprivate init?(_ library: UnsafeMutableRawPointer) {
        var isComplete = true
        func find<Value>(_ name: String) -> Value {
            // A function that is missing is never called: `isComplete` says so.
            let address = unsafe dlsym(library, name)
            if unsafe address == nil { isComplete = false }
            return unsafe unsafeBitCast(address ?? library, to: Value.self)
        }
        unsafe newState = find("lua_newstate")
        unsafe close = find("lua_close")
        unsafe atPanic = find("lua_atpanic")
        unsafe getAllocator = find("lua_getallocf")
        unsafe getTop = find("lua_gettop")
        unsafe setTop = find("lua_settop")
        unsafe checkStack = find("lua_checkstack")
        unsafe pushValue = find("lua_pushvalue")
        unsafe remove = find("lua_remove")
        unsafe insert = find("lua_insert")
        unsafe replace = find("lua_replace")
        unsafe type = find("lua_type")
        unsafe isNumber = find("lua_isnumber")
        unsafe toBoolean = find("lua_toboolean")
        unsafe toNumber = find("lua_tonumber")
        unsafe toString = find("lua_tolstring")
        unsafe toUserData = find("lua_touserdata")
        unsafe toPointer = find("lua_topointer")
        unsafe length = find("lua_objlen")
        unsafe pushNil = find("lua_pushnil")
        unsafe pushNumber = find("lua_pushnumber")
        unsafe pushBoolean = find("lua_pushboolean")
        unsafe pushString = find("lua_pushlstring")
        unsafe pushClosure = find("lua_pushcclosure")
        unsafe pushLightUserData = find("lua_pushlightuserdata")
        unsafe createTable = find("lua_createtable")
        unsafe rawGet = find("lua_rawget")
        unsafe rawGetIndex = find("lua_rawgeti")
        unsafe rawSet = find("lua_rawset")
        unsafe rawSetIndex = find("lua_rawseti")
        unsafe next = find("lua_next")
        unsafe getMetatable = find("lua_getmetatable")
        unsafe setMetatable = find("lua_setmetatable")
        unsafe setEnvironment = find("lua_setfenv")
        unsafe protectedCall = find("lua_pcall")
        unsafe collect = find("lua_gc")
        unsafe setHook = find("lua_sethook")
        unsafe getStack = find("lua_getstack")
        unsafe getInfo = find("lua_getinfo")
        unsafe auxWhere = find("luaL_where")
        unsafe auxLoad = find("luaL_loadbuffer")
        unsafe auxReference = find("luaL_ref")
        unsafe auxUnreference = find("luaL_unref")
        unsafe openBase = find("luaopen_base")
        unsafe openTable = find("luaopen_table")
        unsafe openString = find("luaopen_string")
        unsafe openMath = find("luaopen_math")
        unsafe raise = find("lua_error")
        unsafe caller = clua_caller()
        unsafe counter = clua_counter()
        guard isComplete else { return nil }
    }
}

enum LuaLibrary {
    /// What the library is called on the distributions.
    private static let names = ["liblua5.1.so.0", "liblua-5.1.so", "liblua5.1.so"]

    /// Its functions, once they are asked for; nil if the system does not have it.
    nonisolated(unsafe) static let functions: UnsafePointer<LuaFunctions>? = unsafe load()

    private static func load() -> UnsafePointer<LuaFunctions>? {
        for name in names {
            guard let library = unsafe dlopen(name, RTLD_NOW | RTLD_LOCAL), let found = unsafe LuaFunctions(library)
            else { continue }
            unsafe clua_install(found.toUserData, found.raise, LuaEnvironment.interrupt)
            let functions = UnsafeMutablePointer<LuaFunctions>.allocate(capacity: 1)
            unsafe functions.initialize(to: found)
            return unsafe UnsafePointer(functions)
        }
        return nil
    }

    /// Whether the system has the library. Looks for it, but does not keep it.
    static var isThere: Bool {
        names.contains { name in
            guard let library = unsafe dlopen(name, RTLD_LAZY | RTLD_LOCAL) else { return false }
            unsafe dlclose(library)
            return true
        }
    }

    /// What to install where it is missing.
    static let advice =
        "install Lua 5.1 (Debian, Ubuntu: apt-get install liblua5.1-0; Fedora: dnf install compat-lua-libs; "
        + "Alpine: apk add lua5.1-libs; Arch: pacman -S lua51) and restart the server"
}
