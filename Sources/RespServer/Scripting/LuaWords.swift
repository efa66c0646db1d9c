// The words of a command that a script runs: those of strings where they lie in Lua's memory, those of numbers in memory of their own.

import RespCodec

@safe struct LuaWords {
    private static let usualCapacity = 64
    private static let numberBytes = FloatingPoint64.maximumLength

    private var pieces = UnsafeMutablePointer<ArgumentPiece>.allocate(capacity: LuaWords.usualCapacity)
    private var numbers = UnsafeMutablePointer<UInt8>.allocate(capacity: LuaWords.usualCapacity * LuaWords.numberBytes)
    private var capacity = LuaWords.usualCapacity

    @unsafe func deallocate() {
        unsafe pieces.deallocate()
        unsafe numbers.deallocate()
    }

    /// The values of the stack as words; nil if one of them is neither a string nor a number. Good as long as they are on the stack.
    @inline(__always)
    mutating func collect(_ lua: Lua, count: Int) -> Arguments? {
        if count > capacity { grow(to: count) }
        let base = unsafe UnsafeRawPointer(numbers)
        for index in 0..<count {
            let place = Int32(truncatingIfNeeded: index &+ 1)
            switch lua.type(place) {
            case .string:
                guard let bytes = lua.string(place), let start = unsafe bytes.rawBytes.baseAddress else { return nil }
                unsafe pieces[index] = ArgumentPiece(offset: start - base, count: bytes.count)
            case .number:
                let offset = index &* Self.numberBytes
                let length = unsafe Self.write(lua.number(place), to: numbers + offset)
                unsafe pieces[index] = ArgumentPiece(offset: offset, count: length)
            default: return nil
            }
        }
        return unsafe Arguments(base: base, pieces: UnsafePointer(pieces), count: count)
    }

    /// Writes the shortest text that reads back as the number; a whole one up to 2^62 has all its digits. What is not a number has its sign.
    @inline(__always)
    private static func write(_ value: Double, to target: UnsafeMutablePointer<UInt8>) -> Int {
        if let whole = FloatingPoint64.wholeNumber(value) { return unsafe Decimal.write(whole, to: target) }
        guard value.isNaN && value.sign == .minus else { return unsafe FloatingPoint64.write(value, to: target) }
        unsafe target[0] = UInt8(ascii: "-")
        return unsafe 1 + FloatingPoint64.write(value, to: target + 1)
    }

    private mutating func grow(to count: Int) {
        unsafe deallocate()
        capacity = max(count, capacity * 2)
        unsafe pieces = SystemMemory.allocate(ArgumentPiece.self, count: capacity)
        unsafe numbers = SystemMemory.allocate(UInt8.self, count: capacity * Self.numberBytes)
    }
}
