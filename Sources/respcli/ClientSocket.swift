// A blocking stream socket to the server.
//
// A host name may have several addresses: IPv4 ones are tried first, then IPv6, until one accepts the connection. If none
// does, the error of the first is reported, which is most often the address that was meant.

import Glibc

/// Why a connection could not be made, or cannot be used any more.
enum ConnectionFailure: Error, Equatable {
    /// The host name has no address; the code is that of `getaddrinfo`.
    case unknownHost(code: CInt)
    case system(code: CInt)
    /// The server closed the connection in good order.
    case closed
    /// The peer sent something that is no reply.
    case malformed(String)
    /// The user interrupted the wait.
    case interrupted

    var message: String {
        switch self {
        case .unknownHost(let code): String(cString: gai_strerror(code))
        case .system(let code): Text.systemError(code)
        case .closed: "Server closed the connection"
        case .malformed(let message): message
        case .interrupted: "Interrupted"
        }
    }

    /// Whether the server closed or lost the connection, so that connecting again may help.
    var isLostConnection: Bool {
        switch self {
        case .closed, .system(ECONNRESET), .system(EPIPE): true
        default: false
        }
    }
}

struct ClientSocket: ~Copyable {
    let descriptor: CInt

    /// Seconds without data after which the system sends keep-alive probes.
    private static let keepAliveSeconds: CInt = 15

    init(to endpoint: Endpoint) throws(ConnectionFailure) {
        switch endpoint {
        case .tcp(let host, let port): descriptor = try Self.connectTCP(host: host, port: port)
        case .unix(let path): descriptor = try Self.connectUnix(path)
        }
    }

    deinit { close(descriptor) }

    // MARK: connecting

    private static func connectTCP(host: Bytes, port: Int) throws(ConnectionFailure) -> CInt {
        var firstFailure: ConnectionFailure?
        for family in [AF_INET, AF_INET6] {
            var hints = addrinfo()
            hints.ai_family = family
            hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
            var list: UnsafeMutablePointer<addrinfo>?
            let code = Text.withCString(host) { getaddrinfo($0, String(port), &hints, &list) }
            guard code == 0 else {
                // The error of IPv6 is reported only if IPv4 has none.
                if firstFailure == nil { firstFailure = .unknownHost(code: code) }
                continue
            }
            defer { freeaddrinfo(list) }
            if case .unknownHost? = firstFailure { firstFailure = nil }
            var next = list
            while let address = next?.pointee {
                next = address.ai_next
                let descriptor = socket(address.ai_family, address.ai_socktype | closeOnExec, address.ai_protocol)
                if descriptor >= 0 {
                    if connects(descriptor, address.ai_addr, address.ai_addrlen) {
                        setOptions(descriptor)
                        return descriptor
                    }
                    if firstFailure == nil { firstFailure = .system(code: errno) }
                    close(descriptor)
                } else if firstFailure == nil {
                    firstFailure = .system(code: errno)
                }
            }
        }
        throw firstFailure ?? .system(code: EADDRNOTAVAIL)
    }

    private static func connectUnix(_ path: Bytes) throws(ConnectionFailure) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { buffer in
            guard path.count < buffer.count else { return false }
            buffer.copyBytes(from: path)
            return true
        }
        guard fits else { throw .system(code: ENAMETOOLONG) }
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | closeOnExec, 0)
        guard descriptor >= 0 else { throw .system(code: errno) }
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connects(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard isConnected else {
            let code = errno
            close(descriptor)
            throw .system(code: code)
        }
        return descriptor
    }

    private static let closeOnExec = CInt(SOCK_CLOEXEC.rawValue)

    /// Connects, and leaves the reason in `errno` if that fails.
    private static func connects(_ descriptor: CInt, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Bool {
        if connect(descriptor, address, length) == 0 { return true }
        guard errno == EINTR else { return false }
        // A signal ended the call, but connecting goes on: wait for its result.
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        while poll(&waiting, 1, -1) < 0 && errno == EINTR {}
        var code: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) == 0 else { return false }
        errno = code
        return code == 0
    }

    /// Sends small requests at once, and detects a dead server. The socket works without either, so errors are ignored.
    private static func setOptions(_ descriptor: CInt) {
        func set(_ level: CInt, _ name: CInt, _ value: CInt) {
            var value = value
            setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<CInt>.size))
        }
        let tcp = CInt(IPPROTO_TCP)
        set(tcp, TCP_NODELAY, 1)
        set(SOL_SOCKET, SO_KEEPALIVE, 1)
        set(tcp, TCP_KEEPIDLE, keepAliveSeconds)
        set(tcp, TCP_KEEPINTVL, keepAliveSeconds / 3)
        set(tcp, TCP_KEEPCNT, 3)
    }

    // MARK: sending and receiving

    borrowing func send(_ bytes: Bytes) throws(ConnectionFailure) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + sent, $0.count - sent, CInt(MSG_NOSIGNAL))
            }
            if count >= 0 {
                sent += count
            } else if errno != EINTR {
                throw .system(code: errno)
            }
        }
    }

    /// Waits for bytes and puts them at the start of `buffer`.
    ///
    /// - Parameter interrupt: a descriptor that becomes readable when the user interrupts the wait.
    /// - Returns: how many bytes were received, at least one.
    borrowing func receive(
        into buffer: inout Bytes, interrupt: CInt? = nil
    ) throws(ConnectionFailure) -> Int {
        while true {
            if let interrupt {
                var waiting = [
                    pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0),
                ]
                if poll(&waiting, 2, -1) < 0 {
                    if errno == EINTR { continue }
                    throw .system(code: errno)
                }
                if waiting[1].revents != 0 { throw .interrupted }
            }
            let count = buffer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count > 0 { return count }
            if count == 0 { throw .closed }
            if errno != EINTR { throw .system(code: errno) }
        }
    }
}
