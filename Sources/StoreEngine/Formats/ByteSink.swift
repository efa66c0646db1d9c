// Where the formats write to. The engine makes the bytes; the sink, which the caller passes, decides where they go.

import RespCodec

/// A handle on something that bytes are appended to.
protocol ByteSink {
    /// Appends bytes, which are valid only during the call.
    func append(_ bytes: ByteSlice)

    /// Takes over a string that may be compressed, to encode it later. False, and nothing is taken, if whoever asks should encode it.
    func appendCompressible(_ string: ByteSlice) -> Bool
}

extension ByteSink {
    @inline(__always) func appendCompressible(_ string: ByteSlice) -> Bool { false }

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

/// The bytes of a bulk string that is being written: see `ReplyWriter.beginDeferred`.
extension ReplyWriter: ByteSink {
    func append(_ bytes: ByteSlice) { raw(bytes) }
}
