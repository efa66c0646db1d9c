// Builds what scripts find when an interpreter is new: see `LuaEnvironment`.

import RespCodec

struct LuaSandbox {
    private let environment: LuaEnvironment
    private let lua: Lua
    private let use: LuaEnvironment.Use

    init(_ environment: LuaEnvironment, _ lua: Lua, for use: LuaEnvironment.Use) {
        self.environment = environment
        self.lua = lua
        self.use = use
    }

    /// Of Lua's own functions, those that scripts do without.
    private static var removed: [ByteSlice] { ["dofile", "loadfile", "print", "newproxy", "getfenv", "setfenv"] }

    /// Leaves the handler of errors and the table of global variables on the stack.
    func build() {
        unsafe open(lua.functions.pointee.openBase, "")
        unsafe open(lua.functions.pointee.openTable, "table")
        unsafe open(lua.functions.pointee.openString, "string")
        unsafe open(lua.functions.pointee.openMath, "math")
        unsafe lua.push(LuaEnvironment.handler)
        lua.push(copyOf: Lua.globalsIndex)
        for name in Self.removed {
            lua.pushNil()
            lua.setField(name, of: LuaEnvironment.globalsIndex)
        }
        lua.pushField("next", of: LuaEnvironment.globalsIndex)
        environment.keepNext(lua.keep())
        setTailoredFunctions()
        unsafe set(LuaBase.globals, of: LuaEnvironment.globalsIndex)
        unsafe add(LuaBase.table, to: "table")
        unsafe add(LuaBase.math, to: "math")
        lua.pushField("string", of: LuaEnvironment.globalsIndex)
        for name in LuaPatterns.names {
            lua.pushField(ByteSlice(name), of: -1)
            environment.patternFunctions.append(lua.keep())
        }
        lua.pop()
        unsafe add(LuaPatterns.functions, to: "string")
        unsafe addLibrary("os", [("clock", LuaBase.clock)]) {}
        unsafe addLibrary("bit", LuaBit.functions) {}
        unsafe addLibrary("struct", LuaStruct.functions) {}
        LuaJSON.push(lua, number: 0)
        lua.setField("cjson", of: LuaEnvironment.globalsIndex)
        unsafe addLibrary("cmsgpack", LuaMessagePack.functions) {
            setTexts([
                ("_NAME", "cmsgpack"), ("_VERSION", "lua-cmsgpack 0.4.0"),
                ("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo"),
                ("_DESCRIPTION", "MessagePack C implementation for Lua"),
            ])
        }
        let scriptsOnly = unsafe use == .scripts ? LuaServerLibrary.scriptFunctions : []
        unsafe addLibrary("redis", LuaServerLibrary.functions + scriptsOnly) {
            setTexts([("REDIS_VERSION", Product.redisVersion)])
            for (name, value) in LuaServerLibrary.numbers {
                lua.push(value)
                lua.setField(name, of: -2)
            }
        }
        protectStrings()
        protectLibraries()
        makeLibraryView()
        protectGlobals()
    }

    /// Opens one of Lua's own libraries.
    private func open(_ function: LuaFunctions.Function, _ name: ByteSlice) {
        unsafe lua.functions.pointee.pushClosure(lua.state, function, 0)
        lua.push(name)
        precondition(lua.call(argumentCount: 1, resultCount: 0) == .done, "Lua opens its libraries")
    }

    // MARK: libraries

    private static let source: StaticString = "=sandbox"
    /// Where functions come from that are not a script's.
    static let sourceName = "\(source)"

    /// Functions in Lua itself, in place of Lua's own.
    ///
    /// The handler of `xpcall` runs when what it was called for is over. Lua's own calls it where the error is, and where that was raised by
    /// the host, which asks whether to go on, it asks no more: a handler that never ends could not be ended.
    private static let tailoredFunctions = """
        local pcall, error, select = ...
        local function finish(handler, isDone, ...)
            if isDone then return true, ... end
            local isHandled, result = pcall(handler, (...))
            if isHandled then return false, result end
            return false, 'error in error handling'
        end
        return function(...)
            if select('#', ...) < 2 then error("bad argument #2 to 'xpcall' (value expected)", 2) end
            local call, handler = ...
            return finish(handler, pcall(call))
        end
        """

    private func setTailoredFunctions() {
        let isLoaded = Array(Self.tailoredFunctions.utf8).withByteSlice {
            lua.load($0, named: ByteSlice(Self.source)) == .done
        }
        precondition(isLoaded, "the sandbox is right Lua")
        for name: ByteSlice in ["pcall", "error", "select"] {
            lua.pushField(name, of: LuaEnvironment.globalsIndex)
        }
        precondition(lua.call(argumentCount: 3, resultCount: 1) == .done, "the sandbox is built")
        lua.setField("xpcall", of: LuaEnvironment.globalsIndex)
    }

