// The library `struct`: values as the fields of C structures, and back.
//
//     > <      most or least significant byte first
//     !n       alignment up to n
//     x        a byte of padding
//     b B h H l L T i[n] I[n]    integers of 1, 2, 8, 8 and n bytes
//     c[n]     n bytes; all of a string, or as many as the number before says, if n is 0
//     s        a string that ends with a zero byte
//     f d      floating point

import RespCodec

enum LuaStruct {
    static var functions: [(ByteSlice, LuaFunctions.Function)] {
        unsafe [("pack", pack), ("unpack", unpack), ("size", size)]
    }

    private static let mostIntegerBytes = 32

    /// What is wrong with a format.
    private enum Mistake: Error {
        case text(String)
        case argument(String)

        func raise(_ lua: Lua) -> Int32 {
            switch self {
            case .text(let text): lua.fail(text)
            case .argument(let text): lua.failArgument(1, text)
            }
        }
    }

    /// A format that is gone through, up to its first zero byte.
    private struct Format {
        let text: ByteSlice
        var place = 0
        var isLittle = true
        var alignment = 1

        init(_ text: ByteSlice) { self.text = text[0..<(text.index(of: 0) ?? text.count)] }

        var current: UInt8 { place < text.count ? text[place] : 0 }

        /// The next option, and how many bytes what it stands for has.
        mutating func next() throws(Mistake) -> (option: UInt8, size: Int)? {
            guard place < text.count else { return nil }
            let option = text[place]
            place += 1
            return (option, try size(of: option))
        }

        private mutating func number(otherwise: Int) throws(Mistake) -> Int {
            guard (0x30...0x39).contains(current) else { return otherwise }
            var value = 0
            while (0x30...0x39).contains(current) {
                value = value * 10 + Int(current - 0x30)
                guard value <= Int(Int32.max) else { throw .text("integral size overflow") }
                place += 1
            }
            return value
        }

        private mutating func size(of option: UInt8) throws(Mistake) -> Int {
            switch option {
            case UInt8(ascii: "B"), UInt8(ascii: "b"), UInt8(ascii: "x"): return 1
            case UInt8(ascii: "H"), UInt8(ascii: "h"): return 2
            case UInt8(ascii: "L"), UInt8(ascii: "l"), UInt8(ascii: "T"), UInt8(ascii: "d"): return 8
            case UInt8(ascii: "f"): return 4
            case UInt8(ascii: "c"): return try number(otherwise: 1)
            case UInt8(ascii: "i"), UInt8(ascii: "I"):
                let size = try number(otherwise: 4)
                guard size <= mostIntegerBytes else {
                    throw .text("integral size \(size) is larger than limit of \(mostIntegerBytes)")
                }
                return size
            default: return 0
            }
        }

        /// How many bytes come before something of `size` bytes at `position`.
        func padding(_ option: UInt8, _ size: Int, at position: Int) -> Int {
            guard size > 0 && option != UInt8(ascii: "c") else { return 0 }
            let size = min(size, alignment)
            return (size &- (position & (size &- 1))) & (size &- 1)
        }

        /// Does what an option says that stands for no value.
        mutating func control(_ option: UInt8) throws(Mistake) {
            switch option {
            case UInt8(ascii: " "): break
            case UInt8(ascii: ">"): isLittle = false
            case UInt8(ascii: "<"): isLittle = true
            case UInt8(ascii: "!"):
                let wanted = try number(otherwise: 8)
                guard wanted > 0 && wanted & (wanted - 1) == 0 else {
                    throw .text("alignment \(wanted) is not a power of 2")
                }
                alignment = wanted
            default: throw .argument("invalid format option '\(Character(Unicode.Scalar(option)))'")
            }
        }
    }

    // MARK: packing

