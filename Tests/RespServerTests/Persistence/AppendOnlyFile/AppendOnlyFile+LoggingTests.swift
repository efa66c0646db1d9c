// Goal: nothing leaves before what it depends on is in the append-only file. Method: clients that look into the file whenever they are sent
// something.

import Glibc
import RespCodec
import StoreEngine
import Testing

@testable import RespServer

/// A server that logs, and what is in its log.
private final class LoggingServer {
    let directory = TemporaryDirectory()
    let scripted: ScriptedServer
    var server: Server { scripted.server }

    init(_ settings: String = "appendfsync always") throws {
        scripted = ScriptedServer("dir \(directory.path)\nappendonly yes\n\(settings)")
        let opened = try AppendDirectory.open(
            scripted.server.configuration.settings, isMade: true, log: Log(level: .warning))
        try scripted.server.appendOnly.begin(in: try #require(opened))
    }

    deinit { _ = server.appendOnly.finish() }

    var log: String {
        let content = try? FileAccess.read(directory.path + "/appendonlydir/appendonly.aof.1.incr.aof").get()
        return String(decoding: content ?? [], as: UTF8.self)
    }
}

@Suite(.serialized) struct AppendOnlyFileLoggingTests {
    /// Checks each time that something is sent whether the log has it, and counts the times.
    private func watch(_ client: ScriptedClient, _ server: LoggingServer, _ text: String) -> () -> Int {
        var count = 0
        client.onSend = {
            count += 1
            #expect(server.log.contains(text), "it is told before it is in the log")
        }
        return { count }
    }

    @Test func repliesFollowTheLog() throws {
        let server = try LoggingServer()
        let client = server.scripted.connect()
        let count = watch(client, server, "$5\r\nvalue\r\n")
        server.scripted.send(client, "SET key value\nGET key")
        #expect(count() >= 1 && client.text == "+OK\r\n$5\r\nvalue\r\n")
    }

    @Test func longRepliesFollowIt() throws {
        let server = try LoggingServer()
        let client = server.scripted.connect(sending: "SETRANGE long 300000 x")
        let count = watch(client, server, "$5\r\nvalue\r\n")
        server.scripted.send(client, "SET key value\nGET long\nGET long")
        #expect(count() >= 2)
    }

    @Test func whatATransactionAnswersFollowsAllOfIt() throws {
        let server = try LoggingServer()
        let client = server.scripted.connect(sending: "SETRANGE long 300000 x")
        let other = server.scripted.connect(sending: "SUBSCRIBE channel")
        server.scripted.send(client, "MULTI\nSET first 1\nGET long\nPUBLISH channel text\nGET long\nSET last value")
        let counts = [client, other].map { watch($0, server, "$4\r\nEXEC\r\n") }
        server.scripted.send(client, "EXEC")
        #expect(counts[0]() >= 1 && counts[1]() >= 1)
        #expect(client.text.hasSuffix("+OK\r\n") && other.text.hasSuffix("$4\r\ntext\r\n"))
    }

    @Test func whoIsServedFollowsIt() throws {
        let server = try LoggingServer()
        let waiting = server.scripted.connect(sending: "BLPOP list 0")
        let count = watch(waiting, server, "$4\r\nLPOP\r\n")
        _ = server.scripted.connect(sending: "LPUSH list element")
        #expect(count() >= 1 && waiting.text == "*2\r\n$4\r\nlist\r\n$7\r\nelement\r\n")
    }

    @Test func eventsFollowIt() throws {
        let server = try LoggingServer("appendfsync always\nnotify-keyspace-events KEA")
        let other = server.scripted.connect(sending: "PSUBSCRIBE *")
        let count = watch(other, server, "$5\r\nvalue\r\n")
        _ = server.scripted.connect(sending: "SET key value")
        #expect(count() >= 1)
    }

