// Goal: whatever a loss of power leaves of the files, they load, and hold what was acknowledged, and nothing by halves. Method: a server writes to
// a disk that remembers everything; each state that it may be left in is laid out in a directory, from which another server loads.

import Glibc
import StoreEngine
import Testing

@testable import RespServer

@Suite(.serialized) struct PersistenceTests {
    /// A server whose disk is recorded, and what it has acknowledged.
    private final class RecordedServer {
        let directory = TemporaryDirectory()
        let disk: RecordedDisk
        let scripted: ScriptedServer
        let client: ScriptedClient
        private let settings: String
        /// How much had been done to the disk when a number was acknowledged.
        private var acknowledged: [(changes: Int, number: Int)] = [(0, 0)]
        private(set) var number = 0

        /// - Parameter later: the settings of the servers that load, where they are others.
        init(_ settings: String, later: String? = nil) throws {
            self.settings = later ?? settings
            var status = stat()
            #expect(stat(directory.path, &status) == 0)
            disk = RecordedDisk(root: UInt64(status.st_ino))
            DiskObservation.shared.begin(disk)
            scripted = ScriptedServer("dir \(directory.path)\n\(settings)")
            #expect(scripted.server.loadData())
            client = scripted.connect()
        }

        deinit {
            _ = scripted.server.appendOnly.finish()
            DiskObservation.shared.end()
        }

        /// - Parameter reply: may have to wait for the disk.
        func send(_ lines: String, _ reply: String) {
            let start = client.received.count
            scripted.send(client, lines)
            wait { client.received.count < start + reply.utf8.count }
            #expect(String(decoding: client.received[start...], as: UTF8.self) == reply, "\(lines)")
        }

        /// Writes the next number in several places, which must agree.
        func write() {
            number += 1
            send(
                "MULTI\nSET one \(number)\nRPUSH all \(number)\nSET two \(number)\nEXEC",
                "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n:\(number)\r\n+OK\r\n")
        }

        /// From here on what was written has to be there.
        func acknowledge() { acknowledged.append((disk.count, number)) }

        /// Waits for what the other thread does.
        func wait(while condition: () -> Bool) {
            for _ in 0..<5000 where condition() {
                usleep(1000)
                scripted.server.updateTime()
                scripted.run()
            }
        }

        /// Loads each state that there may be.
        /// - Returns: how many different ones there were.
        func check() -> Int {
            var wanted: [RecordedDisk.State: Int] = [:]
            for count in 0...disk.count {
                let least = acknowledged.last { $0.changes <= count }?.number ?? 0
                for names in RecordedDisk.Rest.allCases {
                    for writes in RecordedDisk.Rest.allCases {
                        let state = disk.state(after: count, names: names, writes: writes)
                        wanted[state] = max(wanted[state] ?? 0, least)
                    }
                }
            }
            for (state, least) in wanted { check(state, holds: least) }
            return wanted.count
        }

        private func check(_ state: RecordedDisk.State, holds least: Int) {
            let directory = TemporaryDirectory()
            for path in state.keys.sorted() where path.hasSuffix("/") { mkdir("\(directory.path)/\(path)", 0o755) }
            for (path, content) in state where !path.hasSuffix("/") {
                let file = fopen("\(directory.path)/\(path)", "w")
                #expect(fwrite(content, 1, content.count, file) == content.count)
                fclose(file)
            }
            let described = state.mapValues(\.count)
            let other = ScriptedServer("dir \(directory.path)\n\(settings)")
            guard other.server.loadData() else {
                Issue.record("\(least) were acknowledged, and this does not load: \(described)")
                return
            }
            let client = other.connect(sending: "GET one\nGET two\nLLEN all")
            let words = client.text.split(separator: "\r\n")
            let found = words.first == "$-1" ? 0 : words.count > 1 ? Int(words[1]) : nil
            let whole =
                found.map { $0 == 0 ? "$-1\r\n$-1\r\n:0\r\n" : "\(bulk($0))\(bulk($0)):\($0)\r\n" } ?? "a number"
            #expect(client.text == whole, "\(described)")
            #expect((found ?? -1) >= least && (found ?? 0) <= number, "\(least) were acknowledged: \(described)")
            _ = other.server.appendOnly.finish()
        }

        private func bulk(_ number: Int) -> String { "$\("\(number)".count)\r\n\(number)\r\n" }
    }

    private static let logging = "appendonly yes\nsave \"\"\nauto-aof-rewrite-percentage 0\nappendfsync "

    private func rewrite(_ one: RecordedServer) {
        let server = one.scripted.server
        one.send("BGREWRITEAOF", "+Background append only file rewriting started\r\n")
        one.write()
        one.wait { server.persistence.background != nil }
    }

    /// Everything that was answered is there, also around two rewrites.
    @Test func nothingAcknowledgedIsLost() throws {
        let one = try RecordedServer(Self.logging + "always")
        for step in 0..<9 {
            one.write()
            one.acknowledge()
            if step % 4 == 3 {
                rewrite(one)
                one.acknowledge()
            }
        }
        #expect(one.check() > 50)
    }

    /// Without syncing after each write what is left is whole, and what was synced is there.
    @Test func whatIsLeftIsWhole() throws {
        let one = try RecordedServer(Self.logging + "no")
        for step in 0..<9 {
            one.write()
            if step % 4 == 3 { rewrite(one) }
        }
        #expect(one.check() > 50)
    }

    @Test func whatIsSwitchedOnWhileItRunsIsThere() throws {
        let one = try RecordedServer(
            Self.logging.replacing("appendonly yes", with: "appendonly no") + "always", later: Self.logging + "always")
        for _ in 0..<3 { one.write() }
        // What was not logged is not asked for, but from the end of the first rewrite on it is.
        one.send("CONFIG SET appendonly yes", "+OK\r\n")
        one.wait { one.scripted.server.appendOnly.state != .on }
        #expect(one.scripted.server.appendOnly.state == .on)
        one.acknowledge()
        for _ in 0..<3 {
            one.write()
            one.acknowledge()
        }
        #expect(one.check() > 20)
    }

    /// A snapshot that was saved is there until the next one is.
    @Test func snapshotsAreThere() throws {
        let one = try RecordedServer("save \"\"")
        for _ in 0..<3 {
            one.write()
            one.send("SAVE", "+OK\r\n")
            one.acknowledge()
            one.write()
            one.send("BGSAVE", "+Background saving started\r\n")
            one.wait { one.scripted.server.persistence.background != nil }
            one.acknowledge()
        }
        #expect(one.check() > 20)
    }
}
