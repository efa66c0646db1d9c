// What is on its way to clients: replies, and messages.
//
// The replies of a turn lie in the writer's buffer. Whoever is being served writes a run there; it is handed over when its requests are
// done, or when somebody else is to be written to. A message may be pushed to any client at any moment; it lies in a buffer of messages,
// one for each protocol version, so that a command that runs is not disturbed, and its place is behind what the client has been answered
// up to then. Messages that lie side by side are one part of what a client is sent: a thousand subscribers who get the same sixteen
// messages are sent one run of bytes each, which are there once. At the end of the turn everybody's runs and messages go out in their
// order, all of one client at once. Only what a socket would not take moves to the connection's own `OutputQueue`. A long run is sent at
// once: so the buffer stays small, large values go out from where they lie, and what a client does not take is known before its next
// request runs.

import RespCodec

/// What a queue asks of the server.
protocol ReplyQueueOwner: AnyObject {
    /// In milliseconds since 1970.
    var now: Int64 { get }
    func close(_ connection: Connection, mayLinger: Bool)
    /// Closes a connection that has more unsent than it may have.
    func closeOverLimit(_ connection: Connection)
    /// Serves a connection in the next turn that takes its replies again.
    func enqueue(_ connection: Connection)
    /// Has the loop told of what a connection's state asks for.
    func updateInterest(_ connection: Connection)
    /// Takes note that more or less waits to be sent to a connection.
    func unsentChanged(_ connection: Connection)
    /// Is asked before anything leaves, if that is wanted: whether everything may leave now. If not, `mayLeave` tells who may be sent to.
    func prepareToSend() -> Bool
    func mayLeave(_ connection: Connection) -> Bool
    /// Keeps bytes where they lie for as long as somebody has what is returned; nil if they must be copied.
    /// - Parameter count: how many of them are needed; nil, too, if that is a small part of what would be kept for them.
    func keep(_ bytes: BorrowedBytes, count: Int) -> AnyObject?
}

final class ReplyQueue {
    /// A run of this many bytes is sent before the client's next request runs, unless a limit of up to `longestRun` is to see all of it.
    static let longRun = 256 * 1024
    /// With a hard limit of up to this, a run is sent only when the client's requests are done, or once it reaches the limit.
    private static let longestRun = 16 << 20
    /// From this many bytes or parts on, runs and messages are sent before the turn ends.
    private static let mostQueuedBytes = 1024 * 1024
    private static let mostParts = 32 * 1024

    /// In which buffer something lies that is to be sent.
    enum Source {
        case replies
        case resp2Messages
        case resp3Messages

        /// The messages of a protocol version.
        @inline(__always)
        static func messages(_ version: ProtocolVersion) -> Source {
            version == .resp2 ? .resp2Messages : .resp3Messages
        }
    }

    /// Something that one client is to be sent.
    @safe struct Part {
        /// Whose it is: counted once when it is queued, and given back when it has been sent.
        let connection: Unmanaged<Connection>
        let source: Source
        var range: Range<Int>
        /// Whether it is the client's first of those that go out together, and where its next one stands, -1 if there is none.
        let isFirst: Bool
        var next = -1

        @inline(__always)
        func use(_ body: (Connection) -> Void) { unsafe connection._withUnsafeGuaranteedRef(body) }
    }

    /// Messages for a client whose command has not replied yet.
    private struct DeferredMessages {
        var messages: [(bytes: [UInt8], version: ProtocolVersion)] = []
        var byteCount = 0

        mutating func append(_ bytes: [UInt8], _ version: ProtocolVersion) {
            messages.append((bytes, version))
            byteCount += bytes.count
        }
    }

    let writer = ReplyWriter(capacity: usualCapacity)
    private static let usualCapacity = 64 * 1024
    /// The writer has grown for a reply that nobody gets, and gives that memory back at the end of the turn.
    var hasDiscardedLongRun = false
    // No other code runs while one of these is modified, so exclusive access is not checked at run time: each reply and each message looks at them.

