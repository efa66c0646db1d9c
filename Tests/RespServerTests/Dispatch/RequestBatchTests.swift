// What is found for the requests of a batch before any of them runs.

import RespCodec
import Testing

@testable import RespServer
@testable import StoreEngine

@Suite struct RequestBatchTests {
    private let one = ScriptedServer()
    private let reader = RequestReader()

    /// Looks a pipeline up as the server does.
    private func lookUp(_ bytes: [UInt8], in batch: RequestBatch, _ body: () -> Void) {
        bytes.withUnsafeBytes { window in
            var parser = RequestParser(limits: reader.limits)
            _ = reader.readBatch(window, from: 0, limit: RequestReader.batchCapacity, parser: &parser)
            batch.lookUp(
                reader, window.baseAddress!, commands: one.server.commands, engine: one.server.engine, database: 0)
            body()
        }
    }

    private func names(_ batch: RequestBatch, _ count: Int) -> [String?] {
        (0..<count).map { batch.command($0)?.record.info.name }
    }

    @Test func aNewBatchHasNothing() {
        let batch = RequestBatch()
        for index in 0..<RequestReader.batchCapacity { #expect(batch.command(index) == nil && batch.key(index) == nil) }
    }

    @Test func commandsAndTheirFirstKeys() {
        let batch = RequestBatch()
        let pipeline = requests(
            "get key\nPING\nHGET hash field\nnothing such\nMGET a b\nGET\nZSCORE z m\nXREAD STREAMS s 0")
        lookUp(pipeline, in: batch) {
            #expect(reader.count == 8)
            #expect(names(batch, 8) == ["GET", "PING", "HGET", nil, "MGET", "GET", "ZSCORE", "XREAD"])
            let keys = (0..<8).map { batch.key($0)?.key.description }
            #expect(keys == ["key", nil, "hash", nil, "a", nil, "z", nil])
            for index in 0..<8 {
                guard let hashed = batch.key(index) else { continue }
                #expect(hashed.hash == one.server.engine.hash(hashed.key))
            }
        }
    }

    /// They are looked for in the value of their request's key, in a large one by the time the engine has seen them.
    @Test func membersAndTheirKeys() {
        let batch = RequestBatch()
        let fields = (0..<1000).map { "f\($0) v" }.joined(separator: " ")
        _ = one.server.engine.execute(
            "HSET large \(fields)".split(separator: " ").map { Array($0.utf8) }, version: .resp2)
        lookUp(requests("GET key\nHGET small field\nPING\nHGET large f7\nZSCORE z"), in: batch) {
            let (first, second) = (batch.members[0], batch.members[1])
            #expect(first.member == "field" && first.key == 1 && first.segments == nil)
            #expect(second.member == "f7" && second.key == 2 && second.segments != nil)
        }
    }

    @Test func exchangedBatchesKeepWhatTheyFound() {
        let (first, second) = (RequestBatch(), RequestBatch())
        lookUp(requests("GET a\nPING"), in: first) {
            lookUp(requests("SET b 1\nDEL c"), in: second) {
                first.exchange(with: second)
                #expect(names(first, 2) == ["SET", "DEL"] && names(second, 2) == ["GET", "PING"])
                #expect(first.key(1)?.key == "c" && second.key(1) == nil)
            }
        }
    }
}
