// Goal: what the tools show follows from what a server tells. Method: texts as servers send them.

import TerminalKit
import Testing

@testable import respcli

@Suite struct ToolTests {
    private static func tool(_ words: String...) -> Tool? { Tool.find(words.map { Bytes($0.utf8) }) }

    @Test func commandsStayCommands() {
        #expect(Self.tool("bench") == .bench && Self.tool("BENCH") == nil && Self.tool() == nil)
        #expect(Self.tool("copy", "a", "b") == nil && Self.tool("COPY", "redis://a", "b") == nil)
        #expect(Self.tool("copy", "redis://a", "redis://b") == .copy && Self.tool("copy", "--resume", "f") == .copy)
        #expect(Self.tool("copy", "--version") == .copy && Self.tool("copy", "-v") == .copy)
        #expect(Self.tool("copy", "-x", "b") == nil && Self.tool("copy") == nil)
        #expect(Self.tool("watch", "PING") == .watch && Self.tool("WATCH", "key") == nil)
    }

    private static let before = ServerSample(
        time: 0, info: Bytes("cmdstat_get:calls=10,usec=100\r\ncmdstat_set:calls=5,usec=50\r\n".utf8))
    private static let after = ServerSample(
        time: 2_000_000_000,
        info: Bytes(
            ("redis_version:7.0\r\nused_memory:2048\r\ncmdstat_get:calls=30,usec=160\r\ncmdstat_set:calls=3,usec=30\r\n"
                + "cmdstat_del:calls=0,usec=0\r\nlatency_percentiles_usec_get:p50=1.5,p99=7.0,p99.9=9.0\r\n").utf8))

    @Test func rates() {
        let rates = Self.after.rates(since: Self.before)
        #expect(rates.map(\.name) == ["get", "set"])
        #expect(rates[0].perSecond == 10 && rates[0].microseconds == 3)
        // The counts of SET began again in between.
        #expect(rates[1].perSecond == 1.5 && rates[1].microseconds == 10)
        #expect(Self.after.rates(since: Self.after).isEmpty)
    }

    @Test func theScreenHasWhatThereIs() {
        let view = TopView(
            address: "h:1", sample: Self.after, rates: Self.after.rates(since: Self.before), history: [1, 2, 11.5],
            keys: KeySampling(),
            clients: [["addr": "1.2.3.4:5", "cmd": "get", "tot-mem": "1024", "age": "7", "idle": "0"]])
        let lines = view.lines(width: 100, height: 30)
        #expect(lines[0].hasPrefix("h:1  redis 7.0") && lines[1].hasPrefix("memory 2.00K"))
        #expect(
            lines.contains { $0.hasPrefix("get ") && $0.contains("10.0") && $0.contains("7.0") && $0.hasSuffix("█") })
        #expect(lines.contains { $0.hasPrefix("1.2.3.4:5") && $0.contains("1.00K") } && lines[5] == "▁▁█")
    }

    @Test func scriptsNameEveryOption() {
        for shell in Completions.shells {
            let script = Completions.script(shell) ?? ""
            for part in Completions.parts {
                for name in part.options.flatMap(\.names) {
                    let shown = shell == "fish" ? String(name.drop { $0 == "-" }) : name
                    #expect(script.contains(shown), "\(shell) \(name)")
                }
            }
            #expect(script.contains(shell == "zsh" ? "'1:shell:(bash zsh fish)'" : "'bash zsh fish'"))
        }
        #expect(Completions.script("csh") == nil)
        for name in BenchOptions.table.entries.flatMap(\.names) {
            #expect(ManualPage.text.contains(name.map { $0 == "-" ? "\\-" : String($0) }.joined()))
        }
    }
}