    private static let pack: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { environment, lua in
            guard let text = lua.string(1) else { return lua.failType(1, expected: "string") }
            let buffer = environment.buffer
            buffer.removeAll()
            var format = Format(text)
            var argument: Int32 = 2
            // What is missing is nil, as errors have it.
            lua.pushNil()
            do throws(Mistake) {
                while let (option, size) = try format.next() {
                    let padding = format.padding(option, size, at: buffer.count)
                    guard !lua.isOverLimit(adding: 2 * (buffer.count + padding + size)) else { return lua.failMemory() }
                    buffer.append(repeating: 0, count: padding)
                    switch option {
                    case UInt8(ascii: "x"): buffer.append(0)
                    case UInt8(ascii: "b"), UInt8(ascii: "B"), UInt8(ascii: "h"), UInt8(ascii: "H"), UInt8(ascii: "l"),
                        UInt8(ascii: "L"), UInt8(ascii: "T"), UInt8(ascii: "i"), UInt8(ascii: "I"),
                        UInt8(ascii: "f"), UInt8(ascii: "d"):
                        guard lua.isNumber(argument) else {
                            return lua.failType(argument, expected: "number")
                        }
                        let bytes = bytes(lua.number(argument), option, size)
                        let isLittle = format.isLittle
                        for index in 0..<size { buffer.append(isLittle ? bytes(index) : bytes(size - 1 - index)) }
                        argument += 1
                    case UInt8(ascii: "c"), UInt8(ascii: "s"):
                        guard let bytes = lua.string(argument) else {
                            return lua.failType(argument, expected: "string")
                        }
                        argument += 1
                        let count = size == 0 ? bytes.count : size
                        guard bytes.count >= count else {
                            return lua.failArgument(argument, "string too short")
                        }
                        guard !lua.isOverLimit(adding: 2 * (buffer.count + count)) else { return lua.failMemory() }
                        buffer.append(bytes[0..<count])
                        if option == UInt8(ascii: "s") { buffer.append(0) }
                    default: try format.control(option)
                    }
                }
            } catch {
                return error.raise(lua)
            }
            lua.push(buffer.written)
            return 1
        }
    }

    /// The bytes of a number, by their place from the least significant on.
    private static func bytes(_ value: Double, _ option: UInt8, _ size: Int) -> (Int) -> UInt8 {
        let bits: UInt64
        switch option {
        case UInt8(ascii: "f"): bits = UInt64(Float(value).bitPattern)
        case UInt8(ascii: "d"): bits = value.bitPattern
        default:
            // What is too large for a signed integer may be one without a sign.
            let isUnsigned = value >= 0x1p63 && value < 0x1p64
            bits = isUnsigned ? UInt64(value) : UInt64(bitPattern: Int64(LuaNumber.int64(value)))
        }
        return { $0 < 8 ? UInt8(truncatingIfNeeded: bits &>> UInt64($0 &* 8)) : 0 }
    }

    // MARK: unpacking

    private static let unpack: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            guard let text = lua.string(1) else { return lua.failType(1, expected: "string") }
            guard let data = lua.string(2) else { return lua.failType(2, expected: "string") }
            var position = 1
            if lua.count >= 3 && lua.type(3) != .nil {
                guard lua.isNumber(3) else { return lua.failType(3, expected: "number") }
                position = LuaNumber.int64(lua.number(3))
            }
            // Below 0 there is nothing, as it is behind the end.
            guard position != 0 else { return lua.failArgument(3, "offset must be 1 or greater") }
            position &-= 1
            let bottom = lua.count
            var format = Format(text)
            do throws(Mistake) {
                while var (option, size) = try format.next() {
                    let padding = position < 0 ? 0 : format.padding(option, size, at: position)
                    guard position >= 0, position <= data.count, padding + size <= data.count - position else {
                        return lua.failArgument(2, "data string too short")
                    }
                    position += padding
                    guard lua.hasRoom(for: 4) else { return lua.fail("stack overflow (too many results)") }
                    switch option {
                    case UInt8(ascii: "b"), UInt8(ascii: "B"), UInt8(ascii: "h"), UInt8(ascii: "H"), UInt8(ascii: "l"),
                        UInt8(ascii: "L"), UInt8(ascii: "T"), UInt8(ascii: "i"), UInt8(ascii: "I"),
                        UInt8(ascii: "f"), UInt8(ascii: "d"):
                        let field = data[position..<position + size]
                        lua.push(number(field, option, isLittle: format.isLittle))
                    case UInt8(ascii: "x"): break
                    case UInt8(ascii: "c"):
                        if size == 0 {
                            guard lua.count > bottom, lua.isNumber(-1) else {
                                return lua.fail("format 'c0' needs a previous size")
                            }
                            size = LuaNumber.int64(lua.number(-1))
                            lua.pop()
                            guard size >= 0 && size <= data.count - position else {
                                return lua.failArgument(2, "data string too short")
                            }
                        }
                        guard !lua.isOverLimit(adding: size) else { return lua.failMemory() }
                        lua.push(data[position..<position + size])
                    case UInt8(ascii: "s"):
                        let rest = data.dropFirst(position)
                        guard let end = rest.index(of: 0) else { return lua.fail("unfinished string in data") }
                        guard !lua.isOverLimit(adding: end) else { return lua.failMemory() }
                        lua.push(rest[0..<end])
                        size = end + 1
                    default: try format.control(option)
                    }
                    position += size
                }
            } catch {
                return error.raise(lua)
            }
            lua.push(Double(position &+ 1))
            return lua.count - bottom
        }
    }

    private static func number(_ field: ByteSlice, _ option: UInt8, isLittle: Bool) -> Double {
        var bits: UInt64 = 0
        for index in 0..<field.count {
            bits = bits &<< 8 | UInt64(isLittle ? field[field.count - 1 - index] : field[index])
        }
        switch option {
        case UInt8(ascii: "f"): return Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
        case UInt8(ascii: "d"): return Double(bitPattern: bits)
        case UInt8(ascii: "B"), UInt8(ascii: "H"), UInt8(ascii: "L"), UInt8(ascii: "T"), UInt8(ascii: "I"):
            return Double(bits)
        default:
            // The place of the sign counts modulo 64, as Redis has it with fields of more than eight bytes.
            let signs = UInt64.max &<< UInt64(truncatingIfNeeded: 8 &* field.count &- 1)
            return Double(Int64(bitPattern: bits & signs == 0 ? bits : bits | signs))
        }
    }

    // MARK: sizes

    private static let size: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            guard let text = lua.string(1) else { return lua.failType(1, expected: "string") }
            var format = Format(text)
            var position = 0
            do throws(Mistake) {
                while let (option, size) = try format.next() {
                    position &+= format.padding(option, size, at: position)
                    if option == UInt8(ascii: "s") { throw .argument("option 's' has no fixed size") }
                    if option == UInt8(ascii: "c") && size == 0 { throw .argument("option 'c0' has no fixed size") }
                    let isAlphanumeric =
                        (0x30...0x39).contains(option) || (0x61...0x7A).contains(ByteSlice.lowercased(option))
                    if !isAlphanumeric { try format.control(option) }
                    position &+= size
                }
            } catch {
                return error.raise(lua)
            }
            lua.push(Double(position))
            return 1
        }
    }
}
