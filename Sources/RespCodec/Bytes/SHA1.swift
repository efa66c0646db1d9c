// SHA-1, by which scripts are named and data is compared. Not for anything that has to withstand an attacker.
//
// Source: FIPS 180-4, 6.1.

public enum SHA1 {
    public static let digestBytes = 20

    /// The digest as forty hexadecimal digits.
    public static func hexadecimal(of bytes: ByteSlice) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(2 * digestBytes)
        for byte in digest(of: bytes) { Hexadecimal.append(byte, to: &text) }
        return text
    }

    /// - Complexity: O(bytes).
    public static func digest(of bytes: ByteSlice) -> [UInt8] {
        var state: (UInt32, UInt32, UInt32, UInt32, UInt32) = (
            0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0
        )
        return unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 80) { words in
            let whole = bytes.count / 64 * 64
            for start in stride(from: 0, to: whole, by: 64) { unsafe mix(bytes[start..<start + 64], &state, words) }
            // The rest, a one bit, zeros, and how many bits there were.
            var last = bytes.dropFirst(whole).array + [0x80]
            while last.count % 64 != 56 { last.append(0) }
            unsafe withUnsafeBytes(of: (UInt64(bytes.count) &* 8).bigEndian) { unsafe last.append(contentsOf: $0) }
            last.withByteSlice { padded in
                for start in stride(from: 0, to: padded.count, by: 64) {
                    unsafe mix(padded[start..<start + 64], &state, words)
                }
            }
            var digest: [UInt8] = []
            for word in [state.0, state.1, state.2, state.3, state.4] {
                unsafe withUnsafeBytes(of: word.bigEndian) { unsafe digest.append(contentsOf: $0) }
            }
            return digest
        }
    }

    private static func mix(
        _ block: ByteSlice, _ state: inout (UInt32, UInt32, UInt32, UInt32, UInt32),
        _ words: UnsafeMutableBufferPointer<UInt32>
    ) {
        func rotated(_ word: UInt32, _ count: UInt32) -> UInt32 { word &<< count | word &>> (32 &- count) }
        let bytes = unsafe block.rawBytes
        for index in 0..<16 {
            unsafe words[index] = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self))
        }
        for index in 16..<80 {
            unsafe words[index] = rotated(
                words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1)
        }
        var (a, b, c, d, e) = state
        for index in 0..<80 {
            let (mixed, constant): (UInt32, UInt32) =
                switch index {
                case ..<20: (b & c | ~b & d, 0x5A82_7999)
                case ..<40: (b ^ c ^ d, 0x6ED9_EBA1)
                case ..<60: (b & c | b & d | c & d, 0x8F1B_BCDC)
                default: (b ^ c ^ d, 0xCA62_C1D6)
                }
            let next = unsafe rotated(a, 5) &+ mixed &+ e &+ constant &+ words[index]
            (a, b, c, d, e) = (next, a, rotated(b, 30), c, d)
        }
        state = (state.0 &+ a, state.1 &+ b, state.2 &+ c, state.3 &+ d, state.4 &+ e)
    }
}
