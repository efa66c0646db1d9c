// A connection to another server, for a thread that may wait: finding its address (`AddressLookup`), connecting, and waiting until something can
// be read or written, or a signal says that there is something else to do.

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

    /// Connects to the first address of a host that takes the connection.
    ///
    /// - Parameters:
    ///   - host: a name or an address, up to its first zero byte.
    ///   - port: read as `atoi` does.
    ///   - milliseconds: how long it may take.
    ///   - finder: finds the addresses of a host, which may take long if it is given by a name.
    ///   - isInterrupted: is asked whenever the signal has come.
    static func connect(
        host: [UInt8], port: [UInt8], milliseconds: Int, signal: EventSignal,
        finder: @escaping AddressLookup.Finder = AddressLookup.find, isInterrupted: () -> Bool
    ) throws(ConnectFailure) -> Int32 {
        let deadline = Deadline(milliseconds)
        let host = Array(host.prefix { $0 != 0 })
        let number = unsafe (port + [0]).map { CChar(bitPattern: $0) }.withUnsafeBufferPointer {
            unsafe atoi($0.baseAddress!)
        }
        var addresses = finder(host, number, true)
        if addresses.isEmpty {
            guard let lookup = AddressLookup(of: host, port: number, finder) else { throw .unreachable }
            addresses = try wait(for: lookup, deadline, signal, isInterrupted)
        }
        var failure = ConnectFailure.unreachable
        for address in addresses {
            if isInterrupted() { throw .interrupted }
            do throws(ConnectFailure) {
                return try connect(address, deadline, signal, isInterrupted)
            } catch {
                failure = error
                if error == .interrupted { throw error }
            }
        }
        throw failure
    }

    private static func wait(
        for lookup: AddressLookup, _ deadline: Deadline, _ signal: EventSignal, _ isInterrupted: () -> Bool
    ) throws(ConnectFailure) -> [AddressLookup.Address] {
        while true {
            let readiness = wait(for: lookup.signal.descriptor, writing: false, signal, deadline)
            if readiness.isSignalled {
                signal.take()
                if isInterrupted() { throw .interrupted }
            }
            if let addresses = lookup.addresses { return addresses }
            if readiness.isTimeOver { throw .timedOut }
        }
    }

    private static func connect(
        _ address: AddressLookup.Address, _ deadline: Deadline, _ signal: EventSignal, _ isInterrupted: () -> Bool
    ) throws(ConnectFailure) -> Int32 {
        let kind = address.kind | 0o4000 | 0o2000000  // SOCK_NONBLOCK, SOCK_CLOEXEC
        let descriptor = socket(address.family, kind, address.protocolNumber)
        guard descriptor >= 0 else { throw .unreachable }
        do throws(ConnectFailure) {
            let result = unsafe address.bytes.withUnsafeBytes {
                unsafe Glibc.connect(
                    descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
            }
            if result != 0 {
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