    /// What is to be sent at the end of the turn, and an empty list that takes its place then.
    @safe @exclusivity(unchecked) private var parts: [Part] = []
    @safe @exclusivity(unchecked) private var spareParts: [Part] = []
    /// The number of the first of `parts`. Parts are numbered from the start of the server on, and a connection knows its last one's number:
    /// so nothing need be reset in connections when parts have been sent.
    private var firstPart = 0
    /// The messages among them, as they are in each protocol version, and how many times these have been emptied.
    private let resp2Messages = ReplyWriter(capacity: 4096)
    private let resp3Messages = ReplyWriter(capacity: 4096)
    @safe @exclusivity(unchecked) private var messageRound = 0
    /// Whose requests are being executed: what is written is its. Whoever serves it holds it.
    @safe @exclusivity(unchecked) private var served: Uncounted<Connection>?
    @inline(__always) var current: Connection? { served?.object }
    /// Messages for it, which go behind the reply of its command.
    private var deferred = DeferredMessages()
    /// What is set aside while others are served within a command: its client, what it was answered, and messages for it.
    @safe @exclusivity(unchecked) private var aside:
        (connection: Connection?, writer: ReplyWriter, messages: DeferredMessages)?

    var limits = OutputLimits() {
        didSet {
            mostReplyBytes = limits.mostReplyBytes(.normal)
            hasNormalLimit = limits[.normal].hardBytes > 0
        }
    }
    private var mostReplyBytes = Int.max / 2
    private var hasNormalLimit = false
    unowned var owner: (any ReplyQueueOwner)?
    /// Whether the owner is asked before anything leaves, and whether it is to be asked for each connection now.
    var asksOwner = false { didSet { someMustWaitForLog = false } }
    private var someMustWaitForLog = false
    /// Connections with unsent replies that must not leave before the append-only file has what they tell of.
    @safe @exclusivity(unchecked) private var waitingForLog: [Connection] = []
    let steps = StepCounter()
    /// Times that something was written to a socket, and how many bytes have been handed over.
    var writes = 0
    var outputBytes = 0

    func resetStatistics() {
        writes = 0
        outputBytes = 0
    }

    init() {
        writer.beginBorrowing()
        resp3Messages.version = .resp3
    }

    deinit {
        for part in parts { unsafe part.connection.release() }
        unsafe writer.deallocate()
        unsafe resp2Messages.deallocate()
        unsafe resp3Messages.deallocate()
    }

    // MARK: runs

    /// What is written from here on is the reply to a connection, which the caller holds up to `end`.
    @inline(__always)
    func begin(for connection: Connection) {
        served = unsafe Uncounted(connection)
        startRun(for: connection)
        writer.version = connection.version
    }

    /// Whether an output limit may apply to the replies of a client.
    @inline(__always)
    func limitsReplies(to connection: Connection) -> Bool {
        hasNormalLimit || connection.clientClass != .normal
    }

    /// Hands over what was written for the connection at hand. What is written from here on is nobody's.
    @inline(__always)
    func end() {
        if let served { served.use { handOver(to: $0) } }
        served = nil
    }

    /// Hands over what has been written for the connection at hand, so that others may be replied to. `resume` goes on.
    func interrupt() -> Connection? {
        let interrupted = current
        end()
        return interrupted
    }

    func resume(_ interrupted: Connection?) {
        if let interrupted { begin(for: interrupted) } else { startRun(for: nil) }
    }

    /// How many bytes a connection may be answered at once.
    @inline(__always)
    private func mostReplyBytes(of connection: Connection?) -> Int {
        guard let connection, connection.clientClass != .normal else { return mostReplyBytes }
        return limits.mostReplyBytes(connection.clientClass)
    }

    @inline(__always)
    private func startRun(for connection: Connection?) {
        writer.beginRun(limit: mostReplyBytes(of: connection), mark: Self.longRun)
    }

    /// Hands over a run that `needsSending`; one that is only long goes on where there is a limit, which is to see all replies together.
    func handOverLong(to connection: Connection) {
        let isOnlyLong = writer.borrowed.isEmpty && deferred.byteCount == 0 && !isCrowded && !writer.isOverfull
        if isOnlyLong && mostReplyBytes(of: connection) <= Self.longestRun {
            writer.admit(Self.longRun)
        } else {
            handOver(to: connection)
        }
    }

    /// Queues the run at hand, or sends it if it is long, and starts anew. No command must be running.
    @inline(__always)
    func handOver(to connection: Connection) {
        if writer.needsSending || writer.isOverfull {
            handOverAtOnce(to: connection)
        } else if !writer.run.isEmpty {
            append(connection, .replies, writer.run)
            if writer.count > Self.mostQueuedBytes { send() }
        }
        startRun(for: connection)
    }

    private func handOverAtOnce(to connection: Connection) {
        let waiting = deferred
        deferred = DeferredMessages()
        if writer.isOverfull || writer.run.count > Self.longRun || !writer.borrowed.isEmpty {
            sendRun(of: connection)
        } else if !writer.run.isEmpty {
            append(connection, .replies, writer.run)
        }
        for message in waiting.messages where !connection.isClosed {
            let buffer = messages(message.version)
            let start = buffer.count
            message.bytes.withByteSlice { buffer.raw($0) }
            append(connection, .messages(message.version), start..<buffer.count)
        }
        if writer.count > Self.mostQueuedBytes || isCrowded { send() }
    }

