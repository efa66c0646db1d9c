// Libraries of functions: what FUNCTION LOAD brings, and FCALL calls.
//
// A library is a script that is run once, when it is loaded, and registers functions; they keep what the library's variables hold. While it is
// loaded it can do little else. Names of functions are found in any letter case, those of libraries as they are.

import CLinux
import RespCodec
import StoreEngine

/// A function of a library.
final class ScriptFunction {
    let name: [UInt8]
    let description: [UInt8]?
    let flags: ScriptFlags
    /// By which number it is found.
    let function: Int32

    init(name: [UInt8], description: [UInt8]?, flags: ScriptFlags, function: Int32) {
        self.name = name
        self.description = description
        self.flags = flags
        self.function = function
    }
}

final class FunctionLibrary {
    let name: [UInt8]
    let code: [UInt8]
    fileprivate(set) var functions: [ScriptFunction] = []
    /// When it began to be loaded, in cycles.
    fileprivate let start = clinux_cycle_counter()

    init(name: [UInt8], code: [UInt8]) {
        self.name = name
        self.code = code
    }

    var byteCount: Int { functions.reduce(name.count + code.count + 128) { $0 + $1.name.count + 128 } }
}

/// Libraries, and their functions by name.
struct FunctionSet {
    private(set) var libraries: [[UInt8]: FunctionLibrary] = [:]
    private var functions: [[UInt8]: ScriptFunction] = [:]
    /// The bytes of the libraries, without what they are in the interpreter.
    private(set) var byteCount = 0

    var libraryCount: Int { libraries.count }
    var functionCount: Int { functions.count }
    /// All libraries, by name.
    var sorted: [FunctionLibrary] { libraries.values.sorted { $0.name.lexicographicallyPrecedes($1.name) } }

    private static func key(_ name: [UInt8]) -> [UInt8] { name.map(ByteSlice.lowercased) }

    func function(_ name: ByteSlice) -> ScriptFunction? {
        functions.isEmpty ? nil : functions[Self.key(name.array)]
    }

    mutating func remove(_ library: FunctionLibrary) {
        libraries[library.name] = nil
        byteCount -= library.byteCount
        for function in library.functions { functions[Self.key(function.name)] = nil }
    }

    mutating func add(_ library: FunctionLibrary) {
        libraries[library.name] = library
        byteCount += library.byteCount
        for function in library.functions { functions[Self.key(function.name)] = function }
    }

    /// Adds libraries, all or none.
    /// - Parameter replaces: whether those of the same names go.
    mutating func join(_ others: [FunctionLibrary], replaces: Bool) throws(CommandError) {
        var replaced: [FunctionLibrary] = []
        for library in others {
            guard let old = libraries[library.name] else { continue }
            guard replaces else {
                throw .bytes(Array("ERR Library ".utf8) + library.name + Array(" already exists".utf8))
            }
            replaced.append(old)
        }
        for library in replaced { remove(library) }
        for (place, library) in others.enumerated() {
            let taken = library.functions.first { functions[Self.key($0.name)] != nil }
            guard let taken else {
                add(library)
                continue
            }
            // As it was.
            for added in others[..<place] { remove(added) }
            for library in replaced { add(library) }
            throw .bytes(Array("ERR Function ".utf8) + taken.name + Array(" already exists".utf8))
        }
    }
}

/// The first line of a library: `#!lua name=mylib`.
struct LibraryHeader {
    let name: [UInt8]
    /// Without the line end.
    let byteCount: Int

    init(of code: ByteSlice) throws(CommandError) {
        guard code.count >= 2, code[0] == UInt8(ascii: "#"), code[1] == UInt8(ascii: "!") else {
            throw .message("ERR Missing library metadata")
        }
        guard let end = code.index(of: 0x0A), code[0..<end].index(of: 0) == nil,
            let words = QuotedWords.split(code[0..<end]), let engine = words.first
        else { throw .message("ERR Invalid library metadata") }
        byteCount = end
        var found: [UInt8]?
        for word in words.dropFirst() {
            guard word.count >= 5, word.withByteSlice({ $0[0..<5].equalsIgnoringCase("name=") }) else {
                throw .bytes(Array("ERR Invalid metadata value given: ".utf8) + word)
            }
            guard found == nil else {
                throw .message("ERR Invalid metadata value, name argument was given multiple times")
            }
            found = Array(word.dropFirst(5))
        }
        guard let found else { throw .message("ERR Library name was not given") }
        guard Self.isName(found) else { throw .message(Self.nameText) }
        guard engine.withByteSlice({ $0.equalsIgnoringCase("#!lua") }) else {
            throw .bytes(Array("ERR Engine '".utf8) + engine.dropFirst(2) + Array("' not found".utf8))
        }
        name = found
    }

    static let nameText: StaticString =
        "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"

