// The library `cmsgpack`: values as MessagePack, and back.

import RespCodec

enum LuaMessagePack {
    static var functions: [(ByteSlice, LuaFunctions.Function)] {
        unsafe [("pack", pack), ("unpack", unpack), ("unpack_one", unpackOne), ("unpack_limit", unpackLimit)]
    }

    /// Tables within tables beyond which there is nil: a table may hold itself.
    private static let mostNesting = 16
    /// Arrays and maps within each other that are read.
    private static let mostReadNesting = 2000

    // MARK: packing

    private static let pack: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            let count = lua.count
            guard count > 0 else { return lua.failArgument(0, "MessagePack pack needs input.") }
            let buffer = environment.buffer
            buffer.removeAll()
            for index in 1...count {
                guard lua.hasRoom(for: 4) else { return lua.fail("stack overflow (in function mp_check)") }
                lua.push(copyOf: index)
                guard write(lua, buffer, level: 0) else { return -1 }
                lua.pop()
            }
            lua.push(buffer.written)
            return 1
        }
    }

    /// Writes the value on top, which stays. False if there is not enough memory, or the script is to end; then the error is on top.
    private static func write(_ lua: Lua, _ buffer: LuaBuffer, level: Int) -> Bool {
        guard lua.mayGoOn(&buffer.steps) else { return false }
        guard !lua.isOverLimit(adding: 2 * buffer.count) else { return failMemory(lua) }
        switch lua.type(-1) {
        case .string:
            guard let bytes = lua.string(-1), !lua.isOverLimit(adding: 2 * (buffer.count + bytes.count)) else {
                return failMemory(lua)
            }
            writeHeader(ofString: bytes.count, buffer)
            buffer.append(bytes)
        case .boolean: buffer.append(lua.boolean(-1) ? 0xC3 : 0xC2)
        case .number: write(lua.number(-1), buffer)
        case .table where level < mostNesting: return writeTable(lua, buffer, level: level)
        default: buffer.append(0xC0)
        }
        return true
    }

    private static func failMemory(_ lua: Lua) -> Bool {
        _ = lua.failMemory()
        return false
    }

    private static func writeHeader(ofString count: Int, _ buffer: LuaBuffer) {
        if count < 32 {
            buffer.append(0xA0 | UInt8(count))
        } else if count <= 0xFF {
            buffer.append(0xD9)
            buffer.append(UInt8(count))
        } else if count <= 0xFFFF {
            buffer.append(0xDA)
            buffer.append(bigEndian: UInt16(count))
        } else {
            buffer.append(0xDB)
            buffer.append(bigEndian: UInt32(truncatingIfNeeded: count))
        }
    }

    private static func write(_ value: Double, _ buffer: LuaBuffer) {
        let whole = LuaNumber.int64(value)
        guard Double(whole) == value else {
            let short = Float(value)
            if Double(short) == value {
                buffer.append(0xCA)
                return buffer.append(bigEndian: short.bitPattern)
            }
            buffer.append(0xCB)
            return buffer.append(bigEndian: value.bitPattern)
        }
        switch whole {
        case -32...127: buffer.append(UInt8(truncatingIfNeeded: whole))
        case 128...0xFF:
            buffer.append(0xCC)
            buffer.append(UInt8(whole))
        case 0x100...0xFFFF:
            buffer.append(0xCD)
            buffer.append(bigEndian: UInt16(whole))
        case 0x1_0000...0xFFFF_FFFF:
            buffer.append(0xCE)
            buffer.append(bigEndian: UInt32(whole))
        case 0x1_0000_0000...:
            buffer.append(0xCF)
            buffer.append(bigEndian: UInt64(whole))
        case -128 ... -33:
            buffer.append(0xD0)
            buffer.append(UInt8(truncatingIfNeeded: whole))
        case -32768 ... -129:
            buffer.append(0xD1)
            buffer.append(bigEndian: Int16(whole))
        case -2_147_483_648 ... -32769:
            buffer.append(0xD2)
            buffer.append(bigEndian: Int32(whole))
        default:
            buffer.append(0xD3)
            buffer.append(bigEndian: Int64(whole))
        }
    }

    private static func writeHeader(_ count: Int, short: UInt8, long: UInt8, _ buffer: LuaBuffer) {
        if count <= 15 {
            buffer.append(short | UInt8(count))
        } else if count <= 0xFFFF {
            buffer.append(long)
            buffer.append(bigEndian: UInt16(count))
        } else {
            buffer.append(long + 1)
            buffer.append(bigEndian: UInt32(truncatingIfNeeded: count))
        }
    }

    private static func writeTable(_ lua: Lua, _ buffer: LuaBuffer, level: Int) -> Bool {
        guard lua.hasRoom(for: 4) else { return failMemory(lua) }
        let (count, isArray) = shape(lua)
        if isArray {
            writeHeader(count, short: 0x90, long: 0xDC, buffer)
            for index in 0..<count {
                lua.pushElement(index + 1, of: -1)
                guard write(lua, buffer, level: level + 1) else { return false }
                lua.pop()
            }
            return true
        }
        writeHeader(count, short: 0x80, long: 0xDE, buffer)
        lua.pushNil()
        while lua.pushNext(of: -2) {
            // A copy of the key: a number that is looked at as a string would become one.
            lua.push(copyOf: -2)
            guard write(lua, buffer, level: level + 1) else { return false }
            lua.pop()
            guard write(lua, buffer, level: level + 1) else { return false }
            lua.pop()
        }
        return true
    }

    /// How many entries the table on top has, and whether their keys are the numbers from 1 up to that.
    private static func shape(_ lua: Lua) -> (count: Int, isArray: Bool) {
        var count = 0
        var highest = 0.0
        var isArray = true
        lua.pushNil()
        while lua.pushNext(of: -2) {
            lua.pop()
            count += 1
            guard isArray else { continue }
            let key = lua.type(-1) == .number ? lua.number(-1) : 0
            if key > 0 && key <= Double(Int32.max) && key.rounded() == key {
                highest = max(highest, key)
            } else {
                isArray = false
            }
        }
        return (count, isArray && Double(count) == highest)
    }

    // MARK: unpacking

    private static let unpack: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            guard lua.string(1) != nil else { return lua.failType(1, expected: "string") }
            return read(lua, limit: 0, offset: 0)
        }
    }

    private static let unpackOne: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            readArguments(lua, limitIndex: nil, offsetIndex: 2)
        }
    }

    private static let unpackLimit: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            readArguments(lua, limitIndex: 2, offsetIndex: 3)
        }
    }

    private static func readArguments(_ lua: Lua, limitIndex: Int32?, offsetIndex: Int32) -> Int32 {
        var limit = 1
        if let limitIndex {
            guard lua.isNumber(limitIndex) else { return lua.failType(limitIndex, expected: "number") }
            limit = LuaNumber.int64(lua.number(limitIndex))
        }
        var offset = 0
        if lua.count >= offsetIndex && lua.type(offsetIndex) != .nil {
            guard lua.isNumber(offsetIndex) else { return lua.failType(offsetIndex, expected: "number") }
            offset = LuaNumber.int64(lua.number(offsetIndex))
        }
        guard lua.string(1) != nil else { return lua.failType(1, expected: "string") }
        return read(lua, limit: limit, offset: offset)
    }

    /// Reads values from the string at the bottom: all, or up to `limit` from `offset` on, and then tells first where to go on.
    private static func read(_ lua: Lua, limit: Int, offset: Int) -> Int32 {
        lua.truncate(to: 1)
        guard let bytes = lua.string(1) else { return 0 }
        guard offset >= 0 && limit >= 0 else {
            return lua.fail(
                "Invalid request to unpack with offset of \(Int32(truncatingIfNeeded: offset)) and limit of "
                    + "\(Int32(truncatingIfNeeded: bytes.count)).")
        }
        guard offset <= bytes.count else {
            return lua.fail("Start offset \(offset) greater than input length \(bytes.count).")
        }
        let readsAll = limit == 0 && offset == 0
        var reader = MessagePackReader(lua: lua, bytes: bytes, position: offset)
        var count = 0
        while reader.position < bytes.count && (readsAll || count < limit) {
            do throws(MessagePackReader.Mistake) {
                try reader.push(depth: 0, most: mostReadNesting)
            } catch {
                if error == .memory { return lua.failMemory() }
                guard error == .nilKey || error == .notANumberKey else { return lua.fail(error.text) }
                lua.push(text: error.text)
                return -1
            }
            count += 1
        }
        if !readsAll {
            guard lua.hasRoom(for: 2) else { return lua.fail(MessagePackReader.Mistake.room.text) }
            lua.push(reader.position == bytes.count ? -1.0 : Double(reader.position))
            lua.moveTop(to: 2)
            count += 1
        }
        return Int32(truncatingIfNeeded: count)
    }
}

