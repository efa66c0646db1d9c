// `--stat`: a line about the server each second.

import RespCodec

struct StatisticsMode {
    private let session: Session

    init(_ session: Session) { self.session = session }

    func run() -> CInt {
        var lines = 0
        var requests = 0
        while true {
            let reply = session.askReconnecting([Bytes("INFO".utf8)])
            if let message = reply.errorText { session.failMode("ERROR: \(Text.string(message))") }
            let info = ServerInfo(reply.stringBytes ?? [])
            if lines % 20 == 0 {
                session.output.write(
                    """
                    ------- data ------ --------------------- load -------------------- - child -
                    keys       mem      clients blocked requests            connections          

                    """)
            }
            lines += 1
            let processed = info.integer("total_commands_processed") ?? 0
            var line = padded("\(info.keyCount)", 11)
            line += padded(Text.size(info.integer("used_memory") ?? 0), 8)
            line += " " + padded("\(info.integer("connected_clients") ?? 0)", 8)
            line += padded("\(info.integer("blocked_clients") ?? 0)", 8)
            line += padded("\(processed) (+\(requests == 0 ? 0 : processed - requests))", 19)
            line += " " + padded("\(info.integer("total_connections_received") ?? 0)", 12)
            requests = processed
            let saves = info.integer("rdb_bgsave_in_progress") ?? 0
            let rewrites = info.integer("aof_rewrite_in_progress") ?? 0
            let loads = info.integer("loading") ?? 0
            switch saves | rewrites << 1 | loads << 2 {
            case 1: line += "SAVE"
            case 2: line += "AOF"
            case 3: line += "SAVE+AOF"
            case 4: line += "LOAD"
            default: break
            }
            session.output.write(line + "\n")
            session.output.flush()
            Clock.sleep(microseconds: session.options.intervalMicroseconds ?? 1_000_000)
        }
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.utf8.count))
    }
}

/// The fields of a reply to INFO.
struct ServerInfo {
    private var fields: [String: String] = [:]
    /// The lines in order, without those of sections.
    private(set) var lines: [(name: String, value: String)] = []

    init(_ text: Bytes) {
        for line in text.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            guard line.first != UInt8(ascii: "#"), let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let name = Text.string(Bytes(line[..<colon]))
            let value = Text.string(Bytes(line[(colon + 1)...]))
            fields[name] = value
            lines.append((name, value))
        }
    }

    subscript(name: String) -> String? { fields[name] }

    /// The number at the start of a field.
    func integer(_ name: String) -> Int? { fields[name].map { Text.leadingInteger(Bytes($0.utf8)) } }

    func double(_ name: String) -> Double? { fields[name].map { Text.leadingDouble(Bytes($0.utf8)) } }

    /// The parts of a value such as "keys=1,expires=0".
    func parts(_ name: String) -> [String: String] {
        var parts: [String: String] = [:]
        for part in (fields[name] ?? "").split(separator: ",") {
            let words = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if words.count == 2 { parts[String(words[0])] = String(words[1]) }
        }
        return parts
    }

    /// The keys of all databases.
    var keyCount: Int {
        lines.reduce(0) { sum, line in
            guard line.name.hasPrefix("db"), line.name.dropFirst(2).allSatisfy(\.isNumber) else { return sum }
            return sum + (Int(parts(line.name)["keys"] ?? "0") ?? 0)
        }
    }
}