    /// Whether it can be the name of a library or a function.
    static func isName(_ name: [UInt8]) -> Bool {
        !name.isEmpty
            && name.allSatisfy {
                (0x30...0x39).contains($0) || (0x61...0x7A).contains(ByteSlice.lowercased($0))
                    || $0 == UInt8(ascii: "_")
            }
    }
}

extension ScriptRunner {
    /// How long a library may take to be loaded.
    private static let mostLoadMilliseconds: UInt64 = 500

    // MARK: loading

    /// Runs the code of a library, which registers its functions; adds it nowhere.
    func compileLibrary(_ code: ByteSlice) throws(CommandError) -> FunctionLibrary {
        let header = try LibraryHeader(of: code)
        let environment = try functionEnvironment()
        let library = FunctionLibrary(name: header.name, code: code.array)
        let lua = environment.lua
        environment.rest()
        defer { environment.rest() }
        do throws(CommandError) {
            guard lua.load(code.dropFirst(header.byteCount), named: "@user_function") == .done else {
                throw .bytes(Array("ERR Error compiling function: ".utf8) + (lua.text(-1)?.array ?? []))
            }
            loading = library
            environment.showsLibraryOnly = true
            let outcome = lua.call(argumentCount: 0, resultCount: 0)
            environment.showsLibraryOnly = false
            loading = nil
            environment.interruptAtTimes()
            environment.random.forgetSeed()
            environment.json.reset()
            guard outcome == .done else {
                throw .bytes(Array("ERR Error registering functions: ".utf8) + Self.errorText(lua))
            }
            guard !library.functions.isEmpty else { throw .message("ERR No functions registered") }
        } catch {
            release(library)
            throw error
        }
        return library
    }

    /// The text of an error on top of the stack.
    private static func errorText(_ lua: Lua) -> [UInt8] {
        guard lua.isTable(-1) else { return Array("ERR ".utf8) + (lua.text(-1)?.array ?? []) }
        lua.pushField("err", of: -1)
        return lua.text(-1)?.array ?? []
    }

    /// Lets go of the functions of a library.
    func release(_ library: FunctionLibrary) {
        guard let lua = functionInterpreter?.lua else { return }
        for function in library.functions { lua.release(function.function) }
    }

    func interruptLoading(_ lua: Lua) -> Int32 {
        guard let loading, let environment = functionInterpreter else { return 0 }
        let passed = (clinux_cycle_counter() &- loading.start) / server.clock.millisecond
        guard passed > Self.mostLoadMilliseconds else { return 0 }
        environment.interruptAlways(lua)
        return LuaEnvironment.raise(lua, "FUNCTION LOAD timeout")
    }

    // MARK: registering

    func registerFunction(_ lua: Lua) -> Int32 {
        guard let library = loading else {
            return LuaEnvironment.raise(
                lua, "redis.register_function can only be called on FUNCTION LOAD command")
        }
        let function: ScriptFunction
        switch lua.count {
        case 1:
            do throws(RegistrationMistake) {
                function = try namedArguments(lua)
            } catch {
                return LuaEnvironment.raise(lua, ByteSlice(error.text))
            }
        case 2:
            guard let name = lua.string(1)?.array else {
                return LuaEnvironment.raise(lua, "first argument to redis.register_function must be a string")
            }
            guard lua.type(2) == .function else {
                return LuaEnvironment.raise(lua, "second argument to redis.register_function must be a function")
            }
            function = ScriptFunction(name: name, description: nil, flags: [], function: lua.keep())
        default:
            return LuaEnvironment.raise(lua, "wrong number of arguments to redis.register_function")
        }
        guard LibraryHeader.isName(function.name) else {
            lua.release(function.function)
            return LuaEnvironment.raise(lua, ByteSlice(LibraryHeader.nameText).dropFirst(4))
        }
        guard !library.functions.contains(where: { $0.name == function.name }) else {
            lua.release(function.function)
            return LuaEnvironment.raise(lua, "Function already exists in the library")
        }
        library.functions.append(function)
        return 0
    }

    private struct RegistrationMistake: Error {
        let text: StaticString
    }

