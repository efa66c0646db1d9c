// A blocking stream socket to the server, encrypted if asked for.
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
    /// The encrypted connection could not be set up, or was broken.
    case encryption(String)
    /// The user interrupted the wait.
    case interrupted

    var message: String {
        switch self {
        case .unknownHost(let code): String(cString: gai_strerror(code))
        case .system(let code): Text.systemError(code)
        case .closed: "Server closed the connection"
        case .malformed(let message): message
        case .encryption(let message): message
        case .interrupted: "Interrupted"
        }
    }

    /// What may help where nothing listens, for a message; empty for other failures.
    ///
    /// - Parameter options: which options name another server; nil if it was named without one.
    func advice(_ options: String?) -> String {
        guard self == .system(code: ECONNREFUSED) || self == .system(code: ENOENT) else { return "" }
        return " (is a server running there?" + (options.map { " \($0) name another" } ?? "") + ")"
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
    private let encryption: EncryptedStream?

    /// Seconds without data after which the system sends keep-alive probes.
    private static let keepAliveSeconds: CInt = 15

    init(to server: ServerOptions) throws(ConnectionFailure) {
        let deadline =
            server.connectTimeoutSeconds > 0
            ? Clock.milliseconds + Int((server.connectTimeoutSeconds * 1000).rounded(.up)) : nil
        let opened: CInt
        switch server.endpoint {
        case .tcp(let host, let port): opened = try Self.connectTCP(host: host, port: port, deadline)
        case .unix(let path): opened = try Self.connectUnix(path, deadline)
        }
        guard server.isEncrypted else {
            descriptor = opened
            encryption = nil
            return
        }
        Self.setReceiveTimeout(opened, seconds: server.connectTimeoutSeconds)
        do throws(ConnectionFailure) {
            encryption = try EncryptedStream(on: opened, server)
            descriptor = opened
            Self.setReceiveTimeout(opened, seconds: 0)
        } catch {
            close(opened)
            throw error
        }
    }

    deinit {
        encryption?.end()
        close(descriptor)
    }

    // MARK: connecting

    private static func connectTCP(host: Bytes, port: Int, _ deadline: Int?) throws(ConnectionFailure) -> CInt {
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
                    if connects(descriptor, address.ai_addr, address.ai_addrlen, deadline) {
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

    private static func connectUnix(_ path: Bytes, _ deadline: Int?) throws(ConnectionFailure) -> CInt {
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
                connects(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size), deadline)
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
    ///
    /// - Parameter deadline: when to give up, on `Clock.milliseconds`; nil for never.
    private static func connects(
        _ descriptor: CInt, _ address: UnsafePointer<sockaddr>, _ length: socklen_t, _ deadline: Int?
    ) -> Bool {
        let flags = fcntl(descriptor, F_GETFL)
        if deadline != nil { _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) }
        defer { if deadline != nil { _ = fcntl(descriptor, F_SETFL, flags) } }
        if connect(descriptor, address, length) == 0 { return true }
        guard errno == EINTR || errno == EINPROGRESS else { return false }
        // A signal ended the call, or it does not wait, but connecting goes on: wait for its result.
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        while true {
            if Interrupts.isStopped {
                errno = EINTR
                return false
            }
            let rest = deadline.map { CInt(clamping: max(0, $0 - Clock.milliseconds)) } ?? -1
            let count = poll(&waiting, 1, rest)
            if count > 0 { break }
            if count == 0 || errno != EINTR {
                if count == 0 { errno = ETIMEDOUT }
                return false
            }
        }
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

    /// How long receiving may take; 0 for ever.
    private static func setReceiveTimeout(_ descriptor: CInt, seconds: Double) {
        var limit = timeval()
        limit.tv_sec = Int(seconds)
        limit.tv_usec = Int((seconds - seconds.rounded(.down)) * 1_000_000)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    // MARK: sending and receiving

    borrowing func send(_ bytes: Bytes) throws(ConnectionFailure) {
        var sent = 0
        if let encryption {
            while sent < bytes.count {
                let count = try encryption.send(bytes[sent...])
                if count == 0 { encryption.wait() }
                sent += count
            }
        }
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
            if let interrupt, !hasPending {
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
            if let encryption {
                if let count = try encryption.receive(into: &buffer) { return count }
                if interrupt == nil { encryption.wait() }
                continue
            }
            let count = buffer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count > 0 { return count }
            if count == 0 { throw .closed }
            if errno != EINTR { throw .system(code: errno) }
        }
    }

    // MARK: without waiting

    /// Sends as much as can be sent now; returns how many bytes, possibly 0.
    borrowing func trySend(_ bytes: ArraySlice<UInt8>) throws(ConnectionFailure) -> Int {
        if let encryption { return try encryption.send(bytes) }
        let count = bytes.withUnsafeBytes {
            Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
        }
        if count >= 0 { return count }
        guard errno == EAGAIN || errno == EINTR else { throw .system(code: errno) }
        return 0
    }

    /// Receives what there is; nil if there is nothing now.
    borrowing func tryReceive(into buffer: inout Bytes) throws(ConnectionFailure) -> Int? {
        if let encryption { return try encryption.receive(into: &buffer) }
        let count = buffer.withUnsafeMutableBytes {
            recv(descriptor, $0.baseAddress, $0.count, CInt(MSG_DONTWAIT))
        }
        if count > 0 { return count }
        if count == 0 { throw .closed }
        guard errno == EAGAIN || errno == EINTR else { throw .system(code: errno) }
        return nil
    }

    /// Whether the peer has closed the connection, and there is nothing more to receive.
    var isClosedByPeer: Bool {
        var byte: UInt8 = 0
        let count = recv(descriptor, &byte, 1, CInt(MSG_PEEK) | CInt(MSG_DONTWAIT))
        return count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)
    }

    /// Whether bytes were received and decrypted that `poll` does not know of.
    var hasPending: Bool { encryption?.hasPending ?? false }
}