/// Reads values of MessagePack to the stack.
@safe struct MessagePackReader {
    enum Mistake: Error {
        case end
        case format
        case room
        case arrayRoom
        case memory
        case nilKey
        case notANumberKey

        var text: String {
            switch self {
            case .end: "Missing bytes in input."
            case .format: "Bad data format in input."
            case .room:
                "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)"
            case .arrayRoom: "stack overflow (in function mp_decode_to_lua_array)"
            case .memory: "not enough memory"
            case .nilKey: "table index is nil"
            case .notANumberKey: "table index is NaN"
            }
        }
    }

    let lua: Lua
    let bytes: ByteSlice
    private(set) var position: Int

    init(lua: Lua, bytes: ByteSlice, position: Int) {
        self.lua = lua
        self.bytes = bytes
        self.position = position
    }

    private mutating func take(_ count: Int) throws(Mistake) -> ByteSlice {
        guard count <= bytes.count - position else { throw .end }
        defer { position += count }
        return bytes[position..<position + count]
    }

    private mutating func number(_ count: Int) throws(Mistake) -> UInt64 {
        let field = try take(count)
        var value: UInt64 = 0
        for index in 0..<field.count { value = value &<< 8 | UInt64(field[index]) }
        return value
    }

    private mutating func pushString(_ count: Int) throws(Mistake) {
        let field = try take(count)
        guard !lua.isOverLimit(adding: field.count) else { throw .memory }
        lua.push(field)
    }

