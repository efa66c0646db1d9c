// The system calls of the server, each in one place: interrupted calls are repeated, "would block" is a value, anything else that
// fails is an error with the call's name and the system's reason.

import CLinux
import Glibc

struct SyscallError: Error, CustomStringConvertible {
    let call: String
    let number: Int32

    init(_ call: String, _ number: Int32 = errno) {
        self.call = call
        self.number = number
    }

    var reason: String { unsafe String(cString: strerror(number)) }
    var description: String { "\(call): \(reason)" }
}

enum Transfer: Equatable {
    case bytes(Int)
    case wouldBlock
    /// The peer has closed its side.
    case ended
    case failed(Int32)
}

enum Syscall {
    @inline(__always)
    static func read(_ descriptor: Int32, _ target: UnsafeMutableRawPointer, _ count: Int) -> Transfer {
        while true {
            let result = unsafe recv(descriptor, target, count, 0)
            if result > 0 { return .bytes(result) }
            if result == 0 { return .ended }
            if errno == EINTR { continue }
            return errno == EAGAIN ? .wouldBlock : .failed(errno)
        }
    }

    /// Sends without a signal when the peer is gone.
    @inline(__always)
    static func send(_ descriptor: Int32, _ source: UnsafeRawPointer, _ count: Int) -> Transfer {
        while true {
            let result = unsafe Glibc.send(descriptor, source, count, Int32(MSG_NOSIGNAL))
            if result >= 0 { return .bytes(result) }
            if errno == EINTR { continue }
            return errno == EAGAIN ? .wouldBlock : .failed(errno)
        }
    }

    /// Sends as much of several runs of bytes as the socket takes.
    static func send(_ descriptor: Int32, _ parts: [UnsafeRawBufferPointer]) -> Transfer {
        var total = 0
        var next = 0
        while unsafe next < parts.count {
            let group = unsafe parts[next..<min(next + 64, parts.count)]
            var vectors = unsafe group.map {
                unsafe iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count)
            }
            let wanted = unsafe group.reduce(0) { $0 + $1.count }
            let result = unsafe vectors.withUnsafeMutableBufferPointer { buffer in
                var message = unsafe msghdr()
                unsafe message.msg_iov = buffer.baseAddress
                unsafe message.msg_iovlen = buffer.count
                return unsafe sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
            }
            if result < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { return total > 0 ? .bytes(total) : .wouldBlock }
                return .failed(errno)
            }
            total += result
            if result < wanted { return .bytes(total) }
            next = unsafe group.endIndex
        }
        return .bytes(total)
    }

    static func monotonicMicroseconds() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    static func wallMicroseconds() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    /// Has the thread sleep.
    static func sleep(microseconds: Int) {
        guard microseconds > 0 else { return }
        var time = timespec(tv_sec: microseconds / 1_000_000, tv_nsec: microseconds % 1_000_000 * 1000)
        unsafe nanosleep(&time, nil)
    }

    /// Gives what the C library keeps of freed memory back to the system.
    static func returnFreeMemory() { malloc_trim(0) }

    /// How many bytes of freed memory the C library keeps.
    /// - Complexity: O(free blocks of some size).
    static var freeMemory: Int { clinux_free_malloc_bytes() }

    /// Has the C library take large blocks from the system one by one, and return them when they are freed.
    /// - Parameter returnsAll: whether it keeps none of those that the engine's allocator does not keep, either; else those below 4 MB are made
    ///   again sooner than the system would give their pages.
    static func returnLargeBlocks(all returnsAll: Bool) {
        clinux_set_malloc_thresholds(returnsAll ? 256 << 10 : 4 << 20, 1 << 20)
    }

    static func setOption(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
