// `respcli diff A B`: compares the data of two servers, key by key: first all keys of A, with their types, values and expiry, then which keys
// only B has. Values are compared by the commands of their types, as payloads of DUMP differ between versions; large ones in parts. So
// memory is bounded whatever the size of the data.

import Glibc
import RespCodec
import TerminalKit

struct DiffTool {
    /// Which way of differing, and where.
    struct Difference {
        enum Kind: String {
            case onlyInFirst = "only in the first"
            case onlyInSecond = "only in the second"
            case type
            case value
            case expiry
        }

        var kind: Kind
        var key: Bytes
        var detail = ""
    }

    private let options: PairOptions
    private let first: ToolConnection
    private let second: ToolConnection
    private var resume: ResumeFile?
    private var compared = 0
    private var found = 0
    private var database = 0
    private var progress: ProgressDisplay?
    private var knowsExpireTime = true
    /// Whether both servers have fields of hashes that expire.
    private let comparesFieldExpiry: Bool
    private var output = StandardOutput()
    /// Keys of which a difference was told; a key may come more than once from SCAN.
    private var told: Set<Bytes> = []
    private static let toldLimit = 100_000

    static let usage = """
        Usage: respcli diff [OPTIONS] FIRST SECOND

        Compares the data of two servers and tells each difference. FIRST and SECOND are addresses:
        redis://[[USER:]PASSWORD@][HOST[:PORT]][/DATABASE], rediss://..., or unix://PATH[?db=DATABASE]. Ends with status 0
        if nothing differs, 1 if something does, and 2 if it could not be compared.

        """ + PairOptions.diffTable.help + """

              --help             This text.
              -v, --version      The version.

            Examples
              respcli diff redis://old:6379 redis://new:6379
              respcli diff --all-databases --json redis://old redis://new > differences.jsonl

            """

    static func main(_ arguments: [Bytes]) -> CInt {
        PairOptions.run(.diff, PairOptions.diffTable, arguments) { (options) throws(ToolFailure) in
            var tool = try DiffTool(options)
            return try tool.run()
        }
    }

    private init(_ options: PairOptions) throws(ToolFailure) {
        self.options = options
        resume = try options.resumeFile()
        first = try ToolConnection(options.first)
        second = try ToolConnection(options.second)
        let question = ["COMMAND", "INFO", "HPEXPIRETIME"].map { Bytes($0.utf8) }
        comparesFieldExpiry = [try first.ask(question), try second.ask(question)].allSatisfy {
            $0.listElements.first.map { $0 != .null } ?? false
        }
        try resume?.begin()
    }

    // MARK: going through the keys

    private mutating func run() throws(ToolFailure) -> CInt {
        var databases = try options.databases(first)
        if options.allDatabases {
            databases = Set(databases + (try options.databases(second))).sorted()
        }
        // Each database twice: the keys of the first server, then those of the second.
        let passes = databases.flatMap { [($0, true), ($0, false)] }
        let start = resume?.integer("pass") ?? 0
        let startCursor = resume?["cursor"].flatMap { UInt($0) } ?? 0
        compared = resume?.integer("compared") ?? 0
        found = resume?.integer("found") ?? 0
        for (index, (number, isFirst)) in passes.enumerated() where index >= start {
            database = number
            if options.allDatabases {
                for connection in [first, second] {
                    _ = try connection.need([Bytes("SELECT".utf8), Decimal.text(number)])
                }
            }
            let source = isFirst ? first : second
            let size = try source.need([Bytes("DBSIZE".utf8)]).integerValue
            progress = ProgressDisplay(label: isFirst ? "compare" : "look back", unit: "keys", total: size)
            var walk = KeyWalk(source, options.scanArguments, from: index == start ? startCursor : 0)
            var seen = 0
            while let keys = try walk.next() {
                if isFirst { try compare(keys) } else { try lookBack(keys) }
                seen += keys.count
                progress?.update(seen)
                if found >= options.limit { return finish() }
                let isEnd = walk.hasEnded
                if var file = resume {
                    try file.save([
                        "pass": "\(isEnd ? index + 1 : index)", "cursor": "\(isEnd ? 0 : walk.cursor)",
                        "compared": "\(compared)", "found": "\(found)",
                    ])
                    resume = file
                }
            }
            progress = nil
        }
        resume?.remove()
        return finish()
    }

