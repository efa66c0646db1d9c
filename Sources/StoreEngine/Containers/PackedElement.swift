// An element of a list as it is read, and a value that is to be added or looked for.

import RespCodec

/// One element of a list. Bytes are valid until the list changes.
enum PackedElement {
    case integer(Int)
    case bytes(ByteSlice)

    /// Calls `body` with the element as text, which is valid during the call.
    func withBytes<Result>(_ body: (ByteSlice) -> Result) -> Result {
        switch self {
        case .integer(let value): Decimal.withText(value, body)
        case .bytes(let bytes): body(bytes)
        }
    }

    /// The integer that the element is or spells.
    var integer: Int? {
        switch self {
        case .integer(let value): value
        case .bytes(let bytes): Decimal.parse(bytes)
        }
    }

    var byteCount: Int {
        switch self {
        case .integer(let value): Decimal.length(of: value)
        case .bytes(let bytes): bytes.count
        }
    }
}

/// A value that is looked for or added: its bytes, and the integer they spell, if any.
struct PackedValue {
    let bytes: ByteSlice
    let integer: Int?

    @inline(__always)
    init(_ bytes: ByteSlice) {
        self.bytes = bytes
        // Most strings that are no integers do not even begin like one.
        let mayBeInteger = bytes.count > 0 && (bytes[0] &- UInt8(ascii: "0") <= 9 || bytes[0] == UInt8(ascii: "-"))
        integer = mayBeInteger ? Decimal.parse(bytes) : nil
    }

    /// An integer without its text, which lists do not need.
    init(integer: Int) {
        bytes = .empty
        self.integer = integer
    }

    /// Bytes of the encoding and the data, without the length after them.
    @inline(__always) var dataLength: Int { isShortString ? bytes.count &+ 1 : longerDataLength }

    private var longerDataLength: Int {
        if let integer {
            if integer >= 0 && integer <= 127 { return 1 }
            if integer >= -4096 && integer <= 4095 { return 2 }
            if integer >= -32768 && integer <= 32767 { return 3 }
            if integer >= -8_388_608 && integer <= 8_388_607 { return 4 }
            if integer >= -2_147_483_648 && integer <= 2_147_483_647 { return 5 }
            return 9
        }
        if bytes.count < 64 { return 1 + bytes.count }
        if bytes.count < 4096 { return 2 + bytes.count }
        return 5 + bytes.count
    }

    /// Whether it becomes a string with one byte of length.
    @inline(__always) var isShortString: Bool { integer == nil && bytes.count < 64 }

    /// Bytes of the whole element of a list that is readable backwards.
    @inline(__always) var encodedLength: Int { isShortString ? bytes.count &+ 2 : longerEncodedLength }

    private var longerEncodedLength: Int { longerDataLength + Listpack.backLength(longerDataLength) }
}
