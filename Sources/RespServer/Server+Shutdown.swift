// How the server ends: SHUTDOWN, and the signals that ask for it.

import Glibc

extension Server {
    func stop(because signal: Int32) {
        log.warning(
            signal == SIGINT
                ? "Received SIGINT scheduling shutdown..." : "Received SIGTERM scheduling shutdown...")
        let settings = configuration.settings
        if !shutDown(signal == SIGINT ? settings.shutdownOnSIGINT : settings.shutdownOnSIGTERM) {
            log.warning(
                "\(signal == SIGINT ? "SIGINT" : "SIGTERM") received but errors trying to shut down the server, check the logs for more information"
            )
            Signals.forget()
        }
    }

    private func saveFinally() -> Bool {
        log.notice("Saving the final RDB snapshot before exiting.")
        return persistence.saveNow()
    }

    /// Ends the server after this turn, and saves first if that is wanted.
    /// - Returns: false if data could not be saved, and the server goes on.
    func shutDown(_ options: ShutdownOptions) -> Bool {
        log.warning("User requested shutdown...")
        // What another server has acknowledged is not saved here.
        if !scripts.isBusy { migration.settle() }
        let mustEnd = !options.isDisjoint(with: [.force, .noSave])
        if appendOnly.state == .waitsForBase && persistence.background?.rewrite != nil {
            log.warning("Writing initial AOF\(mustEnd ? ". Exit anyway." : ", can't exit.")")
            guard mustEnd else { return false }
        }
        if persistence.background?.rewrite != nil { persistence.cancelBackgroundSave() }
        // Writes that clients were told of must be in the append-only file before the process ends.
        guard appendOnly.finish() || mustEnd else { return false }
        // What is half loaded must not replace what is on the disk.
        let saves =
            options.contains(.save)
            || !options.contains(.noSave) && !configuration.settings.savePoints.isEmpty
        if saves || options.contains(.noSave) || persistence.background != nil { persistence.cancelBackgroundSave() }
        if saves && persistence.loading == nil {
            let mayLeaveOut = !options.contains(.save) && !configuration.settings.givesSavePoints
            if mayLeaveOut && persistence.problemOfOwnership() != nil {
                log.warning("Exiting without a snapshot: the snapshot file is another server's")
            } else if !saveFinally() {
                guard options.contains(.force) else {
                    log.warning("Error trying to save the DB, can't exit.")
                    return false
                }
                log.warning("Error trying to save the DB. Exit anyway.")
            }
        }
        // What a busy script has written so far must not be logged: half a script would be replayed.
        if scripts.isBusy { appendOnly.setLogging(false) }
        // What would be done from here on, in the rest of the turn, is neither saved nor acknowledged: nobody is served any more.
        turns.stop()
        updateGate()
        // Closed before replies leave: a client that learns of the end must not be able to connect again.
        listeners.close()
        return true
    }
}
