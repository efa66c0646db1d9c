// The bytes of a file as a source of records: read in large blocks into a window, with their checksum.
//
// Slices of the window stay valid until `release`: what does not fit behind them goes to a new window, and the old one is kept until
// then. A long string is copied to where it will lie, past the window.

import Glibc
import RespCodec

/// Where the bytes of a snapshot come from.
public protocol SnapshotInput: AnyObject {
    /// How many bytes there are.
    var byteCount: Int { get }
    /// Reads some of the next bytes, as many as fit or fewer. 0 where there are no more, or they cannot be read.
    @unsafe func read(to target: UnsafeMutableRawBufferPointer) -> Int
    /// Whether 0 was told because they cannot be read.
    var hasFailed: Bool { get }
}

extension SnapshotInput {
    public var hasFailed: Bool { false }
}

/// A plain value over raw memory with one owner, which calls `deallocate`.
@safe struct FileSource: ByteSource {
    private static let windowSize = 512 << 10
    /// With less room behind what was taken, a window is cleared.
    private static let leastRoom = 64 << 10
    /// Read at once past the window.
    private static let pieceSize = 1 << 20

    private unowned(unsafe) let input: any SnapshotInput
    private let total: Int
    private var window: UnsafeMutableRawPointer
    private var capacity: Int
    /// What was not taken yet.
    private var position = 0
    private var end = 0
    /// Where in the file the window begins.
    private var start = 0
    /// Up to where in the window the checksum goes.
    private var checked = 0
    private var checksumSoFar = CRC64()
    private var keptWindows: [Window] = []

    /// A window that slices still lie in.
    @safe private struct Window {
        let start: UnsafeMutableRawPointer

        init(_ start: UnsafeMutableRawPointer) { unsafe self.start = start }
    }

    init(_ input: any SnapshotInput) {
        unsafe self.input = input
        total = input.byteCount
        unsafe window = SystemMemory.allocate(Self.windowSize)
        capacity = Self.windowSize
    }

    @unsafe func deallocate() {
        unsafe free(window)
        for each in keptWindows { unsafe free(each.start) }
    }

    var offset: Int { start + position }
    var remaining: Int { max(0, total - offset) }

    @inline(__always)
    mutating func take(_ count: Int) -> ByteSlice? {
        guard count >= 0 else { return nil }
        if end &- position < count && !fill(count) { return nil }
        let place = position
        position &+= count
        return unsafe ByteSlice(start: window + place, count: count)
    }

    @inline(__always)
    mutating func release() {
        if !keptWindows.isEmpty || position == end || capacity &- position < Self.leastRoom { clear() }
    }

    @unsafe mutating func copy(_ count: Int, to target: UnsafeMutableRawPointer) -> Bool {
        var done = min(count, end - position)
        unsafe target.copyMemory(from: window + position, byteCount: done)
        position += done
        addToChecksum()
        while done < count {
            let read = unsafe input.read(
                to: UnsafeMutableRawBufferPointer(start: target + done, count: min(count - done, Self.pieceSize)))
            guard read > 0 else { return false }
            unsafe checksumSoFar.add(ByteSlice(start: target + done, count: read))
            done += read
            start += read
        }
        return true
    }

    /// The checksum of everything that was taken.
    mutating func checksum() -> UInt64 {
        addToChecksum()
        return checksumSoFar.value
    }

    private mutating func addToChecksum() {
        guard checked < position else { return }
        unsafe checksumSoFar.add(ByteSlice(start: window + checked, count: position - checked))
        checked = position
    }

    // MARK: the window

    /// Reads until there are `count` bytes; false if the file ends before.
    @inline(never)
    private mutating func fill(_ count: Int) -> Bool {
        guard count <= remaining else { return false }
        if position + count > capacity { replaceWindow(capacity: max(Self.windowSize, count)) }
        while end - position < count {
            let read = unsafe input.read(
                to: UnsafeMutableRawBufferPointer(start: window + end, count: min(capacity - end, Self.pieceSize)))
            guard read > 0 else { return false }
            end += read
        }
        return true
    }

    private mutating func replaceWindow(capacity new: Int) {
        addToChecksum()
        let larger = unsafe SystemMemory.allocate(new)
        unsafe larger.copyMemory(from: window + position, byteCount: end - position)
        unsafe keptWindows.append(Window(window))
        unsafe window = larger
        capacity = new
        moved()
    }

    /// The bytes that were not taken are at the window's beginning now.
    private mutating func moved() {
        start += position
        end -= position
        position = 0
        checked = 0
    }

    @inline(never)
    private mutating func clear() {
        for each in keptWindows { unsafe free(each.start) }
        keptWindows.removeAll()
        addToChecksum()
        if capacity > Self.windowSize && end - position <= Self.windowSize {
            let usual = unsafe SystemMemory.allocate(Self.windowSize)
            unsafe usual.copyMemory(from: window + position, byteCount: end - position)
            unsafe free(window)
            unsafe window = usual
            capacity = Self.windowSize
        } else if position < end {
            unsafe window.copyMemory(from: window + position, byteCount: end - position)
        }
        moved()
    }
}
