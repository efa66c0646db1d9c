// Goal: the program knows by its name and its arguments whether it is to examine files. Method: names and arguments.

import Testing

@testable import RespServer

@Suite struct FileCheckTests {
    private func start(_ name: String, _ words: String...) -> FileCheck.Start? {
        FileCheck.start(name: name, words.map { Array($0.utf8) })
    }

    @Test func aServerIsNone() {
        #expect(start("/usr/bin/resp-server", "--port", "0") == nil)
        #expect(start("resp-server") == nil)
        #expect(start("resp-server", "redis-check-aof") == nil)
        #expect(start("/opt/redis-check-rdb/resp-server", "x") == nil)
        #expect(start("") == nil)
    }

    @Test(arguments: ["redis-check-rdb", "./resp-check-rdb", "/usr/bin/redis-check-rdb7"])
    func snapshots(name: String) {
        #expect(start(name, "dump.rdb") == .check(.snapshot, .examine, path: "dump.rdb"))
        #expect(start(name) == .refuse("Usage: \(name) <rdb-file-name>"))
        #expect(start(name, "a", "b") == .refuse("Usage: \(name) <rdb-file-name>"))
    }

    @Test(arguments: ["redis-check-aof", "/usr/bin/resp-check-aof"]) func logs(name: String) {
        #expect(start(name, "x") == .check(.log, .examine, path: "x"))
        #expect(start(name, "--fix", "x") == .check(.log, .fix, path: "x"))
        #expect(start(name, "--truncate-to-timestamp", "12", "x") == .check(.log, .cut(12), path: "x"))
        #expect(start(name, "--truncate-to-timestamp", "12x", "x") == .refuse("Invalid timestamp, aborting..."))
        for words in [[], ["--fix", "a", "b"], ["a", "b"], ["a", "b", "c", "d"]] {
            guard case .refuse(let text) = FileCheck.start(name: name, words.map { Array($0.utf8) }) else {
                Issue.record("\(words) were taken")
                continue
            }
            #expect(text.hasPrefix("Usage: \(name) "))
        }
    }

    @Test func anything() {
        #expect(start("resp-server", "--check", "x") == .check(.any, .examine, path: "x"))
        #expect(start("resp-server", "--check", "--fix", "x") == .check(.any, .fix, path: "x"))
        #expect(
            start("resp-server", "--check", "--truncate-to-timestamp", "12", "x") == .check(.any, .cut(12), path: "x"))
        var isRefused = false
        if case .refuse = start("resp-server", "--check") { isRefused = true }
        #expect(isRefused)
    }
}