    @inline(__always)
    private func append(_ connection: Connection, _ source: Source, _ range: Range<Int>) {
        steps.step()
        let last = connection.lastQueuedPart &- firstPart
        connection.lastQueuedPart = firstPart &+ parts.add(connection, source, range, behind: last)
    }

    /// Whether a connection has parts that wait to be sent.
    func hasQueued(_ connection: Connection) -> Bool { connection.lastQueuedPart >= firstPart }

    /// Hands over what has been written so far within a command that runs others, as far as it must be sent before the next one of them.
    /// - Parameter start: where its reply begins.
    func handOverWithinCommand(to connection: Connection, from start: Int) {
        guard writer.needsSending else { return }
        guard connection.replyMode == .on else {
            discard(from: start)
            if isCrowded { sendParts() }
            return
        }
        // Of what is written for who has been killed some is still taken back.
        if connection.isEnding {
            if isCrowded { sendParts() }
            return
        }
        let messages = deferred
        deferred = DeferredMessages()
        handOverLong(to: connection)
        // They come behind all of the command's reply.
        deferred = messages
        if messages.byteCount > 0 { writer.requestSending() }
    }

    /// Drops the reply to a command, which is sent to nobody: all of the run, if it had more than it may have.
    /// - Parameter start: where it begins; what stands before it in the run has been handed over, if it may be long.
    func discard(from start: Int) {
        if writer.isOverfull { writer.discardRun() } else if start < writer.count { writer.truncate(to: start) }
    }

    // MARK: others within a command

    /// Sends what is queued, and sets the run at hand aside, with the command that writes it. `takeBack` goes on.
    func setAside() {
        sendParts()
        let other = ReplyWriter(capacity: 16 * 1024)
        other.beginBorrowing()
        writer.exchange(with: other)
        aside = (current, other, deferred)
        served = nil
        deferred = DeferredMessages()
        startRun(for: nil)
    }

    /// Sends what was written meanwhile, and goes on with the run that was set aside.
    func takeBack() {
        guard let aside else { return }
        send()
        writer.exchange(with: aside.writer)
        unsafe aside.writer.deallocate()
        served = aside.connection.map { unsafe Uncounted($0) }
        deferred = aside.messages
        if deferred.byteCount > 0 { writer.requestSending() }
        self.aside = nil
    }

    // MARK: messages

    /// Sends a message to a client, behind what it has been answered so far. It may be told something while its own command runs,
    /// and then the message comes behind the command's reply.
    /// - Parameters:
    ///   - message: a new one for the first client; the same for all others who get it.
    ///   - write: writes it as a reply; called once for each protocol version, and again if others were sent something meanwhile.
    /// - Complexity: O(1), but for the first client of each protocol version, for whom the message is put into bytes.
    @inline(__always)
    func push(_ message: inout Message, to connection: Connection, _ write: (ReplyWriter) -> Void) {
        guard !connection.isEnding else { return }
        let version = connection.version
        if message.round != messageRound { message = Message(round: messageRound) }
        let range: Range<Int>
        if let known = version == .resp2 ? message.resp2 : message.resp3 {
            range = known
        } else {
            let buffer = messages(version)
            let start = buffer.count
            write(buffer)
            range = start..<buffer.count
            if version == .resp2 { message.resp2 = range } else { message.resp3 = range }
        }
        if connection === current {
            deferToReply(range, version, of: connection)
        } else if let client = aside?.connection, connection === client {
            aside?.messages.append(messages(version).written(range).array, version)
            if limits.isOverHardLimit(client.unsentByteCount + (aside?.messages.byteCount ?? 0), client) {
                aside?.messages = DeferredMessages()
                owner?.closeOverLimit(client)
            }
        } else {
            append(connection, .messages(version), range)
            // Who has much to be sent is not looked for here: somebody may be going through all clients.
            if isCrowded && served != nil { writer.requestSending() }
        }
    }

    /// Keeps a message for the client whose command runs, unless it has more to be sent than it may.
    @inline(never)
    private func deferToReply(_ range: Range<Int>, _ version: ProtocolVersion, of connection: Connection) {
        deferred.append(messages(version).written(range).array, version)
        if limits.isOverHardLimit(connection.unsentByteCount + deferred.byteCount, connection) {
            deferred = DeferredMessages()
            owner?.closeOverLimit(connection)
        }
        writer.requestSending()
    }

