// What the server knows of its append-only file.
//
//     off --CONFIG SET appendonly yes--> waiting for a base: effects go to a temporary increment --base is whole--> on
//      ^-- CONFIG SET appendonly no ----------------------------------------------------------------------------------'
//
// A server that starts with it goes from off to on: the base is what it has loaded, or is written before anybody is served. CONFIG SET
// appendonly no ends the wait for a base, too.

import RespCodec
import StoreEngine

/// A base that is being written.
struct LogRewrite {
    let directory: AppendDirectory
    let baseName: String
    /// Effects up to here are in the base.
    let position: Int
    /// Whether the log is on, and has begun an increment with it.
    let hasIncrement: Bool
    /// Whether it is done because the log could not be written.
    let recovers: Bool
    /// Whether the log goes to another directory with it.
    let moves: Bool
}

final class AppendOnlyFile {
    enum State {
        case off
        /// Effects are worth something once there is a base that they follow.
        case waitsForBase
        case on
    }

    let writer: AppendLogWriter
    var state = State.off
    /// While it is not off, or is being rewritten.
    var directory: AppendDirectory? {
        didSet { if let oldValue, oldValue !== directory { oldValue.unlock() } }
    }

    /// Who waits until what they have written is on the disk.
    var waiting: [Connection] = []

    // MARK: sizes

    /// Of the base and of all increments but the one at hand.
    var earlierByteCount = 0
    /// What all had together when it was rewritten last, or of the base, when it was loaded.
    var byteCountOfBase = 0
    var byteCount: Int { earlierByteCount + writer.fileSize }

    // MARK: rewriting

    var isScheduled = false
    var rewriteCount = 0
    var failuresInARow = 0
    var lastRewriteSucceeded = true
    /// In seconds; -1 if there was none.
    var lastDuration = -1
    /// After several failures it rests for longer and longer.
    private var restsUntil: Int64?
    private var restMinutes = 0

    private static let mostFailures = 3
    private static let longestRest = 60

    /// Whether it has failed so often that it is not tried again by itself for now.
    /// - Parameter seconds: the time, since 1970.
    func isResting(at seconds: Int64, _ log: Log) -> Bool {
        guard failuresInARow >= Self.mostFailures else {
            (restsUntil, restMinutes) = (nil, 0)
            return false
        }
        if let restsUntil {
            if seconds < restsUntil { return true }
            self.restsUntil = nil
            return false
        }
        restMinutes = restMinutes == 0 ? 1 : min(restMinutes * 2, Self.longestRest)
        restsUntil = seconds + Int64(restMinutes) * 60
        log.warning(
            "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in \(restMinutes) minutes"
        )
        return true
    }

    init(log: Log) { writer = AppendLogWriter(log: log) }

    func resetStatistics() {
        rewriteCount = 0
        failuresInARow = 0
        writer.resetStatistics()
    }
}

/// Two who take the same effects.
final class SplitEffects: EffectSink {
    private let first: EffectLog
    private let second: EffectLog

    init(_ first: EffectLog, _ second: EffectLog) {
        self.first = first
        self.second = second
    }

    func take(_ words: Arguments, database: Int) {
        first.take(words, database: database)
        second.take(words, database: database)
    }

    func endGroup() {
        first.endGroup()
        second.endGroup()
    }
}
