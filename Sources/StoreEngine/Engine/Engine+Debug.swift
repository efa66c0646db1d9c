// What DEBUG asks of an engine: how a value is kept, digests of the data, keys to fill a database with.
//
// All of it looks at keys without expiring or touching them, except `populate`, which is a writer like any other.

import RespCodec

/// How one key's value is kept.
public struct ValueFacts: Sendable {
    public let address: UInt
    public let encoding: String
    /// How many hold the value: `Int32.max` stands for the small integers, which Redis shares.
    public let referenceCount: Int
    /// About how many bytes the value would take in a snapshot that is not compressed.
    public let serializedLength: Int
    /// The 24 bits of the access clock, and the seconds since it was set if it counts seconds.
    public let accessClock: Int
    public let idleSeconds: Int
}

extension Engine {
    /// Whether the whole of `text` fits the pattern, by the rules of KEYS.
    public static func matches(pattern: ByteSlice, _ text: ByteSlice, ignoringCase: Bool = false) -> Bool {
        GlobPattern.matches(pattern, text, ignoringCase: ignoringCase)
    }

    /// How the value of a key is kept, due or not; nil when there is no such key.
    public func facts(of key: ByteSlice, database index: Int) -> ValueFacts? {
        let database = database(index)
        guard let slot = database.table.find(key, hash: hash(key)) else { return nil }
        let entry = database.entry(at: slot)
        let clock = Int(entry.accessClock)
        let idle = state.settings.tracksFrequency ? 0 : (Int(now / 1000) - clock) & 0xFF_FFFF
        return withDebugContext(index) { context in
            let isShared = entry.encoding == .integer && (0..<10_000).contains(entry.integer)
            return unsafe ValueFacts(
                address: UInt(bitPattern: entry.address), encoding: Self.encodingName(entry, context),
                referenceCount: isShared ? Int(Int32.max) : 1, serializedLength: Self.serializedLength(entry, context),
                accessClock: clock, idleSeconds: idle)
        }
    }

    /// Forty hexadecimal digits that are equal for equal data, whatever its order in memory; all 0 when there are no keys.
    /// - Complexity: O(bytes of all keys and values).
    public func dataDigest() -> String {
        var total = DataDigest()
        for index in 0..<databaseCount where database(index).count > 0 {
            total.mix(DataDigest.bigEndian(index))
            withDebugContext(index) { context in
                unsafe database(index).table.forEach { address in
                    let entry = unsafe Entry(address)
                    var digest = DataDigest()
                    digest.mix(entry.key)
                    Self.add(entry, to: &digest, context)
                    total.add(digest.bytes)
                }
            }
        }
        return total.text
    }

    /// The digest of one value and its having a deadline; all 0 when there is no such key.
    public func valueDigest(of key: ByteSlice, database index: Int) -> String {
        var digest = DataDigest()
        let database = database(index)
        if let slot = database.table.find(key, hash: hash(key)) {
            withDebugContext(index) { Self.add(database.entry(at: slot), to: &digest, $0) }
        }
        return digest.text
    }

    /// Makes the keys "prefix:0" to "prefix:count-1" where they are absent, each with "value:" and its number.
    /// - Parameter size: how long the values are, cut off or filled with zeros; 0 leaves them as they are.
    public func populate(_ count: Int, prefix: [UInt8], size: Int, database index: Int) {
        let head = Array(prefix.prefix { $0 != 0 }) + [UInt8(ascii: ":")]
        withDebugContext(index) { context in
            for number in 0..<count {
                let digits = Decimal.text(number)
                // Redis makes these names in a buffer of 128 bytes, the last of which ends them.
                let name = Array((head + digits).prefix(127))
                name.withByteSlice { key in
                    guard context.find(key, .write) == nil else { return }
                    var value = Array("value:".utf8) + digits
                    if size > 0 {
                        value = Array(value.prefix(size))
                        value += [UInt8](repeating: 0, count: size - value.count)
                    }
                    value.withByteSlice { context.setString(key, $0, slot: nil, deadline: nil) }
                    context.changed(key, .set, count: 0)
                }
            }
        }
    }

    private func withDebugContext<Result>(_ index: Int, _ body: (KeyspaceContext) -> Result) -> Result {
        // Nothing is replied; the context wants a writer all the same.
        let writer = ReplyWriter(capacity: 64)
        defer { writer.deallocate() }
        return body(KeyspaceContext(self, database: database(index), reply: writer))
    }

    // MARK: values

    private static func encodingName(_ entry: Entry, _ context: KeyspaceContext) -> String {
        switch entry.encoding {
        case .integer: "int"
        case .embedded: context.stringLength(entry) <= 44 ? "embstr" : "raw"
        case .raw, .external: "raw"
        case .packed: "listpack"
        case .table: "hashtable"
        }
    }

    /// Calls `body` with each field and value of a hash.
    private static func forEachField(_ entry: Entry, _ body: (ByteSlice, ByteSlice) -> Void) {
        if entry.encoding == .table { return unsafe HashTable(at: entry.pointer).forEach(body) }
        let list = entry.packedList
        var offset = list.first
        while offset < list.end {
            let value = list.next(after: offset)
            list[offset].withBytes { field in list[value].withBytes { body(field, $0) } }
            offset = list.next(after: value)
        }
    }

