// The library `cjson`: its functions, and what they may be set to. What scripts set is theirs alone: the next one finds the defaults.

import RespCodec

@safe final class LuaJSON {
    /// What scripts can set.
    struct Settings {
        enum InvalidNumbers: Int {
            case refused, written, null
        }

        var convertsSparse = false
        var sparseRatio = 2
        var sparseSafe = 10
        var mostEncodedDepth = 1000
        var mostDecodedDepth = 1000
        var invalidNumbersEncoded = InvalidNumbers.refused
        var decodesInvalidNumbers = true
        var precision = 14
        var keepsBuffer = true
    }

    /// What a script has set, by the numbers of the library, 0, and of what `cjson.new` has made of it.
    private var changed: [Int: Settings] = [:]
    private var newest = 0

    func reset() { if !changed.isEmpty { changed = [:] } }

    private func settings(_ lua: Lua) -> Settings {
        changed.isEmpty ? Settings() : changed[Int(lua.secondUpvalue), default: Settings()]
    }

    private static var functions: [(ByteSlice, LuaFunctions.Function)] {
        unsafe [
            ("new", new), ("encode", encode), ("decode", decode), ("encode_sparse_array", encodeSparseArray),
            ("encode_max_depth", encodeMaxDepth), ("decode_max_depth", decodeMaxDepth),
            ("encode_number_precision", encodeNumberPrecision), ("encode_keep_buffer", encodeKeepBuffer),
            ("encode_invalid_numbers", encodeInvalidNumbers), ("decode_invalid_numbers", decodeInvalidNumbers),
        ]
    }

    /// Pushes the library.
    /// - Parameter number: of its settings.
    static func push(_ lua: Lua, number: Int) {
        let functions = unsafe functions
        unsafe lua.pushTable(fields: functions.count + 3)
        for index in unsafe functions.indices {
            unsafe lua.push(functions[index].1, secondUpvalue: Double(number))
            unsafe lua.setField(functions[index].0, of: -2)
        }
        lua.pushNullPointer()
        lua.setField("null", of: -2)
        for (name, text) in [("_NAME", "cjson"), ("_VERSION", "2.1.0")] as [(ByteSlice, ByteSlice)] {
            lua.push(text)
            lua.setField(name, of: -2)
        }
    }

