// Memory from the system, for blocks whose size grows with the data. If there is none left, the process logs a line and ends.
//
// A command that fails halfway for lack of memory could not be undone reliably, so nothing tries to recover, as in Redis. A small reserve
// is freed first, so that the line can be logged.

import Glibc

public enum SystemMemory {
    /// Called before the process ends, with the number of bytes that could not be allocated. Set once, at the start.
    nonisolated(unsafe) public static var whenExhausted: (@Sendable (_ size: Int) -> Void)?

    /// Freed when memory runs out.
    nonisolated(unsafe) private static var reserve: UnsafeMutableRawPointer?
    private static let reserveSize = 256 * 1024

    /// Allocates the reserve. To be called once, at the start.
    public static func makeReserve() {
        guard unsafe reserve == nil, let block = unsafe malloc(reserveSize) else { return }
        unsafe reserve = block
    }

    /// A malloc block of `size` bytes, not cleared.
    @unsafe public static func allocate(_ size: Int) -> UnsafeMutableRawPointer {
        guard let block = unsafe malloc(size) else { exhausted(size) }
        return unsafe block
    }

    /// A malloc block of `size` bytes with the contents of `block`, which must not be used afterwards.
    @unsafe public static func reallocate(_ block: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer {
        guard let moved = unsafe realloc(block, size) else { exhausted(size) }
        return unsafe moved
    }

    /// A block for `count` values, to be freed with `deallocate`.
    @unsafe public static func allocate<Value>(_ type: Value.Type, count: Int) -> UnsafeMutablePointer<Value> {
        let (size, isTooLarge) = count.multipliedReportingOverflow(by: MemoryLayout<Value>.stride)
        guard !isTooLarge else { exhausted(Int.max) }
        return unsafe allocate(max(size, 1)).bindMemory(to: Value.self, capacity: count)
    }

    /// Ends the process because `size` bytes could not be allocated.
    public static func exhausted(_ size: Int) -> Never {
        unsafe free(reserve)
        unsafe reserve = nil
        if let whenExhausted = unsafe whenExhausted {
            whenExhausted(size)
        } else {
            let line = Array("Out Of Memory allocating \(size) bytes!\n".utf8)
            unsafe _ = write(STDERR_FILENO, line, line.count)
        }
        abort()
    }
}
