// What DEBUG asks of an engine: how a value is kept, digests of the data, keys to fill a database with.
//
// All of it looks at keys without expiring or touching them, except `populate`, which is a writer like any other.

import RespCodec

/// How one key's value is kept.
public struct ValueFacts: Sendable {
    public let address: UInt
    public let encoding: String
    /// About how many bytes the value would take in a snapshot that is not compressed.
    public let serializedLength: Int
    /// The access clock in 24 bits, and the seconds since it was set if it counts time.
    public let accessClock: Int
    public let idleSeconds: Int
}

extension Engine {
    /// Whether the whole of `text` fits the pattern, by the rules of KEYS.
    public static func matches(pattern: ByteSlice, _ text: ByteSlice, ignoringCase: Bool = false) -> Bool {
        GlobPattern.matches(pattern, text, ignoringCase: ignoringCase)
    }

    /// How the value of a key is kept, expired or not; nil when there is no such key.
    public func facts(of key: ByteSlice, database index: Int) -> ValueFacts? {
        let database = database(index)
        guard let slot = database.table.find(key, hash: hash(key)) else { return nil }
        let entry = database.entry(at: slot)
        return withQuietContext(index) { context in
            unsafe ValueFacts(
                address: UInt(bitPattern: entry.address), encoding: context.encodingName(entry).description,
                serializedLength: Self.serializedLength(entry, context),
                accessClock: state.accessClock.shown(entry),
                idleSeconds: state.accessClock.tracksFrequency ? 0 : state.accessClock.idleSeconds(entry))
        }
    }

    /// Forty hexadecimal digits that are equal for equal data, whatever its order in memory; all 0 when there are no keys.
    /// - Complexity: O(bytes of all keys and values).
    public func dataDigest() -> String {
        var total = DataDigest()
        for database in databasesInUse where database.count > 0 {
            total.mix(DataDigest.bigEndian(database.index))
            withQuietContext(database.index) { context in
                unsafe database.table.forEach { address in
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
            withQuietContext(index) { Self.add(database.entry(at: slot), to: &digest, $0) }
        }
        return digest.text
    }

    /// Makes the keys "prefix:0" to "prefix:count-1" where they are absent, each with "value:" and its number.
    /// - Parameter size: how long the values are, cut off or filled with zeros; 0 leaves them as they are.
    public func populate(_ count: Int, prefix: [UInt8], size: Int, database index: Int) {
        let head = Array(prefix.prefix { $0 != 0 }) + [UInt8(ascii: ":")]
        // During a pause, too: it is a writer like any other, and those find no key that has expired.
        removingExpiredKeys {
            withQuietContext(index) { context in
                for number in 0..<count {
                    let digits = Decimal.text(number)
                    // Redis makes these names in a buffer of 128 bytes, the last of which ends them.
                    let name = Array((head + digits).prefix(127))
                    name.withByteSlice { key in
                        context.expireIfNeeded(key)
                        guard context.find(key, .write) == nil else { return }
                        var value = Array("value:".utf8) + digits
                        if size > 0 {
                            value = Array(value.prefix(size))
                            value += [UInt8](repeating: 0, count: size - value.count)
                        }
                        value.withByteSlice {
                            context.setString(key, $0, slot: nil, deadline: nil)
                            context.effect("SET", key, $0)
                        }
                        context.changed(key, KeyEvent(.silent, "populate"), count: 0)
                    }
                }
            }
        }
    }

    /// Calls `body` with a context whose replies go nowhere.
    func withQuietContext<Result>(_ index: Int, _ body: (KeyspaceContext) -> Result) -> Result {
        let writer = ReplyWriter(capacity: 64)
        defer { unsafe writer.deallocate() }
        return body(KeyspaceContext(self, database: database(index), reply: writer))
    }

    // MARK: values

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
            return withLength(
                entry.isType(.list)
                    ? entry.twoWayList.byteCount(as: SavedForm.self) : entry.forwardList.byteCount(as: SavedForm.self))
        case .integers:
            return withLength(entry.integerSet.savedSize)
        case .packedWithDeadlines:
            // The earliest deadline stands in front.
            return 8 + withLength(entry.forwardList.byteCount(as: SavedForm.self))
        case .table:
            var total = 0
            var count = 0
            if entry.isType(.set) {
                entry.forEachMember { member in
                    total += member.withBytes { string($0) }
                    count += 1
                }
            } else {
                entry.forEachField { field, value in
                    total += field.withBytes { string($0) } + value.withBytes { string($0) }
                    count += 1
                }
            }
            return total + withLength(count) - count
        case .chain:
            var total = 0
            var nodes = 0
            unsafe ListChain(at: entry.pointer).forEachNode { node in
                nodes += 1
                let length = node.byteCount
                total += 1
                if node.kind == .compressed {
                    total += 1 + withLength(length) - length + withLength(node.compressedBytes.count)
                } else {
                    total += withLength(length)
                }
            }
            return total + withLength(nodes) - nodes
        case .stream:
            return unsafe StreamValue(at: entry.pointer).serializedLength
        case .tree:
            var total = 0
            var members = 0
            entry.forEachScored { member, _ in
                total += member.withBytes { string($0) } + 8
                members += 1
            }
            return total + withLength(members) - members
        }
    }

    static func add(_ entry: Entry, to digest: inout DataDigest, _ context: KeyspaceContext) {
        // Redis counts the values of modules between hashes and streams.
        digest.mix(DataDigest.bigEndian(entry.type == .stream ? 6 : Int(entry.type.rawValue)))
        switch entry.type {
        case .string:
            context.withString(entry) { digest.mix($0) }
        case .hash:
            entry.forEachFieldWithDeadline { field, value, deadline in
                var pair = DataDigest()
                field.withBytes { pair.mix($0) }
                value.withBytes { pair.mix($0) }
                if deadline != nil { pair.add(Array("!!hexpire!!".utf8)) }
                digest.add(pair.bytes)
            }
        case .set:
            entry.forEachMember { member in member.withBytes { digest.add($0.array) } }
        case .list:
            entry.forEachElement { element in element.withBytes { digest.mix($0) } }
        case .stream:
            unsafe StreamValue(at: entry.pointer).forEachEntry { id, fields in
                id.withText(separator: UInt8(ascii: ".")) { digest.mix($0) }
                fields { field, value in
                    field.withBytes { digest.mix($0) }
                    value.withBytes { digest.mix($0) }
                }
            }
        case .sortedSet:
            entry.forEachScored { member, score in
                var pair = DataDigest()
                member.withBytes { pair.mix($0) }
                LongDoubleText.generalText(LongDouble(score)).withByteSlice { pair.mix($0) }
                digest.add(pair.bytes)
            }
        }
        if context.database.deadline(of: entry) != nil { digest.add(Array("!!expire!!".utf8)) }
    }
}