    /// Pushes another library with settings of its own.
    private static let new: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            environment.json.newest += 1
            push(lua, number: environment.json.newest)
            return 1
        }
    }

    private static let encode: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            guard lua.count == 1 else { return lua.failArgument(1, "expected 1 argument") }
            environment.buffer.removeAll()
            let encoder = JSONEncoder(
                lua: lua, buffer: environment.buffer, settings: environment.json.settings(lua))
            do throws(JSONEncoder.Mistake) {
                try encoder.write(depth: 0)
            } catch {
                if error.isInterruption { return -1 }
                return error.isMemory ? lua.failMemory() : lua.fail(error.text)
            }
            lua.push(environment.buffer.written)
            return 1
        }
    }

    private static let decode: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            guard lua.count == 1 else { return lua.failArgument(1, "expected 1 argument") }
            guard let text = lua.string(1) else { return lua.failType(1, expected: "string") }
            if text.count >= 2 && (text[0] == 0 || text[1] == 0) {
                return lua.fail("JSON parser does not support UTF-16 or UTF-32")
            }
            var decoder = JSONDecoder(
                lua: lua, text: text, buffer: environment.buffer, settings: environment.json.settings(lua))
            do throws(JSONDecoder.Mistake) {
                try decoder.pushDocument()
            } catch {
                return error.isMemory ? lua.failMemory() : lua.fail(error.text)
            }
            return 1
        }
    }

    // MARK: settings

    /// The argument at an index as a whole number within bounds; nil if there is none.
    private static func integer(
        _ lua: Lua, _ index: Int32, _ range: ClosedRange<Int>, _ result: (Int) -> Void
    ) -> Int32? {
        guard lua.count >= index, lua.type(index) != .nil else { return nil }
        guard lua.isNumber(index) else { return lua.failType(index, expected: "number") }
        let value = Int(LuaNumber.int32(lua.number(index)))
        guard range.contains(value) else {
            return lua.failArgument(
                1, "expected integer between \(range.lowerBound) and \(range.upperBound)")
        }
        result(value)
        return nil
    }

    /// The argument at an index as a boolean, "on" or "off", or another of `words`.
    private static func choice(
        _ lua: Lua, _ index: Int32, _ words: [String], _ result: (Int) -> Void
    ) -> Int32? {
        guard lua.count >= index, lua.type(index) != .nil else { return nil }
        if lua.type(index) == .boolean {
            result(lua.boolean(index) ? 1 : 0)
            return nil
        }
        guard let word = lua.text(index)?.description else {
            return lua.failType(index, expected: "string")
        }
        guard let place = words.firstIndex(of: word) else {
            return lua.failArgument(index, "invalid option '\(word)'")
        }
        result(place)
        return nil
    }

    /// A function that sets something: `apply` returns what is to be raised instead, and `push` the value now.
    @inline(__always)
    private static func set(
        _ state: LuaFunctions.State, most: Int32,
        _ apply: (Lua, inout Settings) -> Int32?, _ push: (Lua, Settings) -> Int32
    ) -> Int32 {
        unsafe LuaEnvironment.enter(state) { environment, lua in
            guard lua.count <= most else { return lua.failArgument(most + 1, "found too many arguments") }
            let number = Int(lua.secondUpvalue)
            var settings = environment.json.settings(lua)
            if let failure = apply(lua, &settings) { return failure }
            environment.json.changed[number] = settings
            return push(lua, settings)
        }
    }

    /// A function that sets a whole number.
    private static func setInteger(
        _ state: LuaFunctions.State, _ range: ClosedRange<Int>,
        _ setting: WritableKeyPath<Settings, Int>
    ) -> Int32 {
        unsafe set(state, most: 1) { lua, settings in
            var value = settings[keyPath: setting]
            let failure = integer(lua, 1, range) { value = $0 }
            settings[keyPath: setting] = value
            return failure
        } _: { lua, settings in
            lua.push(Double(settings[keyPath: setting]))
            return 1
        }
    }

    /// A function that sets something that is on or off.
    private static func setSwitch(
        _ state: LuaFunctions.State, _ setting: WritableKeyPath<Settings, Bool>
    ) -> Int32 {
        unsafe set(state, most: 1) { lua, settings in
            var value = settings[keyPath: setting]
            let failure = choice(lua, 1, ["off", "on"]) { value = $0 == 1 }
            settings[keyPath: setting] = value
            return failure
        } _: { lua, settings in
            lua.push(settings[keyPath: setting])
            return 1
        }
    }

    private static let largest = Int(Int32.max)

    private static let encodeSparseArray: LuaFunctions.Function = { state in
        unsafe set(state, most: 3) { lua, settings in
            var new = settings
            let failure =
                choice(lua, 1, ["off", "on"]) { new.convertsSparse = $0 == 1 }
                ?? integer(lua, 2, 0...largest) { new.sparseRatio = $0 }
                ?? integer(lua, 3, 0...largest) { new.sparseSafe = $0 }
            if failure == nil { settings = new }
            return failure
        } _: { lua, settings in
            lua.push(settings.convertsSparse)
            lua.push(Double(settings.sparseRatio))
            lua.push(Double(settings.sparseSafe))
            return 3
        }
    }

    private static let encodeMaxDepth: LuaFunctions.Function = { state in
        unsafe setInteger(state, 1...largest, \.mostEncodedDepth)
    }

    private static let decodeMaxDepth: LuaFunctions.Function = { state in
        unsafe setInteger(state, 1...largest, \.mostDecodedDepth)
    }

    private static let encodeNumberPrecision: LuaFunctions.Function = { state in
        unsafe setInteger(state, 1...14, \.precision)
    }

    /// The buffer is the server's; only what was set is remembered.
    private static let encodeKeepBuffer: LuaFunctions.Function = { state in
        unsafe setSwitch(state, \.keepsBuffer)
    }

    private static let encodeInvalidNumbers: LuaFunctions.Function = { state in
        unsafe set(state, most: 1) { lua, settings in
            var value = settings.invalidNumbersEncoded.rawValue
            let failure = choice(lua, 1, ["off", "on", "null"]) { value = $0 }
            settings.invalidNumbersEncoded = Settings.InvalidNumbers(rawValue: value) ?? .refused
            return failure
        } _: { lua, settings in
            if settings.invalidNumbersEncoded == .null {
                lua.push("null")
            } else {
                lua.push(settings.invalidNumbersEncoded == .written)
            }
            return 1
        }
    }

    private static let decodeInvalidNumbers: LuaFunctions.Function = { state in
        unsafe setSwitch(state, \.decodesInvalidNumbers)
    }
}
