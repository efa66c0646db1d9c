// What is done in place of sending commands: each mode is a file of this folder. All of them print what redis-cli prints, to the byte
// where that is the same at all times.

import Glibc
import RespCodec
import TerminalKit

extension Session {
    /// Runs a mode to its end and returns the status to exit with.
    func run(_ mode: Mode) -> CInt {
        if mode == .intrinsicLatency { return IntrinsicLatencyMode(self).run() }
        if mode == .hint || mode == .hintCases { return HintMode(self).run(mode) }
        guard connect() else { return 1 }
        switch mode {
        case .latency: return LatencyMode(self, keepsHistory: false).run()
        case .latencyHistory: return LatencyMode(self, keepsHistory: true).run()
        case .latencyDistribution: return LatencySpectrumMode(self).run()
        case .replica: return runReplica()
        case .snapshot: return SnapshotMode(self, functionsOnly: false).run()
        case .functionsSnapshot: return SnapshotMode(self, functionsOnly: true).run()
        case .pipe: return PipeMode(self).run()
        case .bigKeys: return BigKeysMode(self, measure: .elements).run()
        case .memoryKeys: return BigKeysMode(self, measure: .memory).run()
        case .keyStatistics: return KeyStatisticsMode(self).run()
        case .hotKeys: return HotKeysMode(self).run()
        case .statistics: return StatisticsMode(self).run()
        case .scan: return ScanMode(self).run()
        case .evictionTest: return EvictionTestMode(self).run()
        case .intrinsicLatency, .hint, .hintCases: return 0
        }
    }

    /// The connection of a mode, which has one until it ends the program.
    var modeConnection: ServerConnection {
        guard let connection else { failMode("\nI/O error") }
        return connection
    }

    /// Ends the program with a message.
    func failMode(_ message: String) -> Never {
        ProgressDisplay.clearAll()
        output.flush()
        StandardError.write(message + "\n")
        end(status: 1)
    }

    /// The reply to one command. Ends the program if the connection fails.
    func askMode(_ command: [Bytes]) -> Reply {
        let connection = modeConnection
        connection.append(command)
        return receiveMode(from: connection)
    }

    /// The replies to commands that are sent at once.
    func askMode(all commands: [[Bytes]]) -> [Reply] {
        let connection = modeConnection
        for command in commands { connection.append(command) }
        return commands.map { _ in receiveMode(from: connection) }
    }

    private func receiveMode(from connection: ServerConnection) -> Reply {
        do throws(ConnectionFailure) {
            return try nextAnswer(from: connection)
        } catch {
            failMode("\nI/O error: \(connection.endpoint.description): \(error.message)")
        }
    }

    /// The reply to one command; connects again, for as long as it takes, when the connection is lost.
    func askReconnecting(_ command: [Bytes]) -> Reply {
        var attempts = 0
        while true {
            if let connection {
                do throws(ConnectionFailure) {
                    connection.append(command)
                    let reply = try nextAnswer(from: connection)
                    if attempts > 0 { output.write("\r\u{1B}[0K") }
                    return reply
                } catch {
                    guard error.isLostConnection else { failMode("Error: \(error.message)") }
                }
            }
            attempts += 1
            output.write("\r\u{1B}[0KReconnecting... \(attempts)\r")
            output.flush()
            connect(isQuiet: true)
            Clock.sleep(microseconds: 1_000_000)
        }
    }

    /// How many keys there are.
    func databaseSize() -> Int {
        switch askMode([Bytes("DBSIZE".utf8)]).withoutAttributes {
        case .integer(let count): return count
        case let reply:
            if let message = reply.errorText { failMode("Couldn't determine DBSIZE: \(Text.string(message))") }
            failMode("Non INTEGER response from DBSIZE!")
        }
    }

    /// Tells that all keys are about to be looked at, as redis-cli does.
    func announceScan(for wanted: String) {
        show(
            """

            # Scanning the entire keyspace to find \(wanted) as well as
            # average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec
            # per 100 SCAN commands (not usually needed).


            """, nil)
    }

    /// Writes at once, around the progress bar if there is one.
    func show(_ text: String, _ progress: ProgressDisplay?) {
        if Terminal.isOutput { progress?.clear() }
        output.write(text)
        output.flush()
    }
}

/// The keys of a database, some at a time.
struct KeyScan {
    private let session: Session
    private(set) var cursor: UInt
    private var hasBegun = false
    /// How many calls there have been.
    private(set) var rounds = 0

    init(_ session: Session) {
        self.session = session
        cursor = session.options.cursor
    }

    /// The next keys, possibly none; nil after the last or when the user interrupts.
    mutating func next() -> [Bytes]? {
        guard !(hasBegun && cursor == 0), !Interrupts.isCancelled else { return nil }
        hasBegun = true
        rounds += 1
        let options = session.options
        var command = [Bytes("SCAN".utf8), Bytes(String(cursor).utf8)]
        if let pattern = options.pattern { command += [Bytes("MATCH".utf8), pattern] }
        if options.scanCount != 10 { command += [Bytes("COUNT".utf8), Decimal.text(options.scanCount)] }
        if let type = options.type { command += [Bytes("TYPE".utf8), type] }
        let reply = session.askMode(command).withoutAttributes
        if let message = reply.errorText { session.failMode("SCAN error: \(Text.string(message))") }
        guard case .array(let parts) = reply else { session.failMode("Non ARRAY response from SCAN!") }
        guard parts.count == 2, let text = parts[0].stringBytes, case .array(let keys) = parts[1] else {
            session.failMode("Invalid element count from SCAN!")
        }
        guard let following = text.withByteSlice({ Decimal.parseUnsigned($0) }) else {
            session.failMode("Invalid cursor from SCAN!")
        }
        cursor = following
        return keys.compactMap(\.stringBytes)
    }

    /// Sleeps if the options say so: every 100 calls.
    func pause() {
        if let pause = session.options.intervalMicroseconds, rounds % 100 == 0 { Clock.sleep(microseconds: pause) }
    }
}