    private func set(_ functions: [(ByteSlice, LuaFunctions.Function)], of table: Int32) {
        for index in unsafe 0..<functions.count {
            unsafe lua.push(functions[index].1)
            unsafe lua.setField(functions[index].0, of: table)
        }
    }

    private func setTexts(_ texts: [(ByteSlice, String)]) {
        for (name, text) in texts {
            lua.push(text: text)
            lua.setField(name, of: -2)
        }
    }

    /// Adds functions to a library, or puts them in place of its own.
    private func add(_ functions: [(ByteSlice, LuaFunctions.Function)], to library: ByteSlice) {
        lua.pushField(library, of: LuaEnvironment.globalsIndex)
        unsafe set(functions, of: lua.count)
        lua.pop()
    }

    /// Makes a library of functions, and of what else `fill` adds to the table on top.
    private func addLibrary(_ name: ByteSlice, _ functions: [(ByteSlice, LuaFunctions.Function)], _ fill: () -> Void) {
        unsafe lua.pushTable(fields: functions.count + 16)
        let table = lua.count
        unsafe set(functions, of: table)
        fill()
        lua.setField(name, of: LuaEnvironment.globalsIndex)
    }

    // MARK: protection

    private static var libraries: [ByteSlice] {
        ["string", "table", "math", "coroutine", "os", "bit", "struct", "cjson", "cmsgpack", "redis"]
    }

    /// Replaces the table on top by an empty one that passes on to it and cannot be written to.
    private func protect() {
        lua.pushTable()
        unsafe environment.addProtected(lua.identity(-1))
        lua.pushTable(fields: 3)
        // real, proxy, metatable
        lua.push(copyOf: -3)
        lua.setField("__index", of: -2)
        unsafe lua.push(LuaBase.refuseChange)
        lua.setField("__newindex", of: -2)
        lua.push(false)
        lua.setField("__metatable", of: -2)
        lua.setMetatable(of: -2)
        lua.remove(-2)
    }

    private func protectLibraries() {
        for name in Self.libraries {
            lua.pushField(name, of: LuaEnvironment.globalsIndex)
            protect()
            if name == "redis" {
                lua.push(copyOf: -1)
                lua.setField("server", of: LuaEnvironment.globalsIndex)
            }
            if name == "string" { setShownStrings() }
            lua.setField(name, of: LuaEnvironment.globalsIndex)
        }
    }

    /// The metatable of strings passes on to the library itself, as is faster.
    private func protectStrings() {
        lua.push("")
        lua.pushTable(fields: 2)
        lua.pushField("string", of: LuaEnvironment.globalsIndex)
        lua.setField("__index", of: -2)
        lua.setMetatable(of: -2)
        lua.pop()
    }

    /// What `getmetatable` tells of strings: a table like their metatable, with the protected library, which is on top.
    private func setShownStrings() {
        lua.push("")
        guard lua.pushMetatable(of: -1) else { return lua.pop() }
        // library, "", metatable
        lua.pushTable(fields: 1)
        lua.push(copyOf: -4)
        lua.setField("__index", of: -2)
        protect()
        lua.setField("__metatable", of: -2)
        lua.pop(2)
    }

    /// Gives the table on top a metatable for which what is not there is an error.
    private func refuseUnknown() {
        lua.pushTable(fields: 1)
        unsafe lua.push(LuaBase.refuseUnknown)
        lua.setField("__index", of: -2)
        lua.setMetatable(of: -2)
    }

    /// What a library finds while it is loaded: it may register functions, and log.
    private func makeLibraryView() {
        lua.pushTable(fields: 2)
        lua.pushTable(fields: 16)
        let library = lua.count
        unsafe set(LuaServerLibrary.libraryFunctions, of: library)
        setTexts([("REDIS_VERSION", Product.redisVersion)])
        for (name, value) in LuaServerLibrary.libraryNumbers {
            lua.push(value)
            lua.setField(name, of: library)
        }
        refuseUnknown()
        protect()
        lua.push(copyOf: -1)
        lua.setField("server", of: -3)
        lua.setField("redis", of: -2)
        refuseUnknown()
        environment.libraryView = lua.keep()
    }

    /// Global variables are seen through a table of their own; what is asked for and not there is an error.
    private func protectGlobals() {
        lua.pushTable(fields: 1)
        unsafe lua.push(LuaBase.refuseUnknown)
        lua.setField("__index", of: -2)
        lua.setMetatable(of: LuaEnvironment.globalsIndex)
        lua.push(copyOf: LuaEnvironment.globalsIndex)
        protect()
        if lua.pushMetatable(of: -1) { environment.globalsMetatable = lua.keep() }
        lua.pushTable()
        protect()
        environment.shownMetatable = lua.keep()
        lua.push(copyOf: -1)
        lua.setField("_G", of: LuaEnvironment.globalsIndex)
        lua.replace(Lua.globalsIndex)
    }
}
