// `respcli copy A B`: copies keys from one server to another: SCAN, then DUMP and RESTORE of many keys at once, with the moments at which
// they expire. Where a payload is refused, as an older server refuses those of a newer one, the value is written by commands. A key that is
// refused then, too, is named, and the others go on.
//
// A step is a call of SCAN and all its keys. How far it is is kept after each step, and a step may be done twice. So nothing is lost when the
// program is killed, as long as the cursor is good, which it is until the first server is restarted.

import Glibc
import RespCodec
import TerminalKit

struct CopyTool {
    private let options: PairOptions
    private var source: ToolConnection
    private var target: ToolConnection
    private var resume: ResumeFile?
    private var copied = 0
    private var byCommands = 0
    private var kept = 0
    /// Keys that the target does not have as the source has them.
    private var refused = 0
    private var progress: ProgressDisplay?
    /// Whether values are written by commands: as asked for, or since one of the servers does not take or give payloads.
    private var usesCommands: Bool
    /// Whether the source knows PEXPIRETIME; found out with the first keys.
    private var knowsExpireTime = true
    private var output = StandardOutput()

    static let usage = """
        Usage: respcli copy [OPTIONS] SOURCE TARGET

        Copies keys from one server to another, with their expiry. SOURCE and TARGET are addresses:
        redis://[[USER:]PASSWORD@][HOST[:PORT]][/DATABASE], rediss://..., or unix://PATH[?db=DATABASE]. The password may
        stand in REDISCLI_AUTH. Keys that TARGET has are replaced; others stay. Ends with status 0, 1 if keys were refused,
        each of which is named, and 2 if copying ended early.

        """ + PairOptions.copyTable.help + """

              --help             This text.
              -v, --version      The version.

            Examples
              respcli copy redis://old:6379 redis://new:6379
              respcli copy --all-databases --functions --resume copy.state redis://old rediss://new

            """

    static func main(_ arguments: [Bytes]) -> CInt {
        PairOptions.run(.copy, PairOptions.copyTable, arguments) { (options) throws(ToolFailure) in
            var tool = try CopyTool(options)
            return try tool.run()
        }
    }

    private init(_ options: PairOptions) throws(ToolFailure) {
        self.options = options
        usesCommands = options.usesCommands
        resume = try options.resumeFile()
        source = try ToolConnection(options.first)
        target = try ToolConnection(options.second)
        try resume?.begin()
    }

    private mutating func run() throws(ToolFailure) -> CInt {
        let databases = try options.databases(source)
        let resumedDatabase = resume?["database"].flatMap { Int($0) }
        let resumedCursor = resume?["cursor"].flatMap { UInt($0) } ?? 0
        copied = resume?.integer("copied") ?? 0
        byCommands = resume?.integer("commands") ?? 0
        kept = resume?.integer("kept") ?? 0
        refused = resume?.integer("refused") ?? 0
        if resumedDatabase != nil { show("Going on after \(copied) keys.\n") }
        for database in databases {
            if let resumedDatabase, database < resumedDatabase { continue }
            if options.allDatabases { try select(database) }
            let size = try source.need([Bytes("DBSIZE".utf8)]).integerValue
            let label = databases.count > 1 ? "copy of database \(database)" : "copy"
            progress = ProgressDisplay(label: label, unit: "keys", total: size)
            var walk = KeyWalk(source, options.scanArguments, from: database == resumedDatabase ? resumedCursor : 0)
            let before = copied
            while let keys = try walk.next() {
                try copy(keys)
                progress?.update(copied - before + kept)
                try keepPlace(database: database, cursor: walk.hasEnded ? nil : walk.cursor, of: databases)
            }
            progress = nil
        }
        if options.copiesFunctions { try copyFunctions() }
        resume?.remove()
        var text = "\(copied) keys copied"
        if byCommands > 0 { text += ", \(byCommands) of them by commands" }
        if kept > 0 { text += ", \(kept) kept as they were" }
        if refused > 0 { text += ", \(refused) refused" }
        show(text + "\n")
        return refused == 0 ? 0 : 1
    }

