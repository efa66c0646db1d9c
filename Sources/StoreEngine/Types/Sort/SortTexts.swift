// The texts that SORT compares, as slices: those of integers are in memory that this value owns.

import RespCodec

@safe struct SortTexts: ~Copyable {
    private let slices: [ByteSlice]
    private let spelled: UnsafeMutablePointer<UInt8>

    /// - Parameters:
    ///   - elements: must not change while this value is in use.
    ///   - endingAtZero: whether a text ends at its first zero byte, as for `strcoll`.
    init(_ elements: [PackedElement], endingAtZero: Bool) {
        let integers = elements.count { if case .integer = $0 { true } else { false } }
        unsafe spelled = SystemMemory.allocate(UInt8.self, count: integers * Decimal.maximumLength)
        var slices: [ByteSlice] = []
        slices.reserveCapacity(elements.count)
        var used = 0
        for element in elements {
            switch element {
            case .integer(let value):
                let count = unsafe Decimal.write(value, to: spelled + used)
                unsafe slices.append(ByteSlice(start: spelled + used, count: count))
                used += count
            case .bytes(let bytes):
                slices.append(endingAtZero ? bytes[0..<(bytes.index(of: 0) ?? bytes.count)] : bytes)
            }
        }
        self.slices = slices
    }

    deinit { unsafe spelled.deallocate() }

    subscript(index: Int) -> ByteSlice { slices[index] }

    /// Eight bytes of a text from an offset on, zeros after its end, as a number in the order of the bytes.
    func word(_ index: Int, at offset: Int) -> UInt64 {
        let rest = slices[index].dropFirst(offset)
        if rest.count >= 8 { return unsafe UInt64(bigEndian: rest.rawBytes.loadUnaligned(as: UInt64.self)) }
        var word: UInt64 = 0
        for place in 0..<rest.count { word |= UInt64(rest[place]) << UInt64(56 - 8 * place) }
        return word
    }
}
