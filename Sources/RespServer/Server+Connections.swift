// Admitting connections and closing them.

import CLinux
import Glibc
import RespCodec

extension Server {
    // MARK: admitting

    /// Admits some of those who wait at a listener, whose event comes again while there are more.
    func accept(_ listener: Int32) {
        if turns.isStopping { return }
        for _ in 0..<100 {
            let descriptor = clinux_accept_nonblocking(listener)
            guard descriptor >= 0 else {
                if errno != EAGAIN && errno != EINTR {
                    log.warning(unsafe "Accepting client connection: \(String(cString: strerror(errno)))")
                }
                return
            }
            admit(descriptor, isUnix: listeners.isUnix(listener))
        }
    }

    private func admit(_ descriptor: Int32, isUnix: Bool) {
        let settings = configuration.settings
        if connections.count >= settings.maxClients {
            reject(descriptor, "-ERR max number of clients reached\r\n")
            return
        }
        if !isUnix {
            Syscall.setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            if settings.tcpKeepaliveSeconds > 0 {
                let interval = Int32(settings.tcpKeepaliveSeconds)
                Syscall.setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
                Syscall.setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, interval)
                Syscall.setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, max(1, interval / 3))
                Syscall.setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
            }
        }
        let connection = Connection(
            .socket(descriptor), id: connections.nextID, isUnix: isUnix, now: engine.now, unixPath: settings.unixSocket)
        if settings.protectedMode && settings.requirePassword.isEmpty && !connection.isLocal {
            reject(descriptor, ByteSlice(Self.protectedModeText))
            return
        }
        do throws(SyscallError) {
            try loop.watch(connection)
        } catch {
            Glibc.close(descriptor)
            return
        }
        enter(connection)
    }

    /// Takes a new connection in.
    func enter(_ connection: Connection) {
        forgetAuthentication(of: connection)
        connections.insert(connection)
        if clientMemory.isFollowed { countMemory(of: connection) }
        statistics.connectionsReceived += 1
        log.verbose("Accepted \(connection.address)")
    }

    /// From here on the client must name the password, if one is set.
    func forgetAuthentication(of connection: Connection) {
        connection.hasAuthenticated = configuration.settings.requirePassword.isEmpty
        followPassword(connection)
    }

    /// To be called after the password has been set or removed.
    func followPassword(_ connection: Connection) {
        connection.isAuthenticated = connection.hasAuthenticated || configuration.settings.requirePassword.isEmpty
        connection.updateGate()
    }

    private static let protectedModeText: StaticString =
        "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers, set a password, or switch protected mode off with CONFIG SET protected-mode no from a local connection, in the configuration file, or on the command line.\r\n"

    private func reject(_ descriptor: Int32, _ text: ByteSlice) {
        text.withSpan { span in
            unsafe span.withUnsafeBytes { _ = unsafe Syscall.send(descriptor, $0.baseAddress!, $0.count) }
        }
        statistics.connectionsRejected += 1
        Glibc.close(descriptor)
    }

    // MARK: closing

    func closeFinished() {
        connections.forgetClosed()
        closeWaiting()
    }

    /// Closes who is done with.
    func closeWaiting() {
        guard connections.hasClosing else { return }
        for connection in connections.takeClosing() where !connection.isClosed {
            // What is unsent is waited for by the write interest; the close follows it.
            if connection.unsent == nil { close(connection, mayLinger: true) }
        }
    }

    /// - Parameter mayLinger: whether the peer should get what it was sent, though it may be sending itself.
    func close(_ connection: Connection, mayLinger: Bool = false) {
        guard !connection.isClosed else { return }
        log.verbose(
            "Closed connection id=\(connection.id) addr=\(connection.address) fd=\(connection.descriptor) name=\(connection.name)"
        )
        connection.isClosed = true
        unwatchAll(connection)
        forgetWait(of: connection)
        endMonitoring(connection)
        unsubscribeFromAll(connection)
        endTracking(connection)
        if connection.isPaused {
            pause.suspended.forget(connection)
            memoryLimit.suspended.forget(connection)
        }
        switch connection.transport {
        case .socket(let descriptor) where mayLinger && !connection.hasEnded:
            lingering.add(descriptor, registration: connection.registration, now: now)
        case .socket(let descriptor):
            loop.unwatch(descriptor)
            Glibc.close(descriptor)
        case .scripted(let peer): peer.isClosed = true
        }
        connections.close(connection)
        memoryGoes(with: connection)
        releaseReservation(of: connection)
        connection.pending = nil
        connection.dropOutputQueue()
    }
}
