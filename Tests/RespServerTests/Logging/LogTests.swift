// Goal: lines in both formats are exact, cannot be forged by what they quote, and go where they should.

import Glibc
import Synchronization
import Testing

@testable import RespServer

/// Keeps what a log writes.
final class LogCollector: Sendable {
    private let lines = Mutex<[UInt8]>([])
    let log: Log

    init(level: LogLevel = .notice) {
        log = Log(level: level, clock: { 1_795_222_923_004 })
        log.redirect(to: .collector { [weak self] line in self?.add(line) })
    }

    private func add(_ line: [UInt8]) { lines.withLock { $0 += line } }

    var text: String { lines.withLock { String(decoding: $0, as: UTF8.self) } }
}

@Suite struct LogTests {
    private func line(
        _ message: String, _ level: LogLevel = .notice, _ role: LogRole = .primary, at time: Int = 1_795_222_923_004
    )
        -> LogLine
    {
        LogLine(level: level, role: role, processID: 42, milliseconds: time, message: message)
    }

    @Test func textLines() {
        // 2026-11-21 01:02:03.004 UTC, in whatever zone the machine has.
        var seconds = time_t(1_795_222_923)
        var clock = tm()
        localtime_r(&seconds, &clock)
        var buffer = [CChar](repeating: 0, count: 64)
        strftime(&buffer, buffer.count, "%d %b %Y %H:%M:%S", &clock)
        let date = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        #expect(text(line("hello").bytes(.text)) == "42:M \(date).004 * hello\n")
        #expect(text(line("x", .debug, .replica).bytes(.text)) == "42:S \(date).004 . x\n")
        #expect(text(line("x", .verbose, .child).bytes(.text)) == "42:C \(date).004 - x\n")
        #expect(text(line("x", .warning).bytes(.text)) == "42:M \(date).004 # x\n")
    }

    @Test func jsonLines() {
        #expect(
            text(line("hello").bytes(.json))
                == #"{"ts":"2026-11-21T01:02:03.004Z","level":"notice","pid":42,"role":"primary","msg":"hello"}"# + "\n"
        )
        #expect(
            text(line("x", .warning, .replica, at: -1).bytes(.json)).hasPrefix(
                #"{"ts":"1969-12-31T23:59:59.999Z","level":"warning""#))
    }

    @Test func messagesCannotBreakTheirLine() {
        let message = "a\"b\\c\r\nd\te\u{1}\u{7F}é"
        #expect(text(line(message).bytes(.json)).hasSuffix(#""msg":"a\"b\\c\r\nd\te\u0001\u007fé"}"# + "\n"))
        #expect(text(line(message).bytes(.text)).hasSuffix("* a\"b\\c\\r\\nd\te\\x01\\x7fé\n"))
    }

    @Test func levelsBelowTheThresholdAreNeitherWrittenNorMade() {
        let collector = LogCollector(level: .notice)
        var made: [String] = []
        func message(_ name: String) -> String {
            made.append(name)
            return name
        }
        collector.log.debug(message("debug"))
        collector.log.verbose(message("verbose"))
        collector.log.notice(message("notice"))
        collector.log.warning(message("warning"))
        #expect(made == ["notice", "warning"])
        collector.log.level = .debug
        collector.log.debug(message("debug"))
        collector.log.line(.verbose, message("verbose"))
        #expect(made == ["notice", "warning", "debug", "verbose"])
        #expect(collector.text.split(separator: "\n").count == 4)
        for level in LogLevel.allCases {
            collector.log.level = level
            #expect(collector.log.level == level)
        }
        #expect(!collector.log.includes(.warning))
    }

    @Test func fileIsAppendedToAndFoundAnewAfterRotation() {
        let directory = TemporaryDirectory()
        let path = directory.write("log", "before\n")
        let log = Log(to: .file(path))
        log.notice("one")
        #expect(directory.read("log").hasPrefix("before\n"))
        #expect(rename(path, "\(directory.path)/log.1") == 0)
        log.notice("two")
        #expect(directory.read("log.1").contains("* one\n"))
        #expect(directory.read("log").contains("* two\n") && !directory.read("log").contains("one"))
    }

    @Test func roleAndFormatChangeWhileRunning() {
        let collector = LogCollector()
        collector.log.role = .replica
        collector.log.format = .json
        collector.log.notice("x")
        #expect(collector.text.contains("\"role\":\"replica\""))
        #expect(collector.text.contains("\"pid\":\(getpid()),"))
    }

    @Test func threadsDoNotMixTheirLines() async {
        let directory = TemporaryDirectory()
        let log = Log(to: .file("\(directory.path)/log"))
        let message = String(repeating: "x", count: 500)
        await withTaskGroup { group in
            for _ in 0..<4 { group.addTask { for _ in 0..<100 { log.notice(message) } } }
        }
        let lines = directory.read("log").split(separator: "\n")
        #expect(lines.count == 400)
        #expect(lines.allSatisfy { $0.hasSuffix("* \(message)") })
    }
}
