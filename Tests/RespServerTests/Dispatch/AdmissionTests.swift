// The gate and the checks behind it: what each state of the server and of a client lets through, and in which order it is looked at.

import Testing

@testable import RespServer

@Suite struct AdmissionTests {
    private func client(_ one: ScriptedServer, _ lines: String) -> ScriptedClient {
        let client = one.connect()
        send(client, lines, one)
        return client
    }

    private func send(_ client: ScriptedClient, _ lines: String, _ one: ScriptedServer) {
        client.pieces.append(requests(lines))
        one.run()
    }

    @Test func theGateIsOpenUnlessSomethingIsToBeLookedAt() {
        let one = ScriptedServer()
        let client = client(one, "SET k v")
        func isOpen(after lines: String) -> Bool {
            send(client, lines, one)
            return client.connection.gate.isEmpty
        }
        #expect(one.server.gate.isEmpty && client.connection.gate.isEmpty)
        #expect(!isOpen(after: "MULTI") && isOpen(after: "EXEC"))
        #expect(!isOpen(after: "CLIENT NO-TOUCH ON") && isOpen(after: "CLIENT NO-TOUCH OFF"))
        #expect(!isOpen(after: "CLIENT REPLY OFF") && isOpen(after: "CLIENT REPLY ON"))
        #expect(!isOpen(after: "CLIENT REPLY SKIP") && isOpen(after: "PING"))
        #expect(!isOpen(after: "MULTI") && isOpen(after: "RESET"))
        send(client, "CLIENT PAUSE 100000 WRITE", one)
        #expect(one.server.gate == [.write, .mayWrite, .executesTransaction])
        send(client, "CLIENT PAUSE 100000 ALL", one)
        #expect(one.server.gate == .any)
    }

    @Test func withoutAuthentication() {
        let one = ScriptedServer("requirepass secret\n")
        let text = one.answer([requests("NOSUCH\nGET\nGET k\nEXEC\nAUTH secret\nGET k")])
        #expect(
            text == "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
                + "-ERR wrong number of arguments for 'get' command\r\n-NOAUTH Authentication required.\r\n"
                + "-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n+OK\r\n$-1\r\n")
    }

    /// A pause of writes suspends who writes, also at the end of a transaction, and nobody else; mistakes are told at once.
    @Test func pauseOfWrites() {
        let one = ScriptedServer()
        let control = client(one, "SET k v\nCLIENT PAUSE 100000 WRITE")
        let reader = client(one, "GET k\nSET k\nNOSUCH\nMULTI\nGET k\nEXEC")
        #expect(
            reader.text == "$1\r\nv\r\n-ERR wrong number of arguments for 'set' command\r\n"
                + "-ERR unknown command 'NOSUCH', with args beginning with: \r\n+OK\r\n+QUEUED\r\n*1\r\n$1\r\nv\r\n")
        let writer = client(one, "GET k\nSET k w\nGET k")
        let transaction = client(one, "MULTI\nSET other x\nEXEC\nPING")
        #expect(writer.text == "$1\r\nv\r\n" && writer.connection.isPaused)
        #expect(transaction.connection.isPaused, "\(transaction.text)")
        send(control, "CLIENT UNPAUSE", one)
        #expect(writer.text == "$1\r\nv\r\n+OK\r\n$1\r\nw\r\n")
        #expect(transaction.text == "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n+PONG\r\n")
    }

    @Test func pauseOfEverything() {
        let one = ScriptedServer()
        let control = client(one, "SET k v PX 60000")
        one.server.pause.begin(
            until: one.server.engine.now + 3_600_000, forWritesOnly: false, now: one.server.engine.now)
        one.server.followPause()
        let other = client(one, "NOSUCH\nPING\nGET k")
        #expect(
            other.text == "-ERR unknown command 'NOSUCH', with args beginning with: \r\n" && other.connection.isPaused)
        one.server.pause.finish(now: one.server.engine.now)
        one.server.followPause()
        one.run()
        #expect(other.text.hasSuffix("+PONG\r\n$1\r\nv\r\n") && one.server.gate.isEmpty)
        #expect(control.text == "+OK\r\n")
    }

    /// Data that are held are as in a pause of writes, whatever pauses there are beside that.
    @Test func heldWrites() {
        let one = ScriptedServer()
        let control = client(one, "SET k v")
        one.server.holdWrites()
        #expect(one.server.holdsData && !one.server.engine.removesExpiredKeys && one.server.pause.end == 0)
        let (writer, reader) = (client(one, "SET k w"), client(one, "GET k"))
        #expect(writer.connection.isPaused && reader.text == "$1\r\nv\r\n")
        // The end of a pause lets nobody write, but others go on.
        send(control, "CLIENT PAUSE 100000 ALL", one)
        let other = client(one, "GET k")
        #expect(other.connection.isPaused)
        one.server.pause.finish(now: one.server.now)
        one.server.followPause()
        one.run()
        #expect(other.text == "$1\r\nv\r\n" && writer.connection.isPaused && !one.server.engine.removesExpiredKeys)
        // A pause goes on when they are released.
        send(control, "CLIENT PAUSE 100000 WRITE", one)
        one.server.releaseWrites()
        one.run()
        #expect(writer.connection.isPaused && one.server.holdsData)
        send(control, "CLIENT UNPAUSE", one)
        #expect(writer.text == "+OK\r\n" && one.server.engine.removesExpiredKeys && one.server.gate.isEmpty)
        one.server.holdWrites()
        send(writer, "SET k x", one)
        #expect(writer.connection.isPaused)
        one.server.releaseWrites()
        one.run()
        #expect(writer.text == "+OK\r\n+OK\r\n" && one.server.gate.isEmpty && !one.server.holdsData)
    }

    /// Once the server is to end nobody's requests are executed any more, those of the same turn included.
    @Test func nothingIsExecutedBehindShutdown() {
        let one = ScriptedServer()
        let control = client(one, "SET k v")
        let other = client(one, "PING")
        let changes = one.server.engine.changeCount
        control.pieces.append(requests("SHUTDOWN NOSAVE\nSET k w"))
        other.pieces.append(requests("SET k x\nPING"))
        one.turn()
        // A slow turn leaves the other one to the next.
        if !other.connection.isPaused { one.turn() }
        #expect(one.server.turns.isStopping && one.server.gate == .any && one.server.pause.end == 0)
        #expect(control.text == "+OK\r\n" && other.text == "+PONG\r\n" && other.connection.isPaused)
        #expect(one.server.engine.changeCount == changes)
    }

    /// What is refused while a transaction is queued breaks it; what needs no queue runs at once.
    @Test func transactions() {
        let one = ScriptedServer()
        #expect(
            one.answer([requests("MULTI\nSET k\nEXEC")]).hasSuffix(
                "-EXECABORT Transaction discarded because of previous errors.\r\n"))
        let text = one.answer([requests("MULTI\nCLIENT REPLY OFF\nEXEC\nMULTI\nWATCH k\nEXEC")])
        #expect(text.contains("-ERR Command 'client|reply' not allowed inside a transaction\r\n"))
        #expect(text.hasSuffix("-ERR WATCH inside MULTI is not allowed\r\n*0\r\n"))
        // Nobody waits in a transaction, and time stands still for all of it.
        #expect(
            one.answer([requests("MULTI\nBLPOP none 0\nTIME\nEXEC")]).hasPrefix(
                "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n*-1\r\n*2\r\n"))
    }
}
