// A connection to another server, for a thread that may wait: finding its address, connecting, and waiting until something can be read or
// written, or a signal says that there is something else to do.

import CLinux
import Glibc

enum TargetSocket {
    enum ConnectFailure: Error {
        /// The name has no address, or no connection can begin.
        case unreachable
        /// The other side does not want it.
        case refused
        case timedOut
        case interrupted
    }

    struct Readiness {
        var isReadable = false
        var isWritable = false
        var isSignalled = false
        var isTimeOver: Bool { !isReadable && !isWritable && !isSignalled }
    }

    /// No name of a host is longer.
    private static let longestHost = 1024

    /// Connects to the first address of a host that takes the connection.
    ///
    /// - Parameters:
    ///   - host: a name or an address, up to its first zero byte.
    ///   - port: read as `atoi` does.
    ///   - milliseconds: how long it may take. Finding the address is not limited.
    ///   - isInterrupted: is asked whenever the signal has come.
    static func connect(
        host: [UInt8], port: [UInt8], milliseconds: Int, signal: EventSignal, isInterrupted: () -> Bool
    ) throws(ConnectFailure) -> Int32 {
        let host = host.prefix { $0 != 0 }
        guard host.count <= longestHost else { throw .unreachable }
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = AF_UNSPEC
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let hostText = (host + [0]).map { CChar(bitPattern: $0) }
        let number = unsafe (port + [0]).map { CChar(bitPattern: $0) }.withUnsafeBufferPointer {
            unsafe atoi($0.baseAddress!)
        }
        guard unsafe getaddrinfo(hostText, String(number), &hints, &list) == 0 else { throw .unreachable }
        defer { unsafe freeaddrinfo(list) }
        let deadline = Deadline(milliseconds)
        var failure = ConnectFailure.unreachable
        var next = unsafe list
        while let address = unsafe next {
            if isInterrupted() { throw .interrupted }
            do throws(ConnectFailure) {
                return unsafe try connect(address.pointee, deadline, signal, isInterrupted)
            } catch {
                failure = error
                if error == .interrupted { throw error }
            }
            unsafe next = address.pointee.ai_next
        }
        throw failure
    }

    private static func connect(
        _ address: addrinfo, _ deadline: Deadline, _ signal: EventSignal, _ isInterrupted: () -> Bool
    ) throws(ConnectFailure) -> Int32 {
        let kind = unsafe address.ai_socktype | 0o4000 | 0o2000000  // SOCK_NONBLOCK, SOCK_CLOEXEC
        let descriptor = unsafe socket(address.ai_family, kind, address.ai_protocol)
        guard descriptor >= 0 else { throw .unreachable }
        do throws(ConnectFailure) {
            if unsafe Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) != 0 {
                guard errno == EINPROGRESS else { throw errno == ECONNREFUSED ? .refused : .unreachable }
                while true {
                    let readiness = wait(for: descriptor, writing: true, signal, deadline)
                    if readiness.isSignalled {
                        signal.take()
                        if isInterrupted() { throw .interrupted }
                    }
                    if readiness.isWritable || readiness.isReadable { break }
                    if readiness.isTimeOver { throw .timedOut }
                }
                var error: Int32 = 0
                var size = socklen_t(MemoryLayout<Int32>.size)
                unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size)
                guard error == 0 else { throw error == ETIMEDOUT ? .timedOut : .refused }
            }
        } catch {
            close(descriptor)
            throw error
        }
        Syscall.setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        return descriptor
    }

    /// A moment of the monotonic clock.
    struct Deadline {
        private let end: Int64

        /// In so many milliseconds.
        init(_ milliseconds: Int) {
            // Some thirty years at most.
            end = Syscall.monotonicMicroseconds() + Int64(min(milliseconds, 1 << 40)) * 1000
        }

        /// How many milliseconds are left, rounded up; 0 if it is over.
        fileprivate var left: Int32 {
            let microseconds = max(0, end - Syscall.monotonicMicroseconds())
            return Int32(min((microseconds + 999) / 1000, Int64(Int32.max)))
        }
    }

    /// Waits until something can be read, or written if that is wanted, or until there is a signal.
    /// - Parameter deadline: nil for as long as it takes.
    static func wait(
        for descriptor: Int32, writing: Bool, _ signal: EventSignal, _ deadline: Deadline?
    ) -> Readiness {
        while true {
            var entries = [
                pollfd(fd: descriptor, events: Int16(POLLIN | (writing ? POLLOUT : 0)), revents: 0),
                pollfd(fd: signal.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            let count = unsafe poll(&entries, 2, deadline?.left ?? -1)
            if count < 0 && errno == EINTR { continue }
            // What is broken is told of by the next call that reads.
            let broken = Int16(POLLERR | POLLHUP | POLLNVAL)
            return Readiness(
                isReadable: entries[0].revents & (Int16(POLLIN) | broken) != 0,
                isWritable: writing && entries[0].revents & (Int16(POLLOUT) | broken) != 0,
                isSignalled: entries[1].revents != 0)
        }
    }

    /// Whether a connection that nothing is asked on is as it was left: it has not ended, and nothing has come.
    static func isQuiet(_ descriptor: Int32) -> Bool {
        var byte: UInt8 = 0
        return unsafe recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) < 0
            && errno == EAGAIN
    }

    /// Ends a connection that another thread may be waiting for.
    static func interrupt(_ descriptor: Int32) { shutdown(descriptor, Int32(SHUT_RDWR)) }
}