    /// Pushes the next value.
    mutating func push(depth: Int, most: Int) throws(Mistake) {
        let hasRoom = lua.hasRoom(for: 4) && depth <= most
        guard hasRoom || position < bytes.count else { throw .room }
        let type = UInt8(try number(1))
        guard hasRoom else {
            switch type {
            case 0x90...0x9F, 0xDC, 0xDD: throw .arrayRoom
            default: throw .room
            }
        }
        switch type {
        case 0x00...0x7F: lua.push(Double(type))
        case 0xE0...0xFF: lua.push(Double(Int8(bitPattern: type)))
        case 0xA0...0xBF: try pushString(Int(type & 0x1F))
        case 0x90...0x9F: try pushArray(Int(type & 15), depth, most)
        case 0x80...0x8F: try pushMap(Int(type & 15), depth, most)
        case 0xC0: lua.pushNil()
        case 0xC2, 0xC3: lua.push(type == 0xC3)
        case 0xCA:
            let bits = UInt32(try number(4))
            lua.push(Double(Float(bitPattern: bits)))
        case 0xCB: lua.push(Double(bitPattern: try number(8)))
        case 0xCC, 0xCD, 0xCE: lua.push(Double(try number(1 << Int(type - 0xCC))))
        // Unsigned numbers of 64 bits become signed ones on the way.
        case 0xCF, 0xD3: lua.push(Double(Int64(bitPattern: try number(8))))
        case 0xD0: lua.push(Double(Int8(truncatingIfNeeded: try number(1))))
        case 0xD1: lua.push(Double(Int16(truncatingIfNeeded: try number(2))))
        case 0xD2: lua.push(Double(Int32(truncatingIfNeeded: try number(4))))
        case 0xD9, 0xDA, 0xDB: try pushString(Int(try number(1 << Int(type - 0xD9))))
        case 0xDC, 0xDD: try pushArray(Int(try number(type == 0xDC ? 2 : 4)), depth, most)
        case 0xDE, 0xDF: try pushMap(Int(try number(type == 0xDE ? 2 : 4)), depth, most)
        default: throw .format
        }
    }

    private mutating func pushArray(_ count: Int, _ depth: Int, _ most: Int) throws(Mistake) {
        // No more room than there can be elements; and none deep down, where what is told of many in one another is not true.
        lua.pushTable(elements: depth < 8 ? min(count, bytes.count - position) : 0)
        for index in 0..<count {
            guard !lua.isOverLimit() else { throw .memory }
            try push(depth: depth + 1, most: most)
            lua.setElement(index + 1, of: -2)
        }
    }

    private mutating func pushMap(_ count: Int, _ depth: Int, _ most: Int) throws(Mistake) {
        lua.pushTable()
        for _ in 0..<count {
            guard !lua.isOverLimit() else { throw .memory }
            try push(depth: depth + 1, most: most)
            try push(depth: depth + 1, most: most)
            if lua.type(-2) == .nil { throw .nilKey }
            if lua.type(-2) == .number && lua.number(-2).isNaN { throw .notANumberKey }
            lua.setField(of: -3)
        }
    }
}
