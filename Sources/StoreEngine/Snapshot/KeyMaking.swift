// How a value that is written some elements at a time becomes commands: what `UnwrittenValue` is to records, this is to those.
//
// Every command of a key stands for itself, so that only the last one may be in pieces when a slice is over.

import RespCodec

struct KeyMaking {
    private let key: [UInt8]
    private let deadline: Int64?
    private var run = ElementRun("", count: 0)
    private var stream: StreamAsCommands?

    init(_ entry: Entry, deadline: Int64?) {
        key = entry.key.array
        self.deadline = deadline
    }

    // MARK: in one piece

    func writeWhole<Sink>(_ body: UnwrittenValue.Body, to writer: CommandWriter<Sink>) {
        key.withByteSlice { key in
            switch body {
            case .fields(let table, _): writer.write(fields: table, of: key)
            case .members(let table): writer.write(members: table, of: key)
            case .scores(let table): writer.write(members: table, of: key)
            case .list(let chain): writer.write(elements: chain, of: key)
            case .stream(let stream): writer.write(stream, of: key)
            case .text(let text): writer.write("SET", key, text.whole)
            }
            if let deadline { writer.write(deadline: deadline, of: key) }
        }
    }

    // MARK: in slices

    mutating func begin<Sink>(_ body: UnwrittenValue.Body, to writer: CommandWriter<Sink>) {
        switch body {
        case .fields(let table, _): run = ElementRun("HMSET", count: table.count, words: 2)
        case .members(let table): run = ElementRun("SADD", count: table.count)
        case .scores(let table): run = ElementRun("ZADD", count: table.count, words: 2)
        case .list(let chain): run = ElementRun("RPUSH", count: chain.count)
        case .stream(let value): stream = key.withByteSlice { StreamAsCommands(value, of: $0) }
        case .text(let text):
            writer.begin("SET", words: 3)
            key.withByteSlice { writer.add($0) }
            writer.begin(wordOf: text.count)
        }
    }

    mutating func add<Sink>(_ element: PackedElement, _ writer: CommandWriter<Sink>) {
        key.withByteSlice { _ = run.add(element, of: $0, to: writer) }
    }

    mutating func add<Sink>(_ member: PackedElement, score: Double, _ writer: CommandWriter<Sink>) {
        key.withByteSlice { run.add(member, score: score, of: $0, to: writer) }
    }

    mutating func add<Sink>(
        _ field: PackedElement, _ value: PackedElement, deadline: Int64?, _ writer: CommandWriter<Sink>
    ) {
        key.withByteSlice { run.add(field, value, deadline: deadline, of: $0, to: writer) }
    }

    mutating func add<Sink>(_ node: StreamNode, _ writer: CommandWriter<Sink>) {
        key.withByteSlice { stream?.write(node, of: $0, to: writer) }
    }

    /// To be called when all elements, or all bytes of a text, were written.
    mutating func end<Sink>(_ body: UnwrittenValue.Body, to writer: CommandWriter<Sink>) {
        key.withByteSlice { key in
            switch body {
            case .text: writer.endWord()
            case .stream: stream?.writeRest(of: key, to: writer)
            default: run.end(to: writer)
            }
            if let deadline { writer.write(deadline: deadline, of: key) }
        }
    }
}