    /// Reads the table of arguments that is on the stack.
    private func namedArguments(_ lua: Lua) throws(RegistrationMistake) -> ScriptFunction {
        guard lua.isTable(1) else {
            throw RegistrationMistake(
                text:
                    "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments)."
            )
        }
        var name: [UInt8]?
        var description: [UInt8]?
        var flags: ScriptFlags = []
        var function: Int32?
        do throws(RegistrationMistake) {
            lua.pushNil()
            while lua.pushNext(of: 1) {
                guard lua.type(-2) == .string || lua.type(-2) == .number else {
                    throw RegistrationMistake(
                        text: "named argument key given to redis.register_function is not a string")
                }
                // A number that is looked at as a string would become one, and be no key any more.
                let key = lua.type(-2) == .string ? lua.text(-2)?.lowercasedText : nil
                switch key {
                case "function_name":
                    name = lua.string(-1)?.array
                    guard name != nil else {
                        throw RegistrationMistake(
                            text: "function_name argument given to redis.register_function must be a string")
                    }
                case "description":
                    description = lua.string(-1)?.array
                    guard description != nil else {
                        throw RegistrationMistake(
                            text: "description argument given to redis.register_function must be a string")
                    }
                case "callback":
                    guard lua.type(-1) == .function else {
                        throw RegistrationMistake(
                            text: "callback argument given to redis.register_function must be a function")
                    }
                    if let function { lua.release(function) }
                    function = lua.keep()
                    continue
                case "flags":
                    guard lua.isTable(-1) else {
                        throw RegistrationMistake(
                            text:
                                "flags argument to redis.register_function must be a table representing function flags")
                    }
                    flags = try readFlags(lua)
                default: throw RegistrationMistake(text: "unknown argument given to redis.register_function")
                }
                lua.pop()
            }
            guard let name else {
                throw RegistrationMistake(text: "redis.register_function must get a function name argument")
            }
            guard let function else {
                throw RegistrationMistake(text: "redis.register_function must get a callback argument")
            }
            return ScriptFunction(name: name, description: description, flags: flags, function: function)
        } catch {
            if let function { lua.release(function) }
            throw error
        }
    }

    private func readFlags(_ lua: Lua) throws(RegistrationMistake) -> ScriptFlags {
        var flags: ScriptFlags = []
        var place = 1
        while true {
            lua.pushElement(place, of: -1)
            defer { lua.pop() }
            if lua.type(-1) == .nil { return flags }
            guard let word = lua.text(-1)?.array, let flag = ScriptFlags.flag(word.map(ByteSlice.lowercased)) else {
                throw RegistrationMistake(text: "unknown flag given")
            }
            flags.insert(flag)
            place += 1
        }
    }

    // MARK: managing

    /// Loads a library.
    /// - Returns: its name.
    func loadLibrary(_ code: ByteSlice, replaces: Bool) throws(CommandError) -> [UInt8] {
        let name = try LibraryHeader(of: code).name
        let old = functions.libraries[name]
        guard replaces || old == nil else {
            throw .bytes(Array("ERR Library '".utf8) + name + Array("' already exists".utf8))
        }
        let library = try compileLibrary(code)
        do throws(CommandError) {
            try functions.join([library], replaces: replaces)
        } catch {
            release(library)
            throw error
        }
        if let old { release(old) }
        return name
    }

    func deleteLibrary(_ name: ByteSlice) throws(CommandError) {
        guard let library = functions.libraries[name.array] else { throw .message("ERR Library not found") }
        functions.remove(library)
        release(library)
    }

    /// What becomes of libraries that are there when others are restored.
    enum RestorePolicy {
        case append, replace, flush
    }

    func restoreLibraries(_ payload: ByteSlice, _ policy: RestorePolicy) throws(CommandError) {
        let codes: [[UInt8]]
        do throws(FunctionPayload.Mistake) {
            codes = try FunctionPayload.read(payload)
        } catch {
            switch error {
            case .checksum: throw .damagedPayload
            case .type: throw .message("ERR given type is not a function")
            case .preview: throw .message("ERR Pre-GA function format not supported")
            case .library: throw .message("ERR failed loading the given functions payload")
            }
        }
        var restored = FunctionSet()
        var compiled: [FunctionLibrary] = []
        let before = functions.libraries
        do throws(CommandError) {
            for code in codes {
                let library = try code.withByteSlice { (code) throws(CommandError) in try compileLibrary(code) }
                compiled.append(library)
                guard restored.libraries[library.name] == nil else {
                    throw .bytes(Array("ERR Library '".utf8) + library.name + Array("' already exists".utf8))
                }
                try restored.join([library], replaces: false)
            }
            switch policy {
            case .flush: functions = restored
            case .append: try functions.join(compiled, replaces: false)
            case .replace: try functions.join(compiled, replaces: true)
            }
        } catch {
            for library in compiled { release(library) }
            throw error
        }
        for library in before.values where functions.libraries[library.name] !== library { release(library) }
    }

    // MARK: calling

    /// Calls a function and answers the request.
    func callFunction(
        _ function: ScriptFunction, _ context: SessionContext, _ arguments: Arguments, keyCount: Int, isReadOnly: Bool
    ) throws(CommandError) {
        let environment = try functionEnvironment()
        try begin(
            function.name, function.flags, context, arguments, isReadOnly: isReadOnly, isFunction: true, environment)
        let lua = environment.lua
        lua.push(kept: function.function)
        if push(arguments, 3..<3 + keyCount, lua), push(arguments, 3 + keyCount..<arguments.count, lua) {
            let outcome = lua.call(argumentCount: 2, resultCount: 1, handler: LuaEnvironment.handlerIndex)
            finish(outcome, context.reply, environment)
        } else {
            lua.push("not enough memory")
            finish(.outOfMemory, context.reply, environment)
        }
    }
}
