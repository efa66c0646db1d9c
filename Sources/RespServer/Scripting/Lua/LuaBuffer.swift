// Bytes that are put together for Lua: the texts of JSON and MessagePack, and of packed structures. One buffer serves them all, one after
// the other.

import CLinux
import Glibc
import RespCodec

@safe final class LuaBuffer {
    private static let usualCapacity = 4096
    private var bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: LuaBuffer.usualCapacity)
    private(set) var count = 0
    /// Values written, for `Lua.mayGoOn`.
    var steps = 0
    private var capacity = LuaBuffer.usualCapacity

    deinit { unsafe bytes.deallocate() }

    /// Begins anew. What had become long is given back.
    func removeAll() {
        count = 0
        if capacity > 1 << 20 {
            unsafe bytes.deallocate()
            unsafe bytes = .allocate(capacity: Self.usualCapacity)
            capacity = Self.usualCapacity
        }
    }

    var written: ByteSlice { unsafe ByteSlice(start: bytes, count: count) }

    @inline(__always)
    func append(_ byte: UInt8) {
        if count == capacity { grow(by: 1) }
        unsafe bytes[count] = byte
        count &+= 1
    }

    func append(_ slice: ByteSlice) {
        if capacity &- count < slice.count { grow(by: slice.count) }
        unsafe slice.copyShort(to: bytes + count)
        count &+= slice.count
    }

    func append(repeating byte: UInt8, count: Int) { for _ in 0..<count { append(byte) } }

    /// The bytes of a number, the most significant first.
    func append<Value: FixedWidthInteger>(bigEndian value: Value) {
        unsafe withUnsafeBytes(of: value.bigEndian) { unsafe append(ByteSlice($0)) }
    }

    /// A number as "%.*g" prints it.
    func append(_ value: Double, precision: Int32) {
        if capacity &- count < 64 { grow(by: 64) }
        let length = unsafe clua_format(
            UnsafeMutableRawPointer(bytes + count).assumingMemoryBound(to: CChar.self), 64, precision, value)
        count &+= min(max(Int(length), 0), 63)
    }

    private func grow(by length: Int) {
        let larger = max(capacity * 2, count + length)
        let moved = unsafe SystemMemory.allocate(UInt8.self, count: larger)
        unsafe moved.update(from: bytes, count: count)
        unsafe bytes.deallocate()
        unsafe bytes = moved
        capacity = larger
    }
}
