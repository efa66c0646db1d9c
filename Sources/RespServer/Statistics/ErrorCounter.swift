// Counts the errors that clients were answered. A writer knows how many it has written that were not counted yet: so the error of a command that
// another one has run is counted once, as the inner one's.

import RespCodec

final class ErrorCounter {
    private(set) var statistics = ErrorStatistics()
    /// The next error was counted before: a script answers with that of a command which it ran.
    var skipsNext = false
    private let log: Log

    init(_ log: Log) { self.log = log }

    func reset() { statistics = ErrorStatistics() }

    /// Counts the error that has just been written.
    func count(_ reply: ReplyWriter) {
        reply.errorsWereCounted()
        guard !skipsNext else {
            skipsNext = false
            return
        }
        count(reply.lastError)
    }

    /// Counts an error by the first word of its text.
    func count(_ text: ByteSlice) {
        let code = text[0..<(text.index(of: UInt8(ascii: " ")) ?? text.count)].description
        guard let codes = statistics.count(code) else { return }
        log.warning(
            "Errors are no longer counted by their codes, because there were too many different ones: CONFIG RESETSTAT starts anew. They were \(codes.joined(separator: ", "))"
        )
    }
}
