// Replies that a socket would not take yet, or that wait for the append-only file, in pieces: however much a client leaves unread, adding to it and sending from it costs
// the same, and nothing that is queued is ever moved. The pieces come from the system and go back to it, so that a client that read
// nothing for a while leaves no trace. A long reply brings its own memory as a piece, and is not copied, and neither is a large value: somebody
// keeps that where it lies.

import Glibc
import RespCodec

final class OutputQueue {
    /// Memory for some of the bytes, filled from the front.
    @safe private final class Piece {
        static let usualCapacity = 256 * 1024
        let base: UnsafeMutableRawPointer
        let capacity: Int
        /// What the memory is.
        enum Kind {
            case mapped
            /// A block of malloc.
            case block
            /// Somebody else's, who keeps it.
            case kept(AnyObject)
        }
        let kind: Kind
        /// Where the next byte goes.
        var count = 0
        /// The memory that it takes: of what is mapped the pages that were written to.
        var heldBytes: Int {
            if case .mapped = kind { return (count + Self.pageSize - 1) / Self.pageSize * Self.pageSize }
            return capacity
        }
        /// How much of it is somebody else's.
        var keptBytes: Int { if case .kept = kind { capacity } else { 0 } }
        private static let pageSize = 4096

        init() {
            let memory = unsafe mmap(
                nil, Self.usualCapacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
                SystemMemory.exhausted(Self.usualCapacity)
            }
            unsafe base = memory
            capacity = Self.usualCapacity
            kind = .mapped
        }

        init(_ kind: Kind, _ base: UnsafeMutableRawPointer, count: Int, capacity: Int) {
            self.kind = kind
            unsafe self.base = base
            self.count = count
            self.capacity = capacity
        }

        deinit {
            switch kind {
            case .mapped: unsafe munmap(base, capacity)
            case .block: unsafe free(base)
            case .kept: break
            }
        }
    }

    #if DEBUG
    /// Counts bytes that are copied, and pieces that are moved.
    let steps = StepCounter()
    #endif

    /// The pieces from `first` on; those before have been sent.
    private var pieces: [Piece?] = []
    private var first = 0
    /// How much of the first piece has been sent.
    private var sent = 0
    /// How many pieces wait.
    var pieceCount: Int { pieces.count - first }
    /// Bytes that wait.
    private(set) var byteCount = 0
    /// Bytes that wait, and those before them in the same piece.
    var heldByteCount: Int { byteCount + sent }
    /// The memory that the pieces take, in bytes.
    private(set) var memoryByteCount = 0
    /// How much of it is somebody else's.
    private(set) var keptByteCount = 0

    /// Less than this behind what is kept gets no room of the usual size.
    private static let short = 256

    func append(_ bytes: UnsafeRawBufferPointer) {
        var taken = 0
        while taken < bytes.count {
            let last: Piece
            if first < pieces.count, let piece = pieces[pieces.count - 1], piece.count < piece.capacity {
                last = piece
            } else if bytes.count - taken < Self.short, first < pieces.count,
                pieces[pieces.count - 1]?.keptBytes ?? 0 > 0
            {
                // What stands between two that are kept.
                last = unsafe Piece(.block, SystemMemory.allocate(Self.short), count: 0, capacity: Self.short)
                add(last)
            } else {
                last = Piece()
                add(last)
            }
            let count = min(bytes.count - taken, last.capacity - last.count)
            unsafe memcpy(last.base + last.count, bytes.baseAddress! + taken, count)
            #if DEBUG
            steps.step(count)
            #endif
            memoryByteCount -= last.heldBytes
            last.count += count
            memoryByteCount += last.heldBytes
            taken += count
        }
        byteCount += bytes.count
    }

    /// Takes over a block of malloc whose bytes up to `count` wait, but for the first `sent`.
    func append(block: UnsafeMutableRawPointer, sent skipped: Int, count: Int, capacity: Int) {
        precondition(skipped < count && count <= capacity, "a block without bytes that wait")
        guard byteCount == 0 else {
            unsafe append(UnsafeRawBufferPointer(start: block + skipped, count: count - skipped))
            return unsafe free(block)
        }
        removeAll()
        unsafe add(Piece(.block, block, count: count, capacity: capacity))
        sent = skipped
        byteCount = count - skipped
    }

    /// Takes bytes that somebody else keeps.
    func append(_ bytes: UnsafeRawBufferPointer, keptBy owner: AnyObject) {
        guard let base = unsafe UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count > 0 else { return }
        unsafe add(Piece(.kept(owner), base, count: bytes.count, capacity: bytes.count))
        byteCount += bytes.count
    }

    private func removeAll() {
        pieces = []
        first = 0
        sent = 0
        byteCount = 0
        memoryByteCount = 0
        keptByteCount = 0
    }

    private func add(_ piece: Piece) {
        pieces.append(piece)
        memoryByteCount += piece.heldBytes
        keptByteCount += piece.keptBytes
    }

    /// The bytes to be sent first; none if nothing waits. Good until the queue changes.
    var front: UnsafeRawBufferPointer {
        guard byteCount > 0, let piece = pieces[first] else {
            return unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return unsafe UnsafeRawBufferPointer(start: piece.base + sent, count: piece.count - sent)
    }

    /// Forgets bytes that have been sent, at most those of `front`.
    func removeFirst(_ count: Int) {
        unsafe precondition(count <= front.count, "more was sent than there was")
        sent += count
        byteCount -= count
        guard byteCount > 0 else {
            return removeAll()
        }
        guard let piece = pieces[first], sent == piece.count else { return }
        memoryByteCount -= piece.heldBytes
        keptByteCount -= piece.keptBytes
        pieces[first] = nil
        first += 1
        sent = 0
        if first >= 64 && first > pieces.count / 2 {
            #if DEBUG
            steps.step(pieces.count - first)
            #endif
            pieces.removeFirst(first)
            first = 0
        }
    }
}
