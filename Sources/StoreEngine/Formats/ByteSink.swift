// Where the formats write to: the engine says what the bytes are, somebody else where they go.

import RespCodec

/// A handle on something that takes bytes in order.
protocol ByteSink {
    /// Takes bytes in, which are good only during the call.
    func append(_ bytes: ByteSlice)
}

extension ByteSink {
    func append(byte: UInt8) {
        unsafe withUnsafeBytes(of: byte) { unsafe append(ByteSlice($0)) }
    }

    func append<Value: FixedWidthInteger>(littleEndian value: Value) {
        unsafe withUnsafeBytes(of: value.littleEndian) { unsafe append(ByteSlice($0)) }
    }

    func append<Value: FixedWidthInteger>(bigEndian value: Value) {
        unsafe withUnsafeBytes(of: value.bigEndian) { unsafe append(ByteSlice($0)) }
    }
}

/// A reply that is being written takes in the bytes of a bulk string: see `beginDeferred`.
extension ReplyWriter: ByteSink {
    func append(_ bytes: ByteSlice) { raw(bytes) }
}