    private mutating func show(_ text: String) {
        guard !options.isQuiet else { return }
        output.write(text)
        output.flush()
    }

    private func select(_ database: Int) throws(ToolFailure) {
        for connection in [source, target] {
            _ = try connection.need([Bytes("SELECT".utf8), Decimal.text(database)])
        }
    }

    private mutating func keepPlace(database: Int, cursor: UInt?, of databases: [Int]) throws(ToolFailure) {
        guard var file = resume else { return }
        var place = database
        if cursor == nil {
            guard let next = databases.first(where: { $0 > database }) else { return }
            place = next
        }
        try file.save([
            "database": "\(place)", "cursor": "\(cursor ?? 0)", "copied": "\(copied)", "commands": "\(byCommands)",
            "kept": "\(kept)", "refused": "\(refused)",
        ])
        resume = file
    }

    // MARK: keys

    /// Bounds of how many keys' payloads are in memory at once.
    private static let largestBatch = 100
    /// Bytes of payloads of a batch beyond which the next one is of fewer keys.
    private static let wantedBytes = 16 * 1024 * 1024
    private var batch = largestBatch

    private mutating func copy(_ keys: [Bytes]) throws(ToolFailure) {
        var rest = keys[...]
        while !rest.isEmpty {
            let taken = Array(rest.prefix(batch))
            rest = rest.dropFirst(taken.count)
            let bytes = try copyBatch(taken)
            if bytes > Self.wantedBytes {
                batch = max(1, taken.count * Self.wantedBytes / bytes)
            } else if batch < Self.largestBatch {
                batch = min(Self.largestBatch, batch * 2)
            }
        }
    }

    /// Copies keys and returns how many bytes their payloads had.
    private mutating func copyBatch(_ all: [Bytes]) throws(ToolFailure) -> Int {
        var keys = all
        if options.keepsExisting {
            let present = try target.ask(all: keys.map { [Bytes("EXISTS".utf8), $0] })
            if let message = present.lazy.compactMap(\.errorText).first { throw ToolFailure(target, "EXISTS", message) }
            keys = zip(keys, present).filter { $1.integerValue != 1 }.map { $0.0 }
            kept += all.count - keys.count
        }
        let expiries = try self.expiries(of: keys)
        let payloads = usesCommands ? [] : try source.ask(all: keys.map { [Bytes("DUMP".utf8), $0] })
        guard !usesCommands, try gives(payloads) else {
            for (key, expiry) in zip(keys, expiries) { try copyByCommands(key, expiry) }
            return 0
        }
        var present: [Int] = []
        var commands: [[Bytes]] = []
        for (index, payload) in payloads.enumerated() {
            // A key that is gone meanwhile has no payload.
            guard let bytes = payload.stringBytes else { continue }
            present.append(index)
            commands.append(
                [Bytes("RESTORE".utf8), keys[index], Decimal.text(expiries[index] ?? 0), bytes]
                    + ["ABSTTL", "REPLACE"].map { Bytes($0.utf8) })
        }
        for (index, reply) in zip(present, try target.ask(all: commands)) {
            guard let message = reply.errorText else {
                copied += 1
                continue
            }
            // A payload that the target does not understand: "Bad data format", "version or checksum are wrong".
            let failure = ToolFailure(target, "RESTORE of \(Text.quoted(keys[index]))", message)
            guard failure.isOfOneKey || failure.isMissingPermission else { throw failure }
            if Self.isOfEveryPayload(failure, message) { usesCommands = true }
            try copyByCommands(keys[index], expiries[index])
        }
        return payloads.reduce(0) { $0 + ($1.stringBytes?.count ?? 0) }
    }