    /// The buffer of messages in a protocol version.
    @inline(__always)
    private func messages(_ version: ProtocolVersion) -> ReplyWriter {
        version == .resp2 ? resp2Messages : resp3Messages
    }

    /// The bytes of all messages that are to be sent, each counted once.
    @inline(__always)
    private var messageByteCount: Int { resp2Messages.count &+ resp3Messages.count }

    /// Whether messages take so much that they are sent before the turn ends.
    @inline(__always)
    private var isCrowded: Bool { messageByteCount > Self.mostQueuedBytes || parts.count > Self.mostParts }

    private func emptyMessages() {
        guard messageByteCount > 0 else { return }
        messageRound &+= 1
        resp2Messages.removeAll()
        resp3Messages.removeAll()
    }

    /// The bytes of a part; good until something is written.
    @inline(__always)
    func bytes(of part: Part) -> ByteSlice {
        switch part.source {
        case .replies: writer.written(part.range)
        case .resp2Messages: resp2Messages.written(part.range)
        case .resp3Messages: resp3Messages.written(part.range)
        }
    }

    // MARK: sending

    /// Sends everything. Nothing may be under way in the writer: see `interrupt`.
    func send() {
        repeat { sendParts() } while !parts.isEmpty
        if hasDiscardedLongRun {
            hasDiscardedLongRun = false
            writer.removeAll(keeping: Self.usualCapacity)
        } else {
            writer.removeAll()
        }
        if !waitingForLog.isEmpty { flushWaitingForLog() }
    }

    /// Finds out what may leave.
    @inline(__always)
    func prepare() { if asksOwner { someMustWaitForLog = owner?.prepareToSend() == false } }

    /// Whether what a connection is sent must wait until the append-only file has what it tells of.
    @inline(__always)
    func mustWaitForLog(_ connection: Connection) -> Bool {
        someMustWaitForLog && owner?.mayLeave(connection) == false
    }

    /// Has the connection's unsent replies wait for the append-only file.
    func waitForLog(_ connection: Connection) {
        guard !connection.waitsForLog else { return }
        connection.waitsForLog = true
        waitingForLog.append(connection)
    }

    /// Sends what waited for the append-only file and need not any more.
    private func flushWaitingForLog() {
        prepare()
        let waiting = waitingForLog
        waitingForLog = []
        for connection in waiting where !connection.isClosed {
            if mustWaitForLog(connection) {
                waitingForLog.append(connection)
            } else {
                connection.waitsForLog = false
                flush(connection)
            }
        }
    }

    /// Sends all that a connection has in a list, if `part` is the first of it.
    @inline(__always)
    private func send(_ part: Part, of list: [Part]) {
        if part.isFirst { part.use { if !$0.isClosed { send(part, of: list, to: $0) } } }
        unsafe part.connection.release()
    }

    /// Sends what is queued; the run at hand stays.
    func sendParts() {
        guard !parts.isEmpty else { return }
        prepare()
        // Somebody may be told something meanwhile: that is another list.
        firstPart &+= parts.count
        var sending: [Part] = []
        swap(&sending, &parts)
        swap(&parts, &spareParts)
        steps.step(sending.count)
        let hasMessages = messageByteCount > 0
        // Who asked is answered first, and goes on while others are sent their messages.
        for part in sending where part.source == .replies { send(part, of: sending) }
        if hasMessages {
            for part in sending where part.source != .replies { send(part, of: sending) }
        }
        if sending.count <= Self.mostParts {
            sending.removeAll(keepingCapacity: true)
            swap(&sending, &spareParts)
        }
        if parts.isEmpty { emptyMessages() }
    }
}

extension [ReplyQueue.Part] {
    /// Adds bytes to what a connection is sent; to its last part, if they lie behind that.
    /// - Parameter last: where the connection's last part stands, below 0 if there is none.
    /// - Returns: Where its last part stands now.
    @inline(__always)
    fileprivate mutating func add(
        _ connection: Connection, _ source: ReplyQueue.Source, _ range: Range<Int>, behind last: Int
    ) -> Int {
        if last >= 0 {
            if self[last].source == source && self[last].range.upperBound == range.lowerBound {
                self[last].range = self[last].range.lowerBound..<range.upperBound
                return last
            }
            self[last].next = count
        }
        unsafe append(Element(connection: .passRetained(connection), source: source, range: range, isFirst: last < 0))
        return count - 1
    }
}
