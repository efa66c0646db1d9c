// Goal: what an append-only file has runs as the calls of clients do, and counts nowhere. Method: a server loads a log that was written by hand.

import Glibc
import Testing

@testable import RespServer

@Suite struct LogRunnerTests {
    private func server(_ log: [UInt8], _ directory: TemporaryDirectory, _ settings: String = "") -> ScriptedServer {
        mkdir("\(directory.path)/appendonlydir", 0o755)
        write(log, "\(directory.path)/appendonlydir/appendonly.aof.1.incr.aof")
        write(
            Array("file appendonly.aof.1.incr.aof seq 1 type i\n".utf8),
            "\(directory.path)/appendonlydir/appendonly.aof.manifest")
        return ScriptedServer("dir \(directory.path)\nappendonly yes\nenable-debug-command yes\n\(settings)")
    }

    private func write(_ bytes: [UInt8], _ path: String) {
        let file = fopen(path, "w")
        #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
        fclose(file)
    }

    @Test func whatIsLoadedCountsNowhere() {
        let directory = TemporaryDirectory()
        let one = server(
            requests("SET a 1\nINCR a\nRPUSH a x\nSELECT 1\nSADD s m\nSELECT 0\nMULTI\nHSET h f v\nEXEC\nBLPOP l 0"),
            directory, "slowlog-log-slower-than 0")
        #expect(one.server.loadData())
        #expect(one.server.errors.statistics.total == 0 && one.server.statistics.commandsProcessed == 0)
        #expect(one.server.commands.totals.calls == 0 && one.server.observer.logs[.slow].count == 0)
        let client = one.connect(sending: "GET a\nHGET h f\nSELECT 1\nSMEMBERS s\nINCR s")
        #expect(
            client.text == "$1\r\n2\r\n$1\r\nv\r\n+OK\r\n*1\r\n$1\r\nm\r\n"
                + "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n")
        // Only the client's own.
        #expect(one.server.errors.statistics.total == 1)
        _ = one.server.appendOnly.finish()
    }

    /// More requests than a batch has, in one group, with keys and members.
    @Test func groupsThatAreLongerThanABatch() {
        let directory = TemporaryDirectory()
        let count = 3 * RequestReader.batchCapacity + 1
        let lines = (0..<count).map { "SADD set\($0 % 7) m\($0)\nINCR n" }.joined(separator: "\n")
        let one = server(requests("MULTI\n\(lines)\nEXEC"), directory)
        #expect(one.server.loadData())
        let client = one.connect(sending: "GET n\nSCARD set0")
        #expect(client.text == "$\(String(count).utf8.count)\r\n\(count)\r\n:\((count + 6) / 7)\r\n")
        _ = one.server.appendOnly.finish()
    }
}
