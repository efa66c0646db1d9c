// Running effects: of a log, or of another server.

import RespCodec

/// Why effects could not be run.
public struct ReplayError: Error, CustomStringConvertible {
    public let description: String
}

extension Engine {
    /// Whether effects are run, and nothing expires by itself: a key or a field whose deadline has passed is there until an effect removes it.
    public var isReplaying: Bool {
        get { state.isReplaying }
        set { state.expiryTime = newValue ? EngineState.beforeAllTime : state.now }
    }

    /// Calls `body` with the words of each request in a run of bytes that holds whole requests and nothing else.
    /// - Throws: at what is no request, with its place; and what `body` throws.
    public static func forEachRequest(
        in stream: ByteSlice, _ body: (Arguments) throws(ReplayError) -> Void
    ) throws(ReplayError) {
        let list = ArgumentList()
        defer { unsafe list.deallocate() }
        var limits = RequestLimits()
        limits.bulkLength = Int.max / 2
        var parser = RequestParser(limits: limits)
        var position = 0
        while position < stream.count {
            list.removeAll()
            let start = position
            guard let base = unsafe stream.rawBytes.baseAddress,
                case .request = unsafe parser.parse(stream.rawBytes, position: &position, into: list)
            else { throw ReplayError(description: "what begins at byte \(start) is no whole request") }
            if list.count > 0 { try body(unsafe list.view(0..<list.count, base: base)) }
        }
    }

    /// Runs effects as `EffectLog` writes them. Nothing expires meanwhile, whatever time it is: a key or a field whose deadline has
    /// passed is there until an effect removes it, as it was where the effects come from.
    /// - Parameter isForOthers: tells of a request that somebody else runs, who is not here.
    /// - Returns: requests that were answered with an error, and the errors. A command that changes something before it fails
    ///   is told of, and fails again.
    /// - Throws: at the first that is no request; those before it were run.
    @discardableResult
    public func replay(
        _ stream: ByteSlice, except isForOthers: (Arguments) -> Bool = { _ in false }
    ) throws(ReplayError) -> [String] {
        isReplaying = true
        defer { isReplaying = false }
        let reply = ReplyWriter(capacity: 1024)
        defer { unsafe reply.deallocate() }
        var database = 0
        var isInGroup = false
        var failures: [String] = []
        try Self.forEachRequest(in: stream) { words throws(ReplayError) in
            if words[0].equalsIgnoringCase("select"), words.count == 2 {
                guard let index = Decimal.parse(words[1]), 0..<self.databaseCount ~= index else {
                    throw ReplayError(description: "SELECT of a database that is not there")
                }
                database = index
            } else if words[0].equalsIgnoringCase("multi") || words[0].equalsIgnoringCase("exec") {
                let begins = words[0].equalsIgnoringCase("multi")
                guard begins != isInGroup else { throw ReplayError(description: "MULTI and EXEC do not match") }
                isInGroup = begins
            } else if !isForOthers(words) {
                reply.removeAll()
                let errors = reply.errorCount
                run(words, database: database, reply: reply)
                endEffects()
                guard reply.errorCount != errors else { return }
                let request = words.owned.map { String(decoding: $0.prefix(100), as: UTF8.self) }
                failures.append("\(request.joined(separator: " ")): \(reply.lastError.description)")
            }
        }
        guard !isInGroup else { throw ReplayError(description: "EXEC is missing") }
        return failures
    }
}