    @Test func whatAllHaveDoneInATurnFollowsIt() throws {
        let server = try LoggingServer()
        let clients = (0..<50).map { _ in server.scripted.connect() }
        for (index, client) in clients.enumerated() {
            client.pieces.append(requests("SET key:\(index) value\nINCR counter"))
            client.onSend = { #expect(server.log.contains("key:\(index)\r\n")) }
        }
        server.scripted.run()
        #expect(clients.allSatisfy { $0.text.hasPrefix("+OK\r\n:") })
        #expect(server.log.ranges(of: "$4\r\nINCR\r\n").count == 50)
    }

    /// Nobody is told of a write that is not in the file; others are served, and when it can be written again, everybody is.
    @Test func repliesWaitWhileTheDiskIsFull() throws {
        let server = try LoggingServer()
        let writer = server.server.appendOnly.writer
        let reader = server.scripted.connect(sending: "SET key old")
        writer.open(try DataDirectory("/dev").openForAppending("full", isEmptied: false), size: 0)
        let client = server.scripted.connect(sending: "SET key new")
        #expect(client.text == "" && writer.failure?.reason == "No space left on device")
        #expect(reader.received { server.scripted.send(reader, "GET key") } == "$3\r\nnew\r\n")
        let refusal = "-MISCONF Errors writing to the AOF file: No space left on device\r\n"
        #expect(reader.received { server.scripted.send(reader, "SET key newer\nPING") } == refusal + refusal)
        let other = server.scripted.connect(sending: "EVAL return(redis.call('set','a','b')) 0")
        #expect(
            other.text.hasPrefix("-MISCONF Errors writing to the AOF file: No space left on device"), "\(other.text)")
        let name = "appendonly.aof.1.incr.aof"
        let files = try DataDirectory(server.directory.path + "/appendonlydir")
        writer.open(try files.openForAppending(name, isEmptied: false), size: try #require(files.byteCount(of: name)))
        server.server.appendOnly.maintain()
        server.scripted.run()
        #expect(client.text == "+OK\r\n" && server.log.contains("$3\r\nnew\r\n") && writer.failure == nil)
        #expect(reader.received { server.scripted.send(reader, "SET key newest") } == "+OK\r\n")
    }

    /// With `everysec` what could not be written is kept, and written when that is possible.
    @Test func nothingIsLostThatCouldNotBeWritten() throws {
        let server = try LoggingServer("appendfsync everysec")
        let writer = server.server.appendOnly.writer
        writer.open(try DataDirectory("/dev").openForAppending("full", isEmptied: false), size: 0)
        let client = server.scripted.connect(sending: "SET key value")
        #expect(client.text == "+OK\r\n" && writer.failure != nil && !server.log.contains("value"))
        let name = "appendonly.aof.1.incr.aof"
        let files = try DataDirectory(server.directory.path + "/appendonlydir")
        writer.open(try files.openForAppending(name, isEmptied: false), size: try #require(files.byteCount(of: name)))
        server.server.appendOnly.maintain()
        #expect(server.log.contains("$5\r\nvalue\r\n") && writer.failure == nil)
    }

    /// A turn writes some of a large effect, and the rest later; it counts as written when all of it is, and nothing of another comes between.
    @Test(arguments: ["always", "everysec"]) func largeEffectsAreWrittenInSeveralTurns(sync: String) throws {
        let server = try LoggingServer("appendfsync \(sync)")
        let writer = server.server.appendOnly.writer
        let value = String(repeating: "v", count: 5 << 20)
        let client = server.scripted.connect()
        client.pieces.append(Array("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$\(value.utf8.count)\r\n\(value)\r\n".utf8))
        let other = server.scripted.connect()
        var turns = 0
        while writer.fileSize == 0 && turns < 1000 {
            turns += 1
            server.scripted.turn()
            if turns == 5 { other.pieces.append(requests("SET other value")) }
            #expect(writer.fileSize == 0 || writer.fileSize == writer.writtenPosition)
        }
        #expect(turns > 5, "all was written in \(turns) turns")
        for _ in 0..<1000 where client.text == "" || other.text == "" || writer.hasWork {
            usleep(1000)
            server.server.updateTime()
            server.scripted.turn()
        }
        #expect(client.text == "+OK\r\n" && other.text == "+OK\r\n")
        let log = server.log
        #expect(log.contains("$\(value.utf8.count)\r\n\(value)\r\n*3\r\n$3\r\nSET\r\n$5\r\nother\r\n$5\r\nvalue\r\n"))
        #expect(log.utf8.count == writer.fileSize)
    }

    /// A deleted file takes what is written to it along: the log is written anew.
    @Test func aLogWhoseFileIsDeletedIsWrittenAnew() throws {
        let server = try LoggingServer()
        let name = "appendonly.aof.1.incr.aof"
        _ = server.scripted.connect(sending: "SET key value")
        try DataDirectory(server.directory.path + "/appendonlydir").remove(name)
        let client = server.scripted.connect(sending: "SET other value")
        #expect(client.text == "" && server.server.appendOnly.writer.failure?.isLasting == true)
        server.server.appendOnly.maintain()
        for _ in 0..<1000 where server.server.persistence.background != nil {
            usleep(1000)
            server.server.updateTime()
            server.scripted.run()
        }
        #expect(client.text == "+OK\r\n" && server.server.appendOnly.writer.failure == nil)
        let files = server.server.appendOnly.directory?.manifest.files.map(\.name)
        #expect(files == ["appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof"])
    }

    @Test func twoServersDoNotShareADirectory() throws {
        let server = try LoggingServer()
        do {
            _ = try AppendDirectory.open(server.server.configuration.settings, isMade: true, log: Log(level: .warning))
            Issue.record("both have it")
        } catch {
            #expect(error.lines.first?.hasPrefix("Another server uses the append-only directory") == true)
        }
    }

    @Test func effectsThatAreRecordedAreStillLogged() throws {
        let server = try LoggingServer("appendfsync always\nenable-debug-command yes")
        let client = server.scripted.connect(
            sending: "DEBUG EFFECTS START\nSET key value\nDEBUG EFFECTS STOP\nSET key other")
        #expect(client.text.hasSuffix("+OK\r\n+OK\r\n"))
        #expect(server.log.contains("$5\r\nvalue\r\n") && server.log.contains("$5\r\nother\r\n"))
    }
}
