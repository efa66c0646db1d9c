// `respcli watch COMMAND`: sends a command again and again and shows its reply, with what has changed since the last time in reverse video.

import Glibc
import RespCodec
import TerminalKit

struct WatchOptions {
    var server = ServerOptions()
    var intervalMilliseconds = 2000
    /// How often; 0 for without end.
    var count = 0
    var usesResp3 = false

    static let table = OptionTable<WatchOptions>(
        ServerOptions.addressEntries.map { $0.lifted(\.server) } + [ServerOptions.checkedDatabaseEntry.lifted(\.server)]
            + [
                .flag("-3", section: "Server", help: "Speak RESP3.") { $0.usesResp3 = true }
            ]
            + ServerOptions.passwordEntries.map { $0.lifted(\.server) }
            + ServerOptions.encryptionEntries.map { $0.lifted(\.server) } + [
                OptionEntry("-i", value: "SECONDS", section: "Repetition", help: "Between one time and the next (2).") {
                    let (seconds, isWhole) = Text.double($1)
                    guard isWhole, seconds > 0, seconds <= 1_000_000 else {
                        return "-i takes a number of seconds, above 0 and up to 1000000."
                    }
                    $0.intervalMilliseconds = max(1, Int(seconds * 1000))
                    return nil
                },
                .number(
                    "-r", value: "COUNT", section: "Repetition", range: 1...Int.max, help: "End after this many times."
                ) { $0.count = $1 },
            ])

    static let usage = """
        Usage: respcli watch [OPTIONS] COMMAND [ARGUMENT ...]

        Sends a command again and again and shows its reply, with what has changed highlighted. q ends. Where standard
        output is no terminal, the reply is printed whenever it differs from the one before. In capitals, WATCH is the
        command of that name.

        """ + table.help + """

              --help             This text.
              -v, --version      The version.

            Examples
              respcli watch HGETALL user:1
              respcli watch -i 0.5 INFO clients

            """
}

struct WatchTool {
    static func main(_ arguments: [Bytes]) -> CInt {
        var options = WatchOptions()
        guard let command = WatchOptions.table.parse(arguments, tool: .watch, into: &options) else { return 1 }
        guard !command.isEmpty else {
            StandardError.write("A command is needed. See respcli watch --help.\n")
            return 1
        }
        let pattern = CommandTraits(command).pattern
        guard pattern == .single else {
            StandardError.write("\(Text.string(command[0])) has no single reply that could be shown again and again.\n")
            return 1
        }
        if options.server.password == nil { options.server.password = Text.environment("REDISCLI_AUTH") }
        return run(options, command)
    }

    private static func run(_ options: WatchOptions, _ command: [Bytes]) -> CInt {
        var formatting = Options()
        formatting.format = .terminal
        let formatter = ReplyFormatter(formatting)
        let traits = CommandTraits(command)
        let title = Text.string(Bytes(command.joined(separator: " ".utf8)))
        let screen = Screen()
        defer { screen?.leave() }
        var connection: ToolConnection?
        var previous: [String]?
        var shown: [String] = []
        var times = 0
        while options.count == 0 || times < options.count {
            var lines: [String]
            do throws(ToolFailure) {
                if connection == nil {
                    connection = try ToolConnection(
                        options.server, usesResp3: options.usesResp3, options: ServerOptions.addressNames)
                }
                var text: Bytes = []
                formatter.append(try connection!.ask(command), isPlainText: traits.isPlainText, to: &text)
                lines = Text.string(text).split(separator: "\n", omittingEmptySubsequences: false).map {
                    $0.hasSuffix("\r") ? String($0.dropLast()) : String($0)
                }
                while lines.last == "" { lines.removeLast() }
            } catch {
                // A server that is away is asked again.
                connection = nil
                lines = [error.message]
                if screen == nil && times == 0 {
                    StandardError.write("Error: \(error.message)\n")
                    return 1
                }
            }
            times += 1
            guard let screen else {
                if lines != previous {
                    var output = StandardOutput()
                    if previous != nil { output.write("\n") }
                    output.write(lines.joined(separator: "\n") + "\n")
                    output.flush()
                }
                previous = lines
                if options.count == 0 || times < options.count {
                    Clock.sleep(microseconds: options.intervalMilliseconds * 1000)
                }
                continue
            }
            shown = lines.enumerated().map { index, line in
                guard let previous else { return line }
                return Frame.highlighted(line, previous: index < previous.count ? previous[index] : "")
            }
            previous = lines
            let header =
                "\(title)   every \(Amount.fixed(Double(options.intervalMilliseconds) / 1000, decimals: 1)) s, \(options.server.endpoint.description)   q ends"
            screen.draw([header, ""] + shown)
            let end = Clock.milliseconds + options.intervalMilliseconds
            while Clock.milliseconds < end {
                for key in screen.keys(milliseconds: end - Clock.milliseconds) {
                    if key == .text([UInt8(ascii: "q")]) || key == .control("C") || key == .control("D") { return 0 }
                }
                if screen.needsRedraw { screen.draw([header, ""] + shown) }
            }
        }
        return 0
    }
}
