// Types and sizes of keys, asked for many keys at once.

import RespCodec

struct KeyMeasures {
    enum Measure {
        /// Elements of the value, or bytes of a string.
        case elements
        /// Bytes of memory.
        case memory
    }

    struct TypeInfo {
        let name: String
        /// The command that tells how many elements a value has; nil if there is none.
        let command: String?
        let unit: String

        /// The types that every server has.
        static let known = [
            TypeInfo(name: "string", command: "STRLEN", unit: "bytes"),
            TypeInfo(name: "list", command: "LLEN", unit: "items"),
            TypeInfo(name: "set", command: "SCARD", unit: "members"),
            TypeInfo(name: "hash", command: "HLEN", unit: "fields"),
            TypeInfo(name: "zset", command: "ZCARD", unit: "members"),
            TypeInfo(name: "stream", command: "XLEN", unit: "entries"),
        ]
    }

    private let session: Session
    /// The types seen, and the known ones.
    private(set) var types = TypeInfo.known
    private var indices: [Bytes: Int]

    init(_ session: Session) {
        self.session = session
        indices = Dictionary(uniqueKeysWithValues: TypeInfo.known.enumerated().map { (Bytes($1.name.utf8), $0) })
    }

    /// The type of each key as an index of `types`; nil for one that is gone.
    mutating func types(of keys: [Bytes]) -> [Int?] {
        session.askMode(all: keys.map { [Bytes("TYPE".utf8), $0] }).enumerated().map { index, reply in
            if let message = reply.errorText { session.failMode("TYPE returned an error: \(Text.string(message))") }
            guard let name = reply.stringBytes else {
                session.failMode("Invalid reply type for TYPE on key '\(Text.string(keys[index]))'!")
            }
            if let known = indices[name] { return known }
            if name.elementsEqual("none".utf8) { return nil }
            types.append(TypeInfo(name: Text.string(name), command: nil, unit: "?"))
            indices[name] = types.count - 1
            return types.count - 1
        }
    }

    /// The size of each key; 0 where there is none.
    func sizes(of keys: [Bytes], types: [Int?], _ measure: Measure) -> [Int] {
        var commands: [[Bytes]] = []
        var positions: [Int] = []
        for (index, type) in types.enumerated() {
            guard let type else { continue }
            switch measure {
            case .elements:
                guard let command = self.types[type].command else { continue }
                commands.append([Bytes(command.utf8), keys[index]])
            case .memory:
                var command = [Bytes("MEMORY".utf8), Bytes("USAGE".utf8), keys[index]]
                if let count = session.options.sampleCount { command += [Bytes("SAMPLES".utf8), Decimal.text(count)] }
                commands.append(command)
            }
            positions.append(index)
        }
        var sizes = [Int](repeating: 0, count: keys.count)
        for (reply, position) in zip(session.askMode(all: commands), positions) {
            if case .integer(let size) = reply.withoutAttributes {
                sizes[position] = max(0, size)
            } else {
                let command = measure == .memory ? "MEMORY USAGE" : types[position].flatMap { self.types[$0].command }
                StandardError.write(
                    "Warning:  \(command ?? "") on '\(Text.string(keys[position]))' failed (may have changed type)\n")
            }
        }
        return sizes
    }
}
