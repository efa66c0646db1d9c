// The bytes of a snapshot file as they come from blocks: compressed where that is wanted, with their checksum. Used by one thread, which
// need not be that of the engine.

import Glibc
import RespCodec

/// Encodes blocks and writes the result in large pieces.
@safe public final class SnapshotOutput: @unchecked Sendable {
    private static let bufferSize = 256 << 10
    /// After how many bytes there is a pause, some hundred microseconds' work.
    private static let bytesWithoutPause = 32 << 10

    private let buffer = OutputBuffer(capacity: 2 * SnapshotOutput.bufferSize)
    private let compresses: Bool
    private let hasChecksum: Bool
    private let isFramed: Bool
    private let pause: (() -> Void)?
    private let write: (UnsafeRawBufferPointer) -> Bool
    private var checksum = CRC64()
    /// How many bytes were written.
    public private(set) var byteCount = 0
    /// Whether everything up to now could be written.
    public private(set) var isSound = true

    /// - Parameters:
    ///   - isFramed: whether it ends as a snapshot does.
    ///   - pause: is called after every so many bytes.
    ///   - write: writes bytes behind those before, and tells whether it could. Not called any more when it could not.
    @unsafe public init(
        compresses: Bool, hasChecksum: Bool, isFramed: Bool = true, pause: (() -> Void)? = nil,
        write: @escaping (UnsafeRawBufferPointer) -> Bool
    ) {
        self.isFramed = isFramed
        self.compresses = compresses
        self.hasChecksum = hasChecksum
        self.pause = pause
        unsafe self.write = write
    }

    deinit { unsafe buffer.deallocate() }

    /// Encodes a block and writes what there is enough of.
    public func add(_ block: SnapshotBlock) {
        guard isSound else { return }
        let records = RecordWriter(sink: buffer, compresses: compresses)
        var bytes = 0
        block.forEachRun { run, isString in
            bytes += run.count
            if bytes > Self.bytesWithoutPause {
                bytes = 0
                pause?()
            }
            if isString {
                records.write(string: run)
            } else if run.count >= Self.bufferSize / 2 {
                flush()
                put(run)
            } else {
                buffer.append(run)
            }
            if buffer.count >= Self.bufferSize { flush() }
        }
    }

    /// Writes bytes that are encoded already.
    public func add(encoded bytes: ByteSlice) {
        flush()
        put(bytes)
    }

    /// Writes what there is.
    public func flush() {
        guard buffer.count > 0 else { return }
        put(buffer.bytes)
        buffer.removeAll()
    }

    private func put(_ bytes: ByteSlice) {
        guard isSound else { return }
        if hasChecksum { checksum.add(bytes) }
        isSound = unsafe write(bytes.rawBytes)
        byteCount += bytes.count
    }

    /// Writes the rest, with the end of a file and the checksum.
    /// - Parameters:
    ///   - version: of the RDB format, as it turned out to be. The file has been begun with `SnapshotSaver.leastVersion`.
    ///   - setDigits: writes the digits of the version where they stand, if that is another one.
    @unsafe public func finish(version: UInt16, setDigits: (UnsafeRawBufferPointer, _ offset: Int) -> Bool) {
        guard isFramed else { return flush() }
        buffer.append(byte: RDBOpcode.end.rawValue)
        flush()
        guard isSound else { return }
        if version != SnapshotSaver.leastVersion {
            let (before, after) = (
                RDBOpcode.head(version: SnapshotSaver.leastVersion), RDBOpcode.head(version: version)
            )
            // A checksum of bytes of which some change differs by that of the difference, which more bytes follow.
            checksum.change(from: before, to: after, following: byteCount - after.count)
            isSound = Array(after.dropFirst(RDBOpcode.magic.count)).withByteSlice {
                unsafe setDigits($0.rawBytes, RDBOpcode.magic.count)
            }
        }
        let value = hasChecksum ? checksum.value : 0
        unsafe withUnsafeBytes(of: value.littleEndian) { if isSound { isSound = unsafe write($0) } }
        byteCount += RDBOpcode.checksumSize
    }
}

/// A growing buffer. A plain value with one owner.
@safe private struct OutputBuffer: ByteSink {
    @unsafe private struct Storage {
        var start: UnsafeMutableRawPointer
        var count = 0
        var capacity: Int
    }

    private let storage: UnsafeMutablePointer<Storage>

    init(capacity: Int) {
        unsafe storage = .allocate(capacity: 1)
        unsafe storage.initialize(to: Storage(start: SystemMemory.allocate(capacity), capacity: capacity))
    }

    @unsafe func deallocate() {
        unsafe free(storage.pointee.start)
        unsafe storage.deallocate()
    }

    var count: Int { unsafe storage.pointee.count }
    var bytes: ByteSlice { unsafe ByteSlice(start: storage.pointee.start, count: count) }

    func removeAll() { unsafe storage.pointee.count = 0 }

    @inline(__always)
    func append(_ bytes: ByteSlice) {
        if unsafe storage.pointee.capacity - storage.pointee.count < bytes.count { grow(bytes.count) }
        unsafe memcpy(storage.pointee.start + storage.pointee.count, bytes.rawBytes.baseAddress!, bytes.count)
        unsafe storage.pointee.count += bytes.count
    }

    private func grow(_ count: Int) {
        let capacity = unsafe max(storage.pointee.capacity * 2, storage.pointee.count + count)
        unsafe storage.pointee.start = SystemMemory.reallocate(storage.pointee.start, capacity)
        unsafe storage.pointee.capacity = capacity
    }
}
