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

    var reason: String { String(cString: strerror(number)) }
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
            let result = recv(descriptor, target, count, 0)
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
            let result = Glibc.send(descriptor, source, count, Int32(MSG_NOSIGNAL))
            if result >= 0 { return .bytes(result) }
            if errno == EINTR { continue }
            return errno == EAGAIN ? .wouldBlock : .failed(errno)
        }
    }

    static func monotonicMicroseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    static func wallMicroseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    static func setOption(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
