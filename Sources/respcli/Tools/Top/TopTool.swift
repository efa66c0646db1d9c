// `respcli top`: a live screen of a server: which commands it runs how often and how fast, its memory, its keys and its clients.

import Glibc
import RespCodec
import TerminalKit

struct TopOptions {
    var server = ServerOptions()
    var intervalMilliseconds = 1000
    var isOnce = false

    static let table = OptionTable<TopOptions>(
        ServerOptions.addressEntries.map { $0.lifted(\.server) } + [ServerOptions.checkedDatabaseEntry.lifted(\.server)]
            + ServerOptions.passwordEntries.map { $0.lifted(\.server) }
            + ServerOptions.encryptionEntries.map { $0.lifted(\.server) } + [
                OptionEntry("-i", value: "SECONDS", section: "Screen", help: "Between one look and the next (1).") {
                    let (seconds, isWhole) = Text.double($1)
                    guard isWhole, seconds > 0, seconds <= 1_000_000 else {
                        return "-i takes a number of seconds, above 0 and up to 1000000."
                    }
                    $0.intervalMilliseconds = max(10, Int(seconds * 1000))
                    return nil
                },
                .flag("--once", section: "Screen", help: "Print one screen, after one interval, and end.") {
                    $0.isOnce = true
                },
            ])

    static let usage = """
        Usage: respcli top [OPTIONS]

        A live screen of a server: commands per second by command with their latencies, memory by type, the hottest keys,
        and the clients with the most memory. q ends.

        """ + table.help + """

              --help             This text.
              -v, --version      The version.

            """
}

struct TopTool {
    private let options: TopOptions
    private var connection: ToolConnection
    private var earlier: ServerSample
    private var history: [Double] = []
    private var keys = KeySampling()

    static func main(_ arguments: [Bytes]) -> CInt {
        var options = TopOptions()
        guard let rest = TopOptions.table.parse(arguments, tool: .top, into: &options) else { return 1 }
        guard rest.isEmpty else {
            StandardError.write("\(Text.string(rest[0])): top takes options only. See respcli top --help.\n")
            return 1
        }
        if options.server.password == nil { options.server.password = Text.environment("REDISCLI_AUTH") }
        do throws(ToolFailure) {
            var tool = try TopTool(options)
            return try tool.run()
        } catch {
            StandardError.write("Error: \(error.message)\n")
            return 1
        }
    }

    private init(_ options: TopOptions) throws(ToolFailure) {
        self.options = options
        connection = try ToolConnection(options.server, options: ServerOptions.addressNames)
        earlier = try Self.sample(connection)
    }

    private static func sample(_ connection: ToolConnection) throws(ToolFailure) -> ServerSample {
        let reply = try connection.need([Bytes("INFO".utf8), Bytes("everything".utf8)])
        return ServerSample(time: Clock.nanoseconds, info: reply.stringBytes ?? [])
    }

    private mutating func run() throws(ToolFailure) -> CInt {
        if options.isOnce {
            Clock.sleep(microseconds: options.intervalMilliseconds * 1000)
            let size = TerminalDevice.size(STDOUT_FILENO)
            var output = StandardOutput()
            output.write(try look().lines(width: size.columns, height: size.rows).joined(separator: "\n") + "\n")
            output.flush()
            return 0
        }
        guard let screen = Screen() else {
            throw ToolFailure("top needs a terminal; --once prints one screen")
        }
        defer { screen.leave() }
        screen.draw(["\(options.server.endpoint.description): looking..."])
        var view: TopView?
        while true {
            let end = Clock.milliseconds + options.intervalMilliseconds
            while Clock.milliseconds < end {
                for key in screen.keys(milliseconds: end - Clock.milliseconds) {
                    if key == .text([UInt8(ascii: "q")]) || key == .control("C") || key == .control("D") { return 0 }
                }
                if screen.needsRedraw, let view { Self.draw(view, screen) }
            }
            do throws(ToolFailure) {
                view = try look()
                Self.draw(view!, screen)
            } catch {
                screen.draw([error.message, "waiting for the server ...   q ends"])
                if let again = try? ToolConnection(options.server), let first = try? Self.sample(again) {
                    connection = again
                    earlier = first
                }
            }
        }
    }

    private static func draw(_ view: TopView, _ screen: Screen) {
        screen.draw(view.lines(width: screen.size.columns, height: screen.size.rows))
    }

    private mutating func look() throws(ToolFailure) -> TopView {
        let now = try Self.sample(connection)
        let rates = now.rates(since: earlier)
        earlier = now
        history.append(rates.reduce(0) { $0 + $1.perSecond })
        if history.count > 1000 { history.removeFirst() }
        try keys.sample(connection)
        let list = try connection.ask("CLIENT", "LIST").stringBytes ?? []
        let clients = Text.string(list).split(separator: "\n").map { line in
            var fields: [String: String] = [:]
            for word in line.split(separator: " ") {
                let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                if parts.count == 2 { fields[String(parts[0])] = String(parts[1]) }
            }
            return fields
        }.sorted { (Int($0["tot-mem"] ?? "") ?? 0) > (Int($1["tot-mem"] ?? "") ?? 0) }
        return TopView(
            address: options.server.endpoint.description, sample: now, rates: rates, history: history, keys: keys,
            clients: clients)
    }
}