    /// Whether the source gives payloads; otherwise commands are used from now on.
    private mutating func gives(_ payloads: [Reply]) throws(ToolFailure) -> Bool {
        guard let message = payloads.lazy.compactMap(\.errorText).first else { return true }
        let failure = ToolFailure(source, "DUMP", message)
        guard failure.isOfOneKey || failure.isMissingPermission else { throw failure }
        if Self.isOfEveryPayload(failure, message) { usesCommands = true }
        return false
    }

    /// Whether a server does not know the command, or not all of its options, or does not let the user run it.
    private static func isOfEveryPayload(_ failure: ToolFailure, _ message: Bytes) -> Bool {
        failure.isMissingPermission || message.starts(with: "ERR unknown".utf8)
            || message.starts(with: "ERR syntax".utf8)
    }

    private mutating func copyByCommands(_ key: Bytes, _ expiry: Int?) throws(ToolFailure) {
        do throws(ToolFailure) {
            switch try ValueWriter(source, target).copy(key, expiry: expiry) {
            case .gone: return
            case .copied: break
            case .withoutFieldExpiry(let failure):
                refuse(key, "copied without the expiry of its fields: \(failure.message)")
            }
            copied += 1
            byCommands += 1
        } catch {
            guard error.isOfOneKey else { throw error }
            refuse(key, "not copied: \(error.message)")
        }
    }

    /// Tells of a key that the target does not have as the source has it.
    private mutating func refuse(_ key: Bytes, _ reason: String) {
        refused += 1
        progress?.clear()
        StandardError.write("\(Text.quoted(key)): \(reason)\n")
    }

    /// The moments in Unix milliseconds at which keys expire; nil for those that do not.
    private mutating func expiries(of keys: [Bytes]) throws(ToolFailure) -> [Int?] {
        if knowsExpireTime {
            let replies = try source.ask(all: keys.map { [Bytes("PEXPIRETIME".utf8), $0] })
            if !replies.contains(where: { $0.errorText != nil }) {
                return replies.map { $0.integerValue.flatMap { $0 > 0 ? $0 : nil } }
            }
            knowsExpireTime = false
        }
        // Servers before 7.0 tell how long it will be; by this machine's clock that is a moment, too.
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let milliseconds = now.tv_sec * 1000 + now.tv_nsec / 1_000_000
        let replies = try source.ask(all: keys.map { [Bytes("PTTL".utf8), $0] })
        if let message = replies.lazy.compactMap(\.errorText).first { throw ToolFailure(source, "PTTL", message) }
        return replies.map { reply in
            guard let rest = reply.integerValue, rest > 0 else { return nil }
            let (moment, isBeyond) = milliseconds.addingReportingOverflow(rest)
            return isBeyond ? Int.max : moment
        }
    }

    private mutating func copyFunctions() throws(ToolFailure) {
        let payload = try source.need([Bytes("FUNCTION".utf8), Bytes("DUMP".utf8)])
        guard let bytes = payload.stringBytes else { return }
        let reply = try target.ask(["FUNCTION", "RESTORE"].map { Bytes($0.utf8) } + [bytes, Bytes("REPLACE".utf8)])
        guard let message = reply.errorText else { return }
        guard Text.string(message).contains("payload") else {
            throw ToolFailure("\(target.server.endpoint.description): FUNCTION RESTORE: \(Text.string(message))")
        }
        // As text, library by library.
        let list = try source.need([Bytes("FUNCTION".utf8), Bytes("LIST".utf8), Bytes("WITHCODE".utf8)])
        for library in list.listElements {
            let fields = library.listElements
            for index in stride(from: 0, to: fields.count - 1, by: 2)
            where fields[index].stringBytes.map({ $0.elementsEqual("library_code".utf8) }) == true {
                _ = try target.need(
                    ["FUNCTION", "LOAD", "REPLACE"].map { Bytes($0.utf8) } + [fields[index + 1].stringBytes ?? []])
            }
        }
    }
}