    /// - Source: Redis, rdb.h, "Defines related to the dump file format".
    private static func serializedLength(_ entry: Entry, _ context: KeyspaceContext) -> Int {
        func withLength(_ count: Int) -> Int {
            count + (count < 1 << 6 ? 1 : count < 1 << 14 ? 2 : count <= Int(UInt32.max) ? 5 : 9)
        }
        func string(_ text: ByteSlice) -> Int {
            if text.count <= 11, let value = Decimal.parse(text), let short = integer(value) { return short }
            return withLength(text.count)
        }
        func integer(_ value: Int) -> Int? {
            if Int(Int8.min)...Int(Int8.max) ~= value { return 2 }
            if Int(Int16.min)...Int(Int16.max) ~= value { return 3 }
            return Int(Int32.min)...Int(Int32.max) ~= value ? 5 : nil
        }
        switch entry.encoding {
        case .integer, .embedded, .raw, .external:
            return context.withString(entry) { string($0) }
        case .packed:
            return withLength(entry.packedList.byteCount)
        case .table:
            var total = 0
            var fields = 0
            forEachField(entry) { field, value in
                total += string(field) + string(value)
                fields += 1
            }
            return total + withLength(fields) - fields
        }
    }

    private static func add(_ entry: Entry, to digest: inout DataDigest, _ context: KeyspaceContext) {
        digest.mix(DataDigest.bigEndian(Int(entry.type.rawValue)))
        switch entry.type {
        case .string:
            context.withString(entry) { digest.mix($0) }
        case .hash:
            forEachField(entry) { field, value in
                var pair = DataDigest()
                pair.mix(field)
                pair.mix(value)
                digest.add(pair.bytes)
            }
        case .list, .set, .sortedSet, .stream:
            preconditionFailure("a type that has no digest yet")
        }
        if entry.hasDeadline { digest.add(Array("!!expire!!".utf8)) }
    }
}

/// A digest to which parts are added in any order, or mixed in order.
///
/// - Source: Redis, debug.c, on what DEBUG DIGEST computes; SHA-1 by FIPS 180-4.
private struct DataDigest {
    private(set) var bytes = [UInt8](repeating: 0, count: 20)

    var text: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    static func bigEndian(_ value: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    /// Twenty bytes, as they are.
    private mutating func combine(_ other: [UInt8]) {
        for index in bytes.indices { bytes[index] ^= other[index] }
    }

    /// Adds data; the order of what is added does not matter.
    mutating func add(_ data: [UInt8]) { data.withByteSlice { combine(Self.sha1($0)) } }

    /// Adds data whose place in the order matters.
    mutating func mix(_ data: ByteSlice) {
        combine(Self.sha1(data))
        bytes = bytes.withByteSlice { Self.sha1($0) }
    }

    mutating func mix(_ data: [UInt8]) { data.withByteSlice { mix($0) } }

    private static func sha1(_ data: ByteSlice) -> [UInt8] {
        var state: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
        var words = [UInt32](repeating: 0, count: 80)
        let whole = data.count / 64
        for block in 0..<whole { absorb(data[block * 64..<block * 64 + 64], &state, &words) }
        var tail = data.dropFirst(whole * 64).array + [0x80]
        while tail.count % 64 != 56 { tail.append(0) }
        let bits = UInt64(data.count) * 8
        for shift in stride(from: 56, through: 0, by: -8) { tail.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift))) }
        tail.withByteSlice { rest in
            for block in 0..<rest.count / 64 { absorb(rest[block * 64..<block * 64 + 64], &state, &words) }
        }
        return state.flatMap { word in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) } }
    }

    private static func absorb(_ block: ByteSlice, _ state: inout [UInt32], _ words: inout [UInt32]) {
        func rotate(_ value: UInt32, _ count: UInt32) -> UInt32 { value << count | value >> (32 - count) }
        for index in 0..<16 {
            let start = index * 4
            let high = UInt32(block[start]) << 24 | UInt32(block[start + 1]) << 16
            words[index] = high | UInt32(block[start + 2]) << 8 | UInt32(block[start + 3])
        }
        for index in 16..<80 {
            words[index] = rotate(words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1)
        }
        var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
        for round in 0..<80 {
            let mixed: UInt32
            let constant: UInt32
            switch round {
            case 0..<20: (mixed, constant) = (b & c | ~b & d, 0x5A82_7999)
            case 20..<40: (mixed, constant) = (b ^ c ^ d, 0x6ED9_EBA1)
            case 40..<60: (mixed, constant) = (b & c | b & d | c & d, 0x8F1B_BCDC)
            default: (mixed, constant) = (b ^ c ^ d, 0xCA62_C1D6)
            }
            let next = rotate(a, 5) &+ mixed &+ e &+ constant &+ words[round]
            (e, d, c, b, a) = (d, c, rotate(b, 30), a, next)
        }
        state[0] &+= a
        state[1] &+= b
        state[2] &+= c
        state[3] &+= d
        state[4] &+= e
    }
}
