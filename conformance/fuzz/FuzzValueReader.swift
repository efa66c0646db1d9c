// modules: RespCodec StoreEngine
//
// Any bytes are restored as a value, with a right checksum so that they are read. Besides not crashing, these things must hold:
//   - what is refused leaves nothing behind, and what is let through only what DEL takes away;
//   - a value that was let through can be saved and restored, and is the same then;
//   - every command of its type can be used on it.
// The bytes are also looked through as a listpack, and if they are one, walked from both sides in memory of just their size.

import RespCodec

@testable import StoreEngine

nonisolated(unsafe) private let engine = {
    let engine = Engine(databases: 1, seed: 1)
    engine.setTime(1_700_000_000_000)
    return engine
}()

private let usedAtStart = engine.usedBytes

private func run(_ words: [[UInt8]]) -> [UInt8] { engine.execute(words, version: .resp2) }

private func run(_ line: String) -> [UInt8] { run(line.split(separator: " ").map { Array($0.utf8) }) }

private func digest(_ key: String) -> String {
    Array(key.utf8).withByteSlice { engine.valueDigest(of: $0, database: 0) }
}

/// What a bulk string holds.
private func content(_ reply: [UInt8]) -> [UInt8] {
    guard let end = reply.firstIndex(of: 10), reply.count > end + 2 else { return [] }
    return Array(reply[(end + 1)..<(reply.count - 2)])
}

private let uses: [String: [String]] = [
    "string": ["GET k", "APPEND k x", "GETRANGE k 1 5", "INCR k"],
    "hash": [
        "HGETALL k", "HSET k new v", "HRANDFIELD k -3 WITHVALUES", "HDEL k new", "HTTL k FIELDS 1 f",
        "HEXPIRE k 100 FIELDS 1 f", "HPERSIST k FIELDS 1 f",
        "HSET k f long-enough-to-leave-the-packed-list-as-it-has-more-than-sixty-four-bytes",
    ],
    "list": [
        "LRANGE k 0 -1", "RPUSH k x", "LPUSH k 12", "LINDEX k -2", "LINSERT k BEFORE x y", "LSET k 0 z", "LREM k -1 y",
        "LPOS k x RANK -1", "LTRIM k 1 -2",
        "LPOP k", "RPOP k",
    ],
    "set": ["SMEMBERS k", "SADD k 12 new 99999999999", "SRANDMEMBER k -3", "SISMEMBER k new", "SREM k new", "SPOP k"],
    "zset": [
        "ZRANGE k 0 -1 WITHSCORES", "ZADD k 1.5 new 3 12", "ZRANGEBYSCORE k -inf inf", "ZREVRANK k new",
        "ZINCRBY k 1 new", "ZREM k 12", "ZPOPMIN k",
        "ZREMRANGEBYRANK k 0 1",
    ],
    "stream": [
        "XRANGE k - +", "XREVRANGE k + -", "XINFO STREAM k FULL", "XINFO GROUPS k", "XADD k * f v",
        "XGROUP CREATE k new 0", "XREADGROUP GROUP new c STREAMS k >",
        "XPENDING k new", "XAUTOCLAIM k new d 0 0", "XDEL k 0-1", "XTRIM k MAXLEN 1",
    ],
]

private func walk(_ bytes: UnsafeRawBufferPointer) {
    let slice = ByteSlice(bytes)
    guard let examination = Listpack.examine(slice) else { return }
    let list = unsafe Listpack(lookingAt: slice)
    var count = 0
    var offset = list.first
    var sum: UInt64 = 0
    while offset < list.end {
        // Every byte is looked at, in a copy.
        sum &+= list[offset].withBytes { $0.array.reduce(0) { $0 &+ UInt64($1) } }
        offset = list.next(after: offset)
        count += 1
    }
    precondition(count == examination.count && offset == list.end && sum < UInt64.max, "a list of another length")
    while let previous = list.previous(before: offset) {
        offset = previous
        count -= 1
    }
    precondition(count == 0 && offset == list.first, "a list that cannot be walked back")
    if examination.isCanonical { _ = list.hasDuplicates(stride: 1, hash: KeyHash(seed: 1)) }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzValueReader(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    defer { block.deallocate() }
    block.copyMemory(from: UnsafeRawBufferPointer(start: start, count: count))
    walk(UnsafeRawBufferPointer(block))
    _ = usedAtStart

    var payload = Array(block) + [12, 0]
    let checksum = payload.withByteSlice { CRC64.of($0) }
    withUnsafeBytes(of: checksum.littleEndian) { payload += Array($0) }
    let reply = run([Array("RESTORE".utf8), Array("k".utf8), Array("0".utf8), payload])
    if reply == Array("+OK\r\n".utf8) {
        let before = digest("k")
        let again = content(run("DUMP k"))
        let restored = run([Array("RESTORE".utf8), Array("other".utf8), Array("0".utf8), again])
        precondition(
            restored == Array("+OK\r\n".utf8) && digest("other") == before, "saved and restored, a value is another")
        let type = String(decoding: run("TYPE k").dropFirst().dropLast(2), as: UTF8.self)
        for use in uses[type] ?? [] { _ = run(use) }
        _ = digest("k")
        _ = run("DUMP k")
        _ = run("DEL k other")
    } else {
        precondition(
            reply == Array("-ERR Bad data format\r\n".utf8), "another answer: \(String(decoding: reply, as: UTF8.self))"
        )
    }
    while engine.hasGarbage { engine.freeSlice() }
    // The table of keys may keep room for deadlines. What is left behind each time becomes more than that.
    precondition(engine.usedBytes <= usedAtStart + 4096, "something was left behind")
    return 0
}
