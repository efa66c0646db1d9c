// What is done before clients are served and after them: sockets, notes of the process, what the log says.

import Glibc

extension Server {
    /// Opens the listening sockets that the settings name, and leaves notes of the process and its port where asked to.
    func openListeners() throws(SyscallError) {
        let settings = configuration.settings
        let allowed = listeners.raiseDescriptorLimit(clients: settings.maxClients)
        if allowed < settings.maxClients {
            log.warning(
                "You requested maxclients of \(settings.maxClients), but the limit of open files allows only \(allowed)."
            )
            configuration.adjust { $0.maxClients = allowed }
        }
        try listeners.open()
        writeNote(configuration.settings.port, to: settings.portFile)
        if settings.daemonize && settings.pidFile.isEmpty { configuration.adjust { $0.pidFile = Self.defaultPIDFile } }
        writeNote(Int(getpid()), to: configuration.settings.pidFile)
    }

    /// Says where the server is to be reached and what becomes of data, and tells who supervises it.
    func announce() {
        let settings = configuration.settings
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
        let ready = "Ready to accept connections on \(listeners.places.joined(separator: ", "))"
        log.notice(ready)
        if let problem = supervisor.problem { log.warning(problem) }
        if let error = supervisor.tellReady(status: ready) { log.warning("Could not tell systemd: \(error)") }
    }

    private static let defaultPIDFile = "/var/run/\(Product.name).pid"

    /// Writes a number as a line of its own; the file is replaced as a whole.
    private func writeNote(_ number: Int, to path: String) {
        guard !path.isEmpty else { return }
        guard let file = unsafe fopen(path + ".tmp", "we"), unsafe fputs("\(number)\n", unsafe file) >= 0,
            unsafe fclose(file) == 0,
            unsafe rename(path + ".tmp", path) == 0
        else { return log.warning("Could not write \(path): \(FileFailure().text)") }
    }

    /// Ends the process before it has served anybody.
    func end(status: Int32) -> Never {
        listeners.close()
        replies.send()
        for connection in connections.byAge { close(connection) }
        removeTraces()
        exit(status)
    }

    /// Says that the server ends, and removes what it left in the file system.
    func removeTraces() {
        if let error = supervisor.tellStopping(status: "Stopping") { log.warning("Could not tell systemd: \(error)") }
        if engine.unsavedChangeCount > 0 && appendOnly.state != .on {
            log.warning("\(engine.unsavedChangeCount) changes since the last save end with this process")
        }
        let settings = configuration.settings
        persistence.lock.release()
        for path in [settings.unixSocket, settings.portFile, settings.pidFile] where !path.isEmpty {
            unsafe unlink(path)
        }
        if turns.isStopping { log.warning("\(Product.title) is now ready to exit, bye bye...") }
    }
}
