// Compares values of the same type on two servers. Their sizes are asked for all keys at once; then small values are fetched whole, many at
// once, and large ones are compared in parts.

import RespCodec

struct ValueComparison {
    private let first: ToolConnection
    private let second: ToolConnection
    /// Values of up to so many elements, or strings of so many times this many bytes, are fetched whole.
    private static let small = 200
    private static let chunk = 500
    private static let stringChunk = 4 * 1024 * 1024

    private let fieldExpiry: Bool

    /// - Parameter fieldExpiry: whether to compare when fields of hashes expire.
    init(_ first: ToolConnection, _ second: ToolConnection, fieldExpiry: Bool) {
        self.fieldExpiry = fieldExpiry
        self.first = first
        self.second = second
    }

    private static func word(_ text: String) -> Bytes { Bytes(text.utf8) }

    private static func sizeCommand(_ type: String) -> String? {
        switch type {
        case "string": "STRLEN"
        case "list": "LLEN"
        case "set": "SCARD"
        case "hash": "HLEN"
        case "zset": "ZCARD"
        case "stream": "XLEN"
        default: nil
        }
    }

    /// What fetches a whole value.
    private static func fetch(_ type: String, _ key: Bytes) -> [Bytes] {
        switch type {
        case "string": [word("GET"), key]
        case "list": [word("LRANGE"), key, word("0"), word("-1")]
        case "set": [word("SMEMBERS"), key]
        case "hash": [word("HGETALL"), key]
        case "zset": [word("ZRANGE"), key, word("0"), word("-1"), word("WITHSCORES")]
        default: [word("XRANGE"), key, word("-"), word("+")]
        }
    }

    /// How each pair of values differs; nil where they are the same.
    func differences(_ entries: [(key: Bytes, type: String)]) throws(ToolFailure) -> [String?] {
        var details = [String?](repeating: nil, count: entries.count)
        var known: [Int] = []
        var sizeCommands: [[Bytes]] = []
        for (index, entry) in entries.enumerated() {
            guard let command = Self.sizeCommand(entry.type) else {
                // A type of a module: only the payloads can be compared.
                let dump = [Self.word("DUMP"), entry.key]
                if try first.ask(dump) != second.ask(dump) { details[index] = "payloads of type \(entry.type)" }
                continue
            }
            known.append(index)
            sizeCommands.append([Self.word(command), entry.key])
        }
        let sizes = try first.ask(all: sizeCommands).map { $0.integerValue ?? 0 }
        let otherSizes = try second.ask(all: sizeCommands).map { $0.integerValue ?? 0 }
        var whole: [Int] = []
        for (position, index) in known.enumerated() {
            let entry = entries[index]
            if sizes[position] != otherSizes[position] {
                let unit = entry.type == "string" ? "bytes" : "elements"
                details[index] = "\(sizes[position]) and \(otherSizes[position]) \(unit)"
            } else if sizes[position] <= (entry.type == "string" ? 32 * 1024 : Self.small) {
                whole.append(index)
            } else {
                details[index] = try large(entry.key, entry.type)
            }
        }
        for group in stride(from: 0, to: whole.count, by: 50).map({ whole[$0..<min($0 + 50, whole.count)] }) {
            let commands = group.map { Self.fetch(entries[$0].type, entries[$0].key) }
            let left = try first.ask(all: commands)
            let right = try second.ask(all: commands)
            for (position, index) in group.enumerated() {
                details[index] = Self.compare(left[position], right[position], entries[index].type)
            }
        }
        for index in known where entries[index].type == "stream" && details[index] == nil {
            details[index] = try groups(entries[index].key)
        }
        for index in known where fieldExpiry && entries[index].type == "hash" && details[index] == nil {
            details[index] = try fieldExpiries(entries[index].key)
        }
        return details
    }

    private static func compare(_ left: Reply, _ right: Reply, _ type: String, from start: Int = 0) -> String? {
        if left == right { return nil }
        switch type {
        case "string": return "contents"
        case "list":
            let index = zip(left.listElements, right.listElements).enumerated().first { $1.0 != $1.1 }?.offset ?? 0
            return "element \(start + index)"
        case "set":
            let members = Set(left.listElements.compactMap(\.stringBytes))
            let others = Set(right.listElements.compactMap(\.stringBytes))
            return members.symmetricDifference(others).first.map { "member \(Text.quoted($0))" }
        case "hash":
            let fields = pairs(left)
            let others = pairs(right)
            return fields.first { others[$0.key] != $0.value }.map { "field \(Text.quoted($0.key))" }
        case "zset":
            // Members of one score have one order everywhere.
            let scores = pairs(left)
            let others = pairs(right)
            return scores.first { !sameScore(others[$0.key], $0.value) }.map { "member \(Text.quoted($0.key))" }
        default:
            let entry = zip(left.listElements, right.listElements).first { $0 != $1 }
            return "entry \(Text.string(entry?.0.listElements.first?.stringBytes ?? []))"
        }
    }

    /// Servers may write the same score in different ways: "1e+20", "100000000000000000000".
    private static func sameScore(_ left: Bytes?, _ right: Bytes) -> Bool {
        guard let left else { return false }
        return left == right || Text.double(left).value == Text.double(right).value
    }

