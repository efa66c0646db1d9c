// The library `redis`, which is also called `server`.

import RespCodec

enum LuaServerLibrary {
    static var functions: [(ByteSlice, LuaFunctions.Function)] {
        unsafe [
            ("call", call), ("pcall", protectedCall), ("error_reply", errorReply), ("status_reply", statusReply),
            ("sha1hex", digest), ("log", log), ("setresp", setProtocol), ("set_repl", setReplication),
            ("acl_check_cmd", checkPermission),
        ]
    }

    /// What functions do not have.
    static var scriptFunctions: [(ByteSlice, LuaFunctions.Function)] {
        unsafe [("replicate_commands", replicateCommands), ("breakpoint", breakpoint), ("debug", debug)]
    }

    static var numbers: [(ByteSlice, Double)] {
        let parts = Product.redisVersion.split(separator: ".").map { Int($0) ?? 0 }
        return logLevels + [
            ("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3),
            ("REDIS_VERSION_NUM", Double(parts.reduce(0) { $0 << 8 | $1 })),
        ]
    }

    /// What a library has while it is loaded.
    static var libraryFunctions: [(ByteSlice, LuaFunctions.Function)] {
        unsafe [("register_function", registerFunction), ("log", log)]
    }

    static var libraryNumbers: [(ByteSlice, Double)] { logLevels + numbers.filter { $0.0 == "REDIS_VERSION_NUM" } }

    static var logLevels: [(ByteSlice, Double)] {
        [("LOG_DEBUG", 0), ("LOG_VERBOSE", 1), ("LOG_NOTICE", 2), ("LOG_WARNING", 3)]
    }

    private static let call: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in environment.runCommand(lua, true) }
    }

    private static let protectedCall: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in environment.runCommand(lua, false) }
    }

    private static let checkPermission: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in unsafe environment.host.checkPermission(lua) }
    }

    static let registerFunction: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in unsafe environment.host.registerFunction(lua) }
    }

    // MARK: replies

    private static let errorReply: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            guard lua.count == 1, lua.type(1) == .string, let text = lua.text(1) else {
                LuaEnvironment.pushError(lua, "wrong number or type of arguments")
                return 1
            }
            if text.count > 0 && text[0] == UInt8(ascii: "-") {
                LuaEnvironment.pushError(lua, text)
            } else {
                ([UInt8(ascii: "-")] + text.array).withByteSlice { LuaEnvironment.pushError(lua, $0) }
            }
            return 1
        }
    }

    private static let statusReply: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            guard lua.count == 1, lua.type(1) == .string else {
                LuaEnvironment.pushError(lua, "wrong number or type of arguments")
                return 1
            }
            lua.pushTable(fields: 1)
            lua.push(copyOf: 1)
            lua.setField("ok", of: -2)
            return 1
        }
    }

    private static let digest: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            guard lua.count == 1 else { return LuaEnvironment.raise(lua, "wrong number of arguments") }
            lua.push(SHA1.hexadecimal(of: lua.string(1) ?? .empty))
            return 1
        }
    }

    // MARK: the server

    private static let log: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            let count = lua.count
            guard count >= 2 else { return LuaEnvironment.raise(lua, "redis.log() requires two arguments or more.") }
            guard lua.isNumber(1) else {
                return LuaEnvironment.raise(lua, "First argument must be a number (log level).")
            }
            let level = LuaNumber.int64(lua.number(1))
            guard 0...3 ~= level else { return LuaEnvironment.raise(lua, "Invalid debug level.") }
            var text: [UInt8] = []
            for index in 2...count {
                guard let piece = lua.string(index) else { continue }
                guard !lua.isOverLimit(adding: 2 * (text.count + piece.count)) else { return lua.failMemory() }
                if index > 2 { text.append(0x20) }
                text += piece.array
            }
            text.withByteSlice { unsafe environment.host.log(level, $0) }
            return 0
        }
    }

    private static let setProtocol: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            guard lua.count == 1 else { return LuaEnvironment.raise(lua, "redis.setresp() requires one argument.") }
            guard let version = ProtocolVersion(rawValue: LuaNumber.int64(lua.number(1))) else {
                return LuaEnvironment.raise(lua, "RESP version must be 2 or 3.")
            }
            unsafe environment.host.setProtocol(version)
            return 0
        }
    }

    private static let setReplication: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            guard lua.count == 1 else { return LuaEnvironment.raise(lua, "redis.set_repl() requires one argument.") }
            let flags = LuaNumber.int64(lua.number(1))
            guard 0...3 ~= flags else {
                return LuaEnvironment.raise(
                    lua, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
            }
            // Effects go to the log alone, which REPL_AOF asks for.
            unsafe environment.host.setReplication(flags & 1 != 0)
            return 0
        }
    }

    /// What it asks for is always so.
    private static let replicateCommands: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            lua.push(true)
            return 1
        }
    }

    // Nobody debugs scripts here.

    private static let breakpoint: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            lua.push(false)
            return 1
        }
    }

    private static let debug: LuaFunctions.Function = { _ in 0 }
}
