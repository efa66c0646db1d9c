// What becomes of a connection that is tracking.

import StoreEngine

extension Connection {
    /// What CLIENT CACHING has said goes for the next command or transaction, and no further.
    /// - Parameter record: the command that has run or was refused; nil for none that there is.
    func forgetCachingChoice(behind record: CommandRecord?) {
        guard let tracker, tracker.isNextChosen, transaction == nil, record?.flags.contains(.keepsCaching) != true
        else { return }
        tracker.isNextChosen = false
        updateGate()
    }
}

extension Server {
    /// To be called when a client is not to be told of keys any more.
    func endTracking(_ connection: Connection) {
        guard connection.tracker != nil else { return }
        tracking.end(connection)
        keyspaceListeners.update()
    }
}