    private static func pairs(_ reply: Reply) -> [Bytes: Bytes] {
        let elements = reply.listElements.compactMap(\.stringBytes)
        var pairs: [Bytes: Bytes] = [:]
        for index in stride(from: 0, to: elements.count - 1, by: 2) { pairs[elements[index]] = elements[index + 1] }
        return pairs
    }

    // MARK: in parts

    private func large(_ key: Bytes, _ type: String) throws(ToolFailure) -> String? {
        switch type {
        case "string": return try ranges(key, "GETRANGE", Self.stringChunk) { _, _, _ in "contents" }
        case "list":
            return try ranges(key, "LRANGE", Self.chunk) { Self.compare($0, $1, "list", from: $2) }
        case "zset":
            return try ranges(key, "ZRANGE", Self.chunk, ["WITHSCORES"]) { left, right, _ in
                Self.compare(left, right, "zset")
            }
        case "set", "hash": return try scanned(key, isHash: type == "hash")
        default: return try entries(key)
        }
    }

    private func ranges(
        _ key: Bytes, _ command: String, _ length: Int, _ more: [String] = [],
        _ detail: (Reply, Reply, _ start: Int) -> String?
    ) throws(ToolFailure) -> String? {
        var start = 0
        while true {
            let request =
                [Self.word(command), key, Decimal.text(start), Decimal.text(start + length - 1)] + more.map(Self.word)
            let left = try first.need(request)
            let right = try second.need(request)
            if left != right, let detail = detail(left, right, start) { return detail }
            let isEnd = left.stringBytes?.isEmpty ?? left.listElements.isEmpty
            if isEnd { return nil }
            start += length
        }
    }

    private func scanned(_ key: Bytes, isHash: Bool) throws(ToolFailure) -> String? {
        var cursor = Self.word("0")
        repeat {
            let parts = try first.need(
                [Self.word(isHash ? "HSCAN" : "SSCAN"), key, cursor, Self.word("COUNT"), Decimal.text(Self.chunk)]
            ).listElements
            guard parts.count == 2, let next = parts[0].stringBytes else { return nil }
            cursor = next
            let elements = parts[1].listElements.compactMap(\.stringBytes)
            if elements.isEmpty { continue }
            if isHash {
                let fields = stride(from: 0, to: elements.count - 1, by: 2).map { elements[$0] }
                let values = try second.need([Self.word("HMGET"), key] + fields).listElements
                for (index, value) in values.enumerated() where value.stringBytes != elements[index * 2 + 1] {
                    return "field \(Text.quoted(fields[index]))"
                }
            } else {
                let present = try second.need([Self.word("SMISMEMBER"), key] + elements).listElements
                for (index, reply) in present.enumerated() where reply.integerValue != 1 {
                    return "member \(Text.quoted(elements[index]))"
                }
            }
        } while !cursor.elementsEqual("0".utf8)
        return nil
    }

    private func entries(_ key: Bytes) throws(ToolFailure) -> String? {
        var start = Self.word("-")
        while true {
            let request = [
                Self.word("XRANGE"), key, start, Self.word("+"), Self.word("COUNT"), Decimal.text(Self.chunk),
            ]
            let left = try first.need(request)
            let right = try second.need(request)
            if left != right { return Self.compare(left, right, "stream") }
            guard left.listElements.count == Self.chunk,
                let last = left.listElements.last?.listElements.first?.stringBytes
            else { return nil }
            start = Self.word("(") + last
        }
    }

    // MARK: what is beside the elements

    private func fields(_ reply: Reply, _ names: [String]) -> [Reply?] {
        let elements = reply.listElements
        return names.map { name in
            stride(from: 0, to: elements.count - 1, by: 2).first {
                elements[$0].stringBytes.map { $0.elementsEqual(name.utf8) } ?? false
            }.map { elements[$0 + 1] }
        }
    }

    /// How the consumer groups of a stream differ, and its last identifier.
    private func groups(_ key: Bytes) throws(ToolFailure) -> String? {
        func state(_ connection: ToolConnection) throws(ToolFailure) -> (last: Reply?, groups: [[Reply?]]) {
            let replies = try connection.ask(all: [
                [Self.word("XINFO"), Self.word("STREAM"), key], [Self.word("XINFO"), Self.word("GROUPS"), key],
            ])
            return (
                fields(replies[0], ["last-generated-id"])[0],
                replies[1].listElements.map { fields($0, ["name", "pending", "last-delivered-id"]) }
            )
        }
        let left = try state(first)
        let right = try state(second)
        if left.last != right.last { return "last identifier" }
        return left.groups == right.groups ? nil : "consumer groups"
    }

    /// How the expiry of a hash's fields differs, where both servers have that.
    private func fieldExpiries(_ key: Bytes) throws(ToolFailure) -> String? {
        let names = try first.ask([Self.word("HKEYS"), key]).listElements.compactMap(\.stringBytes)
        guard !names.isEmpty, names.count <= 10_000 else { return nil }
        let request = [Self.word("HPEXPIRETIME"), key, Self.word("FIELDS"), Decimal.text(names.count)] + names
        let left = try first.ask(request)
        guard left.errorText == nil else { return nil }
        let right = try second.ask(request)
        guard right.errorText == nil, left != right else { return nil }
        let index = zip(left.listElements, right.listElements).enumerated().first { $1.0 != $1.1 }?.offset ?? 0
        return "expiry of field \(Text.quoted(names[index]))"
    }
}
