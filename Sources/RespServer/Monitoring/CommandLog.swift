// The command logs: the newest commands that took long, that asked with much, and that were answered with much. SLOWLOG and COMMANDLOG tell
// of them.
//
// What a log costs the request path is one comparison, which the figures that are kept anyway allow: a command that took long is noticed by
// its time (`CommandObserver`), a large request by its being larger than the reader's window, a large reply by being sent at once. Only
// where the thresholds are lower than that, requests take the slow path, which measures each one.

import RespCodec
import StoreEngine

struct CommandLog {
    enum Kind: Int, CaseIterable {
        case slow
        case largeRequest
        case largeReply
    }

    struct Entry {
        /// Counts the entries of the log since the start of the server.
        let id: Int
        /// In seconds since 1970.
        let time: Int
        /// In microseconds, or bytes.
        let value: Int
        fileprivate(set) var words: LoggedWords
        let address: String
        fileprivate(set) var name: String
        /// The memory that it takes.
        fileprivate(set) var byteCount = 0
    }

    /// From which value on a command is logged; nothing is if it is negative.
    private(set) var threshold = -1
    private(set) var maxCount = 0
    /// The newest is the last. Those before `first` have been dropped.
    private var kept: [Entry] = []
    private var first = 0
    private var nextID = 0
    /// The memory of the entries.
    private(set) var byteCount = 0

    var count: Int { kept.count - first }
    /// Whether anything can be logged.
    var isOn: Bool { threshold >= 0 && maxCount > 0 }

    func accepts(_ value: Int) -> Bool { isOn && value >= threshold }

    mutating func follow(threshold: Int, maxCount: Int) {
        self.threshold = threshold
        self.maxCount = maxCount
        if threshold >= 0 { trim() }
    }

    mutating func append(_ value: Int, _ words: LoggedWords, address: String, name: String, now: Int64) {
        guard isOn else { return }
        var entry = Entry(
            id: nextID, time: Int(now / 1000), value: value, words: words, address: address, name: name)
        // The text of a name is there once for all entries of a client in a row.
        let names =
            kept.last?.name == name
            ? Connection.byteCount(ofNames: address) : Connection.byteCount(ofNames: address, name)
        entry.byteCount = MemoryLayout<Entry>.stride + words.byteCount + names
        byteCount += entry.byteCount
        kept.append(entry)
        nextID += 1
        trim()
    }

    mutating func removeAll() {
        kept = []
        first = 0
        byteCount = 0
    }

    /// The newest entries, the newest first.
    func newest(_ count: Int) -> ReversedCollection<ArraySlice<Entry>> {
        kept[max(first, kept.count - count)...].reversed()
    }

    private mutating func trim() {
        guard count > maxCount else { return }
        for place in first..<kept.count - maxCount {
            byteCount -= kept[place].byteCount
            kept[place].words = LoggedWords()
            kept[place].name = ""
        }
        first = kept.count - maxCount
        guard first > 32 && first > kept.count / 2 else { return }
        kept.removeFirst(first)
        first = 0
    }
}

/// The words of a request as a log keeps them: some of them, the long ones cut off, secrets left out.
struct LoggedWords {
    static let maxCount = 32
    static let maxLength = 128

    let words: [[UInt8]]

    /// The memory that they take, each in an array.
    var byteCount: Int { words.reduce(48) { $0 + $1.count + 56 } }

    /// None.
    fileprivate init() { words = [] }

    init(_ arguments: Arguments, hiding secrets: SecretArguments) {
        let hiddenPlaces = secrets.places(in: arguments)
        let shownCount = arguments.count > Self.maxCount ? Self.maxCount - 1 : arguments.count
        var words = (0..<shownCount).map { index in
            if hiddenPlaces.contains(index) { return SecretArguments.shownInstead }
            let word = arguments[index]
            guard word.count > Self.maxLength else { return word.array }
            return word[0..<Self.maxLength].array + Array("... (\(word.count - Self.maxLength) more bytes)".utf8)
        }
        if shownCount < arguments.count {
            words.append(Array("... (\(arguments.count - shownCount) more arguments)".utf8))
        }
        self.words = words
    }
}

/// All command logs.
struct CommandLogs {
    private var logs = CommandLog.Kind.allCases.map { _ in CommandLog() }

    subscript(kind: CommandLog.Kind) -> CommandLog {
        // Where it lies: a copy would have an entry that is added copy all others.
        _read { yield logs[kind.rawValue] }
        _modify { yield &logs[kind.rawValue] }
    }

    /// Requests of fewer bytes are found by nothing but measuring each.
    static let surelyNoticedRequest = RequestReader.capacity + PendingInput.mostParsedAgain
    /// Replies of fewer bytes are found by nothing but measuring each.
    static let surelyNoticedReply = ReplyQueue.longRun

    /// The memory of all entries.
    var byteCount: Int { logs.reduce(0) { $0 + $1.byteCount } }

    mutating func follow(_ settings: Settings) {
        self[.slow].follow(
            threshold: settings.slowlogThresholdMicroseconds, maxCount: settings.slowlogMaxCount)
        self[.largeRequest].follow(
            threshold: settings.largeRequestThreshold, maxCount: settings.largeRequestMaxCount)
        self[.largeReply].follow(threshold: settings.largeReplyThreshold, maxCount: settings.largeReplyMaxCount)
    }

    /// Whether requests are measured that came in one piece.
    var measuresRequests: Bool {
        self[.largeRequest].isOn && self[.largeRequest].threshold < Self.surelyNoticedRequest
    }

    /// Commands that cannot be told to be small without a look at each.
    var gate: CommandFlags {
        let measuresReplies = self[.largeReply].isOn && self[.largeReply].threshold <= Self.surelyNoticedReply
        return measuresRequests || measuresReplies ? .any : []
    }
}

extension Arguments {
    /// The bytes of the arguments themselves.
    var argumentByteCount: Int { (0..<count).reduce(0) { $0 + self[$1].count } }

    /// The bytes of the request as an array of bulk strings.
    var requestByteCount: Int {
        var total = 3 + Decimal.length(of: count)
        for index in 0..<count { total += self[index].count + 5 + Decimal.length(of: self[index].count) }
        return total
    }
}
