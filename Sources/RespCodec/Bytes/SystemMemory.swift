// Memory from the system, for blocks whose size grows with the data: where there is none left, the process ends with a line that
// says so.
//
// A program that goes on without memory that it was promised does harm, and one that undoes half a command is seldom tested: so there
// is no way back, as in Redis. A small reserve is given up first, so that what says so has something to work with.

import Glibc

public enum SystemMemory {
    /// What is to be done before the process ends; it is told how many bytes there was no room for. Set once, at the start.
    nonisolated(unsafe) public static var whenExhausted: (@Sendable (_ size: Int) -> Void)?

    /// Given up when memory runs out.
    nonisolated(unsafe) private static var reserve: UnsafeMutableRawPointer?
    private static let reserveSize = 256 * 1024

    /// Sets aside what the last words will need. To be called once, at the start.
    public static func makeReserve() {
        guard unsafe reserve == nil, let block = unsafe malloc(reserveSize) else { return }
        unsafe reserve = block
    }

    /// A malloc block of `size` bytes, not cleared.
    @unsafe public static func allocate(_ size: Int) -> UnsafeMutableRawPointer {
        guard let block = unsafe malloc(size) else { exhausted(size) }
        return unsafe block
    }

    /// A malloc block made larger or smaller.
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

    /// Ends the process because there is no memory of so many bytes.
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
