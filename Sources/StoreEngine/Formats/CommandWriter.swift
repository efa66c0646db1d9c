// Writes keys as commands that make them, for the base of an append-only file that is to be text. They are those of Redis 7.0, where there are
// such, and none takes more than 64 elements.
//
// Source: Redis 7.4, aof.c, rewriteAppendOnlyFileRio and the functions that it calls.

import RespCodec

struct CommandWriter<Sink: ByteSink> {
    let sink: Sink

    /// How many elements go to one command at most.
    static var mostElements: Int { 64 }

    // MARK: words

    /// Begins a command.
    /// - Parameter words: how many it has, the name included.
    func begin(_ name: StaticString, words: Int) {
        write(UInt8(ascii: "*"), words)
        add(ByteSlice(name))
    }

    func add(_ word: ByteSlice) {
        begin(wordOf: word.count)
        if !word.isEmpty { sink.append(word) }
        endWord()
    }

    func add(_ word: some EffectWord) { word.withWord { add($0) } }

    /// Begins a word whose bytes go straight to the sink.
    func begin(wordOf count: Int) { write(UInt8(ascii: "$"), count) }

    func endWord() { sink.append("\r\n") }

    /// Writes a whole command.
    func write<each Word: EffectWord>(_ name: StaticString, _ words: repeat each Word) {
        var count = 1
        repeat count += Self.one(each words)
        begin(name, words: count)
        repeat add(each words)
    }

    private static func one(_ word: some EffectWord) -> Int { 1 }

    private func write(_ mark: UInt8, _ number: Int) {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: HeaderLine.maximumLength) { line in
            let start = line.baseAddress!
            var end = unsafe start
            unsafe HeaderLine.write(mark, number, to: &end)
            unsafe sink.append(ByteSlice(start: start, count: end - start))
        }
    }

    // MARK: what is no key

    /// Notes the time, in seconds since 1970.
    func note(time: Int64) {
        sink.append("#TS:")
        Decimal.withText(Int(time)) { sink.append($0) }
        sink.append("\r\n")
    }

    func select(_ database: Int) { write("SELECT", database) }

    /// Loads a library of functions.
    func load(library code: [UInt8]) {
        begin("FUNCTION", words: 3)
        add("LOAD")
        code.withByteSlice { add($0) }
    }

    /// Says when a key expires, which must be there.
    func write(deadline: Int64, of key: ByteSlice) { write("PEXPIREAT", key, deadline) }

    // MARK: keys

    /// Writes a key with its value and deadline.
    /// - Complexity: O(bytes of the value).
    func write(_ entry: Entry, _ context: KeyspaceContext) {
        let key = entry.key
        switch (entry.type, entry.encoding) {
        case (.string, _):
            begin("SET", words: 3)
            add(key)
            context.withString(entry) { add($0) }
        case (.list, .packed):
            var run = ElementRun("RPUSH", count: entry.twoWayList.count)
            _ = entry.twoWayList.visit(from: 0, of: run.left, backwards: false) { run.add($0, of: key, to: self) }
        case (.list, _): write(elements: unsafe ListChain(at: entry.pointer), of: key)
        case (.set, _):
            var run = ElementRun("SADD", count: SetView(entry).count)
            SetView(entry).visit { run.add($0, of: key, to: self) }
        case (.sortedSet, .packed):
            var run = ElementRun("ZADD", count: entry.forwardList.count / 2, words: 2)
            entry.forEachScored { run.add($0, score: $1, of: key, to: self) }
        case (.sortedSet, _): write(members: unsafe SortedSetTable(at: entry.pointer), of: key)
        case (.hash, _):
            var run = ElementRun("HMSET", count: entry.fieldCount, words: 2)
            entry.forEachFieldWithDeadline { run.add($0, $1, deadline: $2, of: key, to: self) }
            run.end(to: self)
        case (.stream, _): write(unsafe StreamValue(at: entry.pointer), of: key)
        }
        if let deadline = context.database.deadline(of: entry) { write(deadline: deadline, of: key) }
    }

    func write(elements chain: ListChain, of key: ByteSlice) {
        var run = ElementRun("RPUSH", count: chain.count)
        chain.visit(from: 0, backwards: false) { run.add($0, of: key, to: self) }
    }

    func write(members table: SetTable, of key: ByteSlice) {
        var run = ElementRun("SADD", count: table.count)
        _ = table.visit { run.add(.bytes($0), of: key, to: self) }
    }

    func write(members table: SortedSetTable, of key: ByteSlice) {
        var run = ElementRun("ZADD", count: table.count, words: 2)
        unsafe table.tree.forEach(from: 0, count: table.count, reversed: false) { score, block in
            unsafe run.add(.bytes(MemberBlock(block).member), score: score, of: key, to: self)
            return true
        }
    }

    func write(fields table: HashTable, of key: ByteSlice) {
        var run = ElementRun("HMSET", count: table.count, words: 2)
        table.forEach { run.add(.bytes($0), .bytes($1), deadline: $2, of: key, to: self) }
        run.end(to: self)
    }
}

/// The elements of a collection on their way to commands, of which each takes as many as it may.
struct ElementRun {
    private let name: StaticString
    /// How many words an element is.
    private let words: Int
    /// How many elements are still to come.
    private(set) var left: Int
    /// How many of them the command at hand takes.
    private var room = 0
    /// What follows the command at hand.
    private var following: [UInt8] = []

    init(_ name: StaticString, count: Int, words: Int = 1) {
        self.name = name
        left = count
        self.words = words
    }

    private mutating func advance<Sink>(_ key: ByteSlice, _ writer: CommandWriter<Sink>) {
        if room == 0 {
            end(to: writer)
            room = min(left, CommandWriter<Sink>.mostElements)
            writer.begin(name, words: 2 + room * words)
            writer.add(key)
        }
        room -= 1
        left -= 1
    }

    /// - Returns: true, so that whoever visits elements goes on.
    @discardableResult
    mutating func add<Sink>(_ element: PackedElement, of key: ByteSlice, to writer: CommandWriter<Sink>) -> Bool {
        advance(key, writer)
        writer.add(element)
        return true
    }

    mutating func add<Sink>(
        _ member: PackedElement, score: Double, of key: ByteSlice, to writer: CommandWriter<Sink>
    ) {
        advance(key, writer)
        FloatingPoint64.withText(score) { writer.add($0) }
        writer.add(member)
    }

    /// - Parameter deadline: of the field.
    mutating func add<Sink>(
        _ field: PackedElement, _ value: PackedElement, deadline: Int64?, of key: ByteSlice,
        to writer: CommandWriter<Sink>
    ) {
        advance(key, writer)
        writer.add(field)
        writer.add(value)
        guard let deadline else { return }
        let buffer = BufferSink()
        CommandWriter<BufferSink>(sink: buffer).write("HPEXPIREAT", key, deadline, "FIELDS", 1, field)
        following += buffer.bytes
    }

    /// To be called when all elements were written.
    mutating func end<Sink>(to writer: CommandWriter<Sink>) {
        guard !following.isEmpty else { return }
        following.withByteSlice { writer.sink.append($0) }
        following.removeAll(keepingCapacity: true)
    }
}

/// Bytes in memory.
final class BufferSink: ByteSink {
    private(set) var bytes: [UInt8] = []

    func append(_ more: ByteSlice) { unsafe bytes.append(contentsOf: more.rawBytes) }
}
