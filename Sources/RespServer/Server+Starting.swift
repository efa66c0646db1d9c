// Opening the listeners and closing them.

import CLinux
import Glibc

extension Server {
    /// Opens the listening sockets that the settings name, and leaves notes of the process and its port where asked to.
    func openListeners() throws(SyscallError) {
        let settings = configuration.settings
        let allowed = raiseDescriptorLimit(clients: settings.maxClients)
        if allowed < settings.maxClients {
            log.warning(
                "You requested maxclients of \(settings.maxClients), but the limit of open files allows only \(allowed)."
            )
            configuration.adjust { $0.maxClients = allowed }
        }
        // Port 0 opens none, unless somebody will look into the port file for the one that was free.
        if settings.port != 0 || !settings.portFile.isEmpty { try openTCPListeners() }
        if !settings.unixSocket.isEmpty {
            try open(
                Listener.unix(
                    settings.unixSocket, permissions: settings.unixSocketPermissions, backlog: settings.tcpBacklog))
        }
        writeNote(configuration.settings.port, to: settings.portFile)
        if settings.daemonize && settings.pidFile.isEmpty { configuration.adjust { $0.pidFile = Self.defaultPIDFile } }
        writeNote(Int(getpid()), to: configuration.settings.pidFile)
    }

    /// Says where the server is to be reached and what becomes of data, and tells who supervises it.
    func announce() {
        let settings = configuration.settings
        let places = listeners.map { listener in
            listener.isUnix ? settings.unixSocket : Listener.address(of: listener.descriptor, peer: false)
        }
        for file in [settings.appendDirectoryName, settings.appendFileName] where !settings.appendOnly {
            guard unsafe access(file, F_OK) == 0 else { continue }
            log.warning("\(file) in \(settings.directory) is not loaded, as appendonly is no")
        }
        log.notice(
            settings.appendOnly
                ? "Data is kept in memory, and each change in \(settings.appendDirectoryName) in \(settings.directory)"
                : settings.dbFilename.isEmpty
                    ? "Data is kept in memory only and ends with this process"
                    : "Data is kept in memory, and saved to \(settings.dbFilename) in \(settings.directory)"
                        + (settings.savePoints.isEmpty ? " by SAVE and BGSAVE" : ", by itself too"))
        if !LuaLibrary.isThere { log.warning("Scripts are off: \(LuaLibrary.advice)") }
        warnOfMemoryLimit()
        let ready = "Ready to accept connections on \(places.joined(separator: ", "))"
        log.notice(ready)
        if let problem = supervisor.problem { log.warning(problem) }
        if let error = supervisor.tellReady(status: ready) { log.warning("Could not tell systemd: \(error)") }
    }

    private static let defaultPIDFile = "/var/run/\(Product.name).pid"

    private func open(_ listener: Listener) throws(SyscallError) {
        listeners.append(listener)
        try loop.watch(listener)
    }

    private func openTCPListeners() throws(SyscallError) {
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
    func moveListeners() -> Bool {
        closeTCPListeners()
        guard configuration.settings.port != 0 else { return true }
        do throws(SyscallError) {
            try openTCPListeners()
            return true
        } catch {
            closeTCPListeners()
            return false
        }
    }

    private func closeTCPListeners() {
        for listener in listeners where !listener.isUnix {
            loop.unwatch(listener.descriptor)
            listener.close()
        }
        listeners.removeAll { !$0.isUnix }
    }

    /// Writes a number as a line of its own; the file is replaced as a whole.
    private func writeNote(_ number: Int, to path: String) {
        guard !path.isEmpty else { return }
        guard let file = unsafe fopen(path + ".tmp", "we"), unsafe fputs("\(number)\n", unsafe file) >= 0,
            unsafe fclose(file) == 0,
            unsafe rename(path + ".tmp", path) == 0
        else { return log.warning("Could not write \(path): \(FileFailure().text)") }
    }

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

    /// Ends the process before it has served anybody.
    func end(status: Int32) -> Never {
        replies.send()
        for connection in connections.byAge { close(connection) }
        closeListeners()
        exit(status)
    }

    /// Closes all listening sockets and removes what the server left in the file system.
    func closeListeners() {
        if let error = supervisor.tellStopping(status: "Stopping") { log.warning("Could not tell systemd: \(error)") }
        if engine.unsavedChangeCount > 0 && appendOnly.state != .on {
            log.warning("\(engine.unsavedChangeCount) changes since the last save end with this process")
        }
        for listener in listeners { listener.close() }
        listeners = []
        let settings = configuration.settings
        for path in [settings.unixSocket, settings.portFile, settings.pidFile] where !path.isEmpty {
            unsafe unlink(path)
        }
        if isStopping { log.warning("\(Product.title) is now ready to exit, bye bye...") }
    }
}
