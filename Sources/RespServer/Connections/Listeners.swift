// The sockets at which the server waits for clients, and how many clients there can be.

import Glibc

final class Listeners {
    private var all: [Listener] = []
    private let loop: EventLoop
    private let configuration: Configuration
    private let log: Log

    init(_ loop: EventLoop, _ configuration: Configuration, _ log: Log) {
        self.loop = loop
        self.configuration = configuration
        self.log = log
    }

    var isEmpty: Bool { all.isEmpty }
    var hasTCP: Bool { all.contains { !$0.isUnix } }
    var hasUnix: Bool { all.contains(where: \.isUnix) }
    func isUnix(_ descriptor: Int32) -> Bool { all.first { $0.descriptor == descriptor }?.isUnix == true }

    /// Where clients find the server.
    var places: [String] {
        all.map {
            $0.isUnix ? configuration.settings.unixSocket : Listener.address(of: $0.descriptor, peer: false)
        }
    }

    /// Opens the sockets that the settings name.
    func open() throws(SyscallError) {
        let settings = configuration.settings
        // Port 0 opens none, unless somebody will look into the port file for the one that was free.
        if settings.port != 0 || !settings.portFile.isEmpty { try openTCP() }
        if !settings.unixSocket.isEmpty {
            try open(
                Listener.unix(
                    settings.unixSocket, permissions: settings.unixSocketPermissions, backlog: settings.tcpBacklog))
        }
    }

    private func open(_ listener: Listener) throws(SyscallError) {
        all.append(listener)
        try loop.watch(listener)
    }

    private func openTCP() throws(SyscallError) {
        let settings = configuration.settings
        var port = settings.port
        for word in settings.bindAddresses {
            let isOptional = word.hasPrefix("-")
            let address = isOptional ? String(word.dropFirst()) : word
            do throws(SyscallError) {
                let listener = try Listener.tcp(address, port: port, backlog: settings.tcpBacklog)
                port = listener.port
                try open(listener)
            } catch {
                let isMissing = [EADDRNOTAVAIL, EAFNOSUPPORT, EPROTONOSUPPORT, ENOENT].contains(error.number)
                if isOptional && isMissing { continue }
                log.warning("Warning: Could not create server TCP listening socket \(address):\(port): \(error)")
                throw error
            }
        }
        configuration.adjust { $0.port = port }
    }

    /// Closes the TCP sockets and opens those that the settings name now. Who is connected stays so.
    ///
    /// - Returns: Whether all could be opened; if not, none is open.
    func move() -> Bool {
        closeTCP()
        guard configuration.settings.port != 0 else { return true }
        do throws(SyscallError) {
            try openTCP()
            return true
        } catch {
            closeTCP()
            return false
        }
    }

    private func closeTCP() {
        for listener in all where !listener.isUnix {
            loop.unwatch(listener.descriptor)
            listener.close()
        }
        all.removeAll { !$0.isUnix }
    }

    func close() {
        for listener in all { listener.close() }
        all = []
    }

    // MARK: how many clients there can be

    /// Descriptors that are not clients: listeners, logs, files.
    private static let ownDescriptors = 32

    /// Asks the system for enough descriptors, and tells for how many clients there are.
    func raiseDescriptorLimit(clients: Int) -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        let wanted = rlim_t(clients + Self.ownDescriptors)
        var limit = rlimit()
        guard unsafe getrlimit(resource, &limit) == 0, limit.rlim_cur < wanted else { return clients }
        var raised = rlimit(rlim_cur: wanted, rlim_max: max(wanted, limit.rlim_max))
        if unsafe setrlimit(resource, &raised) != 0 {
            // Not beyond the hard limit, then.
            raised = rlimit(rlim_cur: min(wanted, limit.rlim_max), rlim_max: limit.rlim_max)
            unsafe setrlimit(resource, &raised)
        }
        unsafe getrlimit(resource, &limit)
        return min(clients, max(1, Int(clamping: limit.rlim_cur) - Self.ownDescriptors))
    }
}