    private mutating func finish() -> CInt {
        progress = nil
        if !options.isQuiet && !options.isJSON {
            output.write(
                found == 0
                    ? "\(compared) keys compared, nothing differs\n"
                    : "\(compared) keys compared, \(found) differences\n")
        }
        output.flush()
        return found == 0 ? 0 : 1
    }

    private mutating func tell(_ difference: Difference) {
        guard found < options.limit, told.insert(difference.key).inserted else { return }
        if told.count > Self.toldLimit { told = [difference.key] }
        found += 1
        progress?.clear()
        if options.isJSON {
            // A name that is no text is told as a quoted word.
            let isText = String(validating: difference.key, as: UTF8.self) != nil
            let name = isText ? difference.key : Bytes(Text.quoted(difference.key).utf8)
            var text = Bytes(
                "{\"kind\": \"\(difference.kind.rawValue)\", \"\(isText ? "key" : "quoted_key")\": ".utf8)
            ByteEscapes.json.appendQuoted(name, to: &text)
            text += ", \"database\": \(database), \"detail\": ".utf8
            ByteEscapes.json.appendQuoted(difference.detail.utf8, to: &text)
            text += "}\n".utf8
            output.pending += text
        } else {
            let place = database == 0 ? "" : " (database \(database))"
            let detail = difference.detail.isEmpty ? "" : ": " + difference.detail
            output.write("\(difference.kind.rawValue)\(place): \(Text.quoted(difference.key))\(detail)\n")
        }
        output.flush()
    }

    /// Keys of the second server that the first does not have.
    private mutating func lookBack(_ keys: [Bytes]) throws(ToolFailure) {
        let present = try first.ask(all: keys.map { [Bytes("EXISTS".utf8), $0] })
        let missing = zip(keys, present).filter { $1.integerValue == 0 }.map { $0.0 }
        // It may have expired since SCAN returned it.
        let still = try second.ask(all: missing.map { [Bytes("EXISTS".utf8), $0] })
        for (key, reply) in zip(missing, still) where reply.integerValue == 1 {
            tell(Difference(kind: .onlyInSecond, key: key))
        }
    }

    // MARK: comparing

    private mutating func compare(_ keys: [Bytes]) throws(ToolFailure) {
        let types = keys.map { [Bytes("TYPE".utf8), $0] }
        let firstTypes = try first.ask(all: types).map { Text.string($0.stringBytes ?? []) }
        let secondTypes = try second.ask(all: types).map { Text.string($0.stringBytes ?? []) }
        var same: [(key: Bytes, type: String)] = []
        for (index, key) in keys.enumerated() {
            // A key that is gone meanwhile is not compared.
            if firstTypes[index] == "none" { continue }
            compared += 1
            if secondTypes[index] == "none" {
                tell(Difference(kind: .onlyInFirst, key: key))
            } else if firstTypes[index] != secondTypes[index] {
                tell(Difference(kind: .type, key: key, detail: "\(firstTypes[index]) and \(secondTypes[index])"))
            } else {
                same.append((key, firstTypes[index]))
            }
        }
        for (entry, detail) in zip(
            same, try ValueComparison(first, second, fieldExpiry: comparesFieldExpiry).differences(same))
        {
            if let detail { tell(Difference(kind: .value, key: entry.key, detail: detail)) }
        }
        try compareExpiries(same.map(\.key))
    }

    private mutating func compareExpiries(_ keys: [Bytes]) throws(ToolFailure) {
        var commands = keys.map { [Bytes((knowsExpireTime ? "PEXPIRETIME" : "PTTL").utf8), $0] }
        var left = try first.ask(all: commands)
        var right = try second.ask(all: commands)
        if knowsExpireTime, (left + right).contains(where: { $0.errorText != nil }) {
            knowsExpireTime = false
            commands = keys.map { [Bytes("PTTL".utf8), $0] }
            left = try first.ask(all: commands)
            right = try second.ask(all: commands)
        }
        for (index, key) in keys.enumerated() {
            guard let one = left[index].integerValue, let other = right[index].integerValue else { continue }
            // -2: it expired just now.
            if one == -2 || other == -2 { continue }
            if (one < 0) != (other < 0) {
                tell(Difference(kind: .expiry, key: key, detail: "only the \(one < 0 ? "second" : "first") expires"))
            } else if one >= 0, abs(one - other) > options.toleranceMilliseconds {
                tell(Difference(kind: .expiry, key: key, detail: "\(abs(one - other)) milliseconds apart"))
            }
        }
    }
}
