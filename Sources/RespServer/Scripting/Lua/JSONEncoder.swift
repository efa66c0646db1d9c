// Lua's values as JSON.

import RespCodec

@safe struct JSONEncoder {
    struct Mistake: Error {
        var text = ""
        var isMemory = false
        /// The script is to end; the error is on top.
        var isInterruption = false
    }

    /// Tables within tables, whatever a script sets: each takes some of the process's stack.
    private static let mostDepth = 2000

    let lua: Lua
    let buffer: LuaBuffer
    let settings: LuaJSON.Settings

    /// Writes the value on top, which stays.
    func write(depth: Int) throws(Mistake) {
        guard lua.mayGoOn(&buffer.steps) else { throw Mistake(isInterruption: true) }
        guard !lua.isOverLimit(adding: 2 * buffer.count) else { throw Mistake(isMemory: true) }
        switch lua.type(-1) {
        case .string: try writeString(-1)
        case .number: try writeNumber(-1)
        case .boolean: buffer.append(lua.boolean(-1) ? "true" : "false")
        case .table: try writeTable(depth: depth + 1)
        case .nil: buffer.append("null")
        case .lightUserData where lua.isNullPointer(-1): buffer.append("null")
        default: throw mistake(-1, "type not supported")
        }
    }

    private func mistake(_ index: Int32, _ reason: String) -> Mistake {
        Mistake(text: "Cannot serialise \(lua.type(index).name): \(reason)")
    }

    // MARK: scalars

    private static let escapes: [[UInt8]] = (0..<256).map { byte in
        switch UInt8(byte) {
        case 0x08: return Array("\\b".utf8)
        case 0x09: return Array("\\t".utf8)
        case 0x0A: return Array("\\n".utf8)
        case 0x0C: return Array("\\f".utf8)
        case 0x0D: return Array("\\r".utf8)
        case UInt8(ascii: "\""): return Array("\\\"".utf8)
        case UInt8(ascii: "\\"): return Array("\\\\".utf8)
        case UInt8(ascii: "/"): return Array("\\/".utf8)
        case 0...0x1F, 0x7F:
            var text = Array("\\u00".utf8)
            Hexadecimal.append(UInt8(byte), to: &text)
            return text
        default: return []
        }
    }

    /// Whether a byte stands for itself in a string.
    @inline(__always)
    private func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") && byte != UInt8(ascii: "/")
            && byte != 0x7F
    }

    private func writeString(_ index: Int32) throws(Mistake) {
        guard let bytes = lua.string(index) else { return }
        guard !lua.isOverLimit(adding: 2 * (buffer.count + bytes.count)) else { throw Mistake(isMemory: true) }
        buffer.append(UInt8(ascii: "\""))
        var start = 0
        for place in 0..<bytes.count where !isPlain(bytes[place]) {
            buffer.append(bytes[start..<place])
            for byte in Self.escapes[Int(bytes[place])] { buffer.append(byte) }
            start = place + 1
        }
        buffer.append(bytes[start..<bytes.count])
        buffer.append(UInt8(ascii: "\""))
    }

    private func writeNumber(_ index: Int32) throws(Mistake) {
        let value = lua.number(index)
        if value.isFinite {
            let precision = settings.precision
            // With the usual precision of 14 digits, an integer of up to 14 digits is written whole: the quick way.
            let whole = LuaNumber.int64(value)
            if precision == 14 && whole.magnitude < 100_000_000_000_000 && Double(whole) == value
                && (whole != 0 || value.sign == .plus)
            {
                return Decimal.withText(whole) { buffer.append($0) }
            }
            return buffer.append(value, precision: Int32(precision))
        }
        switch settings.invalidNumbersEncoded {
        case .refused: throw mistake(index, "must not be NaN or Inf")
        case .written: buffer.append(value.isNaN ? "nan" : value < 0 ? "-inf" : "inf")
        case .null: buffer.append("null")
        }
    }

    // MARK: tables

    private func writeTable(depth: Int) throws(Mistake) {
        guard depth <= min(settings.mostEncodedDepth, Self.mostDepth), lua.hasRoom(for: 4) else {
            throw Mistake(text: "Cannot serialise, excessive nesting (\(depth))")
        }
        let count = try elementCount()
        guard count > 0 else { return try writeObject(depth: depth) }
        buffer.append(UInt8(ascii: "["))
        for place in 1...count {
            if place > 1 { buffer.append(UInt8(ascii: ",")) }
            lua.pushElement(place, of: -1)
            try write(depth: depth)
            lua.pop()
        }
        buffer.append(UInt8(ascii: "]"))
    }

    /// How many elements the table on top has as an array, absent ones counted; less than 1 if it is none.
    private func elementCount() throws(Mistake) -> Int {
        // In 32 bits, as its model counts: a key beyond them makes it an object.
        var highest: Int32 = 0
        var count = 0
        lua.pushNil()
        while lua.pushNext(of: -2) {
            let key = lua.type(-2) == .number ? lua.number(-2) : 0
            guard key >= 1, key.rounded() == key else {
                lua.pop(2)
                return -1
            }
            if key > Double(highest) { highest = key <= Double(Int32.max) ? Int32(key) : Int32.min }
            count += 1
            lua.pop()
        }
        let isSparse =
            settings.sparseRatio > 0 && Int(highest) > count * settings.sparseRatio
            && Int(highest) > settings.sparseSafe
        if isSparse {
            if !settings.convertsSparse { throw mistake(-1, "excessively sparse array") }
            return -1
        }
        return Int(highest)
    }

    private func writeObject(depth: Int) throws(Mistake) {
        buffer.append(UInt8(ascii: "{"))
        var isFirst = true
        lua.pushNil()
        while lua.pushNext(of: -2) {
            if !isFirst { buffer.append(UInt8(ascii: ",")) }
            isFirst = false
            switch lua.type(-2) {
            case .number:
                buffer.append(UInt8(ascii: "\""))
                try writeNumber(-2)
                buffer.append(UInt8(ascii: "\""))
            case .string: try writeString(-2)
            default: throw mistake(-2, "table key must be a number or string")
            }
            buffer.append(UInt8(ascii: ":"))
            try write(depth: depth)
            lua.pop()
        }
        buffer.append(UInt8(ascii: "}"))
    }
}
