// Opening the doors and closing them.

import CLinux
import Glibc

extension Server {
    /// Opens the listening sockets that the settings name.
    func openListeners() throws(SyscallError) {
        let settings = configuration.settings
        raiseDescriptorLimit(settings.maxClients)
        var port = settings.port
        if port != 0 || !settings.portFile.isEmpty {
            for word in settings.bindAddresses {
                let isOptional = word.hasPrefix("-")
                let address = isOptional ? String(word.dropFirst()) : word
                do throws(SyscallError) {
                    let listener = try Listener.tcp(address, port: port, backlog: settings.tcpBacklog)
                    port = listener.port
                    listeners.append(listener)
                } catch {
                    let isMissing = error.number == EADDRNOTAVAIL || error.number == EAFNOSUPPORT
                    if isOptional && (isMissing || error.number == ENOENT) { continue }
                    log.warning("Warning: Could not create server TCP listening socket \(address):\(port): \(error)")
                    throw error
                }
            }
        }
        if !settings.unixSocket.isEmpty {
            listeners.append(
                try Listener.unix(
                    settings.unixSocket, permissions: settings.unixSocketPermissions, backlog: settings.tcpBacklog))
        }
        for listener in listeners { try epoll.add(listener.descriptor, word: Epoll.word(listener.descriptor, registration: 0)) }
        configuration.adjust { $0.port = port }
        writePortFile(settings.portFile, port)
    }

    private func writePortFile(_ path: String, _ port: Int) {
        guard !path.isEmpty, let file = fopen(path + ".tmp", "w") else { return }
        fputs("\(port)\n", file)
        fclose(file)
        rename(path + ".tmp", path)
    }

    private func raiseDescriptorLimit(_ clients: Int) {
        var limit = rlimit()
        let wanted = rlim_t(clients + 32)
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < wanted else { return }
        limit.rlim_cur = wanted
        if limit.rlim_max < wanted { limit.rlim_max = wanted }
        if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 {
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let allowed = max(1, Int(limit.rlim_cur) - 32)
            if allowed < clients {
                log.warning("You requested maxclients of \(clients) but only \(allowed) descriptors are allowed.")
                configuration.adjust { $0.maxClients = allowed }
            }
        }
    }

    func closeListeners() {
        for listener in listeners { listener.close() }
        listeners = []
        let settings = configuration.settings
        if !settings.unixSocket.isEmpty { unlink(settings.unixSocket) }
        if !settings.portFile.isEmpty { unlink(settings.portFile) }
        log.warning("\(Product.title) is now ready to exit, bye bye...")
    }
}
