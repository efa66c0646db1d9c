// The library `bit`: operations on integers of 32 bits.

import RespCodec

enum LuaBit {
    static var functions: [(ByteSlice, LuaFunctions.Function)] {
        unsafe [
            ("tobit", toBit), ("bnot", not), ("band", and), ("bor", or), ("bxor", exclusiveOr), ("lshift", shiftLeft),
            ("rshift", shiftRight), ("arshift", shiftArithmetically), ("rol", rotateLeft), ("ror", rotateRight),
            ("bswap", swapBytes), ("tohex", toHexadecimal),
        ]
    }

    /// The lower 32 bits of a number, rounded to the nearest whole one; nil for what is none.
    private static func bits(_ lua: Lua, _ index: Int32) -> UInt32? {
        // The sum has the whole number in its lower bits.
        let value = lua.number(index) + 6_755_399_441_055_744
        let bits = UInt32(truncatingIfNeeded: value.bitPattern)
        return bits == 0 && !lua.isNumber(index) ? nil : bits
    }

    private static func give(_ lua: Lua, _ bits: UInt32) -> Int32 {
        lua.push(Double(Int32(bitPattern: bits)))
        return 1
    }

    @inline(__always)
    private static func unary(_ state: LuaFunctions.State, _ operation: (UInt32) -> UInt32) -> Int32 {
        unsafe LuaEnvironment.enter(state) { _, lua in
            guard let bits = bits(lua, 1) else { return lua.failType(1, expected: "number") }
            return give(lua, operation(bits))
        }
    }

    @inline(__always)
    private static func fold(_ state: LuaFunctions.State, _ operation: (UInt32, UInt32) -> UInt32)
        -> Int32
    {
        unsafe LuaEnvironment.enter(state) { _, lua in
            guard var result = bits(lua, 1) else { return lua.failType(1, expected: "number") }
            var index = lua.count
            while index > 1 {
                guard let bits = bits(lua, index) else { return lua.failType(index, expected: "number") }
                result = operation(result, bits)
                index -= 1
            }
            return give(lua, result)
        }
    }

    @inline(__always)
    private static func shift(_ state: LuaFunctions.State, _ operation: (UInt32, UInt32) -> UInt32)
        -> Int32
    {
        unsafe LuaEnvironment.enter(state) { _, lua in
            guard let bits = bits(lua, 1) else { return lua.failType(1, expected: "number") }
            guard let distance = Self.bits(lua, 2) else { return lua.failType(2, expected: "number") }
            return give(lua, operation(bits, distance & 31))
        }
    }

    private static let toBit: LuaFunctions.Function = { unsafe unary($0) { $0 } }
    private static let not: LuaFunctions.Function = { unsafe unary($0) { ~$0 } }
    private static let and: LuaFunctions.Function = { unsafe fold($0) { $0 & $1 } }
    private static let or: LuaFunctions.Function = { unsafe fold($0) { $0 | $1 } }
    private static let exclusiveOr: LuaFunctions.Function = { unsafe fold($0) { $0 ^ $1 } }
    private static let shiftLeft: LuaFunctions.Function = { unsafe shift($0) { $0 &<< $1 } }
    private static let shiftRight: LuaFunctions.Function = { unsafe shift($0) { $0 &>> $1 } }
    private static let shiftArithmetically: LuaFunctions.Function = { state in
        unsafe shift(state) { UInt32(bitPattern: Int32(bitPattern: $0) &>> Int32($1)) }
    }
    private static let rotateLeft: LuaFunctions.Function = { state in
        unsafe shift(state) { $0 &<< $1 | $0 &>> (32 &- $1) }
    }
    private static let rotateRight: LuaFunctions.Function = { state in
        unsafe shift(state) { $0 &>> $1 | $0 &<< (32 &- $1) }
    }
    private static let swapBytes: LuaFunctions.Function = { unsafe unary($0) { $0.byteSwapped } }

    private static let toHexadecimal: LuaFunctions.Function = { state in
        unsafe LuaEnvironment.enter(state) { _, lua in
            guard var bits = bits(lua, 1) else { return lua.failType(1, expected: "number") }
            var count = Int32(8)
            if lua.count >= 2 {
                guard let wanted = Self.bits(lua, 2) else { return lua.failType(2, expected: "number") }
                count = Int32(bitPattern: wanted)
            }
            let digits = Array((count < 0 ? "0123456789ABCDEF" : "0123456789abcdef").utf8)
            var text: [UInt8] = []
            for _ in 0..<min(count.magnitude, 8) {
                text.append(digits[Int(bits & 15)])
                bits >>= 4
            }
            lua.push(Array(text.reversed()))
            return 1
        }
    }
}
