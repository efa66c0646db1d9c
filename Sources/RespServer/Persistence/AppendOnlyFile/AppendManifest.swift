// Which files an append-only file consists of, as a text:
//
//     file appendonly.aof.2.base.rdb seq 2 type b
//     file appendonly.aof.3.incr.aof seq 3 type h
//     file appendonly.aof.4.incr.aof seq 4 type i
//
// The base is what there was at a moment, and the increments, in their order, what was done since. Those that are history were replaced and
// are only still to be removed. This is what Redis 7 keeps, word for word.

import RespCodec

struct AppendManifest: Equatable, Sendable {
    enum Kind: String, Sendable {
        case base = "b"
        case history = "h"
        case increment = "i"
    }

    struct File: Equatable, Sendable {
        let name: String
        let sequence: Int
        var kind: Kind
    }

    /// Why a text is no manifest.
    struct Mistake: Error, Equatable {
        /// From 1; 0 if it is not about a line.
        let line: Int
        let text: String
        let reason: String
    }

    private(set) var base: File?
    private(set) var history: [File] = []
    private(set) var increments: [File] = []
    private(set) var lastBase = 0
    private(set) var lastIncrement = 0

    init() {}

    /// An append-only file of before Redis 7, which is a base that only this text knows of.
    init(oldBase name: String) {
        base = File(name: name, sequence: 1, kind: .base)
        lastBase = 1
    }

    /// Whether there is nothing to be loaded.
    var isEmpty: Bool { base == nil && increments.isEmpty }
    /// What is to be loaded, in its order.
    var files: [File] { [base].compactMap { $0 } + increments }

    // MARK: the text

    /// The longest line, its end included.
    private static let longestLine = 1024
    private static let largestSequence = 1 << 62

    init(parsing content: ByteSlice) throws(Mistake) {
        guard content.count > 0 else { throw Mistake(line: 0, text: "", reason: "Found an empty AOF manifest") }
        var rest = content
        var number = 0
        while rest.count > 0 {
            number += 1
            let end = rest.index(of: 0x0A)
            if rest[0] == UInt8(ascii: "#") && (end ?? rest.count) < Self.longestLine {
                rest = rest.dropFirst((end ?? rest.count - 1) + 1)
                continue
            }
            guard let end, end < Self.longestLine else {
                throw Mistake(line: 0, text: "", reason: "The AOF manifest file contains too long line")
            }
            let line = Self.trimmed(rest[0..<end])
            do throws(Reason) {
                try add(line)
            } catch {
                // An empty line is not shown.
                throw Mistake(line: number, text: line.description, reason: error.text)
            }
            rest = rest.dropFirst(end + 1)
        }
        // A base takes the place of increments together with the base before them, which is named behind them.
        if let file = history.last, Self.isIncrement(file.name), file.sequence > lastIncrement {
            throw Mistake(line: 0, text: "", reason: "Found no increment after \(file.name), which is called history")
        }
        // None of them may be taken for a new one.
        for file in history where Self.isIncrement(file.name) { lastIncrement = max(lastIncrement, file.sequence) }
    }

    private static func isIncrement(_ name: String) -> Bool { name.hasSuffix(".incr.aof") }

    private struct Reason: Error {
        let text: String
        init(_ text: String) { self.text = text }
    }

    private static func trimmed(_ line: ByteSlice) -> ByteSlice {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
        var (start, end) = (0, line.count)
        while start < end, isSpace(line[start]) { start += 1 }
        while end > start, isSpace(line[end - 1]) { end -= 1 }
        return line[start..<end]
    }

    private mutating func add(_ line: ByteSlice) throws(Reason) {
        let format = "Invalid AOF manifest file format"
        // Later versions may have more to say of a file.
        guard line.count > 0, let words = QuotedWords.split(line), words.count >= 6, words.count.isMultiple(of: 2)
        else {
            throw Reason(format)
        }
        var (name, sequence, type): (String, Int, UInt8?) = ("", 0, nil)
        for index in stride(from: 0, to: words.count, by: 2) {
            let (word, value) = (words[index], words[index + 1])
            try word.withByteSlice { (word) throws(Reason) in
                if word.equalsIgnoringCase("file") {
                    name = String(decoding: value, as: UTF8.self)
                    guard !value.contains(UInt8(ascii: "/")) && !value.contains(UInt8(ascii: "\\")) else {
                        throw Reason("File can't be a path, just a filename")
                    }
                } else if word.equalsIgnoringCase("seq") {
                    sequence = value.withByteSlice { Decimal.parse($0) } ?? 0
                } else if word.equalsIgnoringCase("type") {
                    type = value.first
                }
            }
        }
        guard !name.isEmpty, name != ".", name != "..", sequence > 0, sequence < Self.largestSequence, let type else {
            throw Reason(format)
        }
        guard let kind = Kind(rawValue: String(decoding: [type], as: UTF8.self)) else {
            throw Reason("Unknown AOF file type")
        }
        let file = File(name: name, sequence: sequence, kind: kind)
        switch kind {
        case .base:
            guard base == nil else { throw Reason("Found duplicate base file information") }
            base = file
            lastBase = sequence
        case .history: history.append(file)
        case .increment:
            guard sequence > lastIncrement else { throw Reason("Found a non-monotonic sequence number") }
            increments.append(file)
            lastIncrement = sequence
        }
    }

    /// The base comes first, and the increments last. History begins with what was replaced last, increments before their base.
    var text: [UInt8] {
        ([base].compactMap { $0 } + history + increments).flatMap { file in
            Array("file ".utf8) + Self.quoted(file.name)
                + Array(" seq \(file.sequence) type \(file.kind.rawValue)\n".utf8)
        }
    }

    private static func quoted(_ name: String) -> [UInt8] {
        let isPlain = name.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x27 && $0 != 0x5C }
        if isPlain { return Array(name.utf8) }
        var text: [UInt8] = []
        ByteEscapes.quotedWord.appendQuoted(Array(name.utf8), to: &text)
        return text
    }

    // MARK: changing it

    /// The name of the base that is made next.
    func nextBaseName(of fileName: String, isSnapshot: Bool) -> String {
        "\(fileName).\(lastBase + 1).base.\(isSnapshot ? "rdb" : "aof")"
    }

    /// The name of the increment that is begun next.
    func nextIncrementName(of fileName: String) -> String { "\(fileName).\(lastIncrement + 1).incr.aof" }

    /// Begins an increment.
    mutating func addIncrement(_ name: String) {
        lastIncrement += 1
        increments.append(File(name: name, sequence: lastIncrement, kind: .increment))
    }

    /// Has a new base take the place of the old one and of all increments before the last `kept`.
    mutating func replaceBase(with name: String, keepingIncrements kept: Int) {
        lastBase += 1
        if var base {
            base.kind = .history
            history.insert(base, at: 0)
        }
        base = File(name: name, sequence: lastBase, kind: .base)
        let replaced = increments.count - min(kept, increments.count)
        history.insert(
            contentsOf: increments[..<replaced].map { File(name: $0.name, sequence: $0.sequence, kind: .history) },
            at: 0)
        increments.removeFirst(replaced)
    }

    /// Leaves out the numbers that files have which no manifest knows of any more, so that none of them is overwritten or added to.
    /// - Returns: their names.
    mutating func leaveOut(_ names: [String], of fileName: String) -> [String] {
        names.filter { name in
            guard name.hasPrefix(fileName + ".") else { return false }
            let parts = name.dropFirst(fileName.count + 1).split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 3, let sequence = Int(parts[0]), 1..<Self.largestSequence ~= sequence else {
                return false
            }
            switch (parts[1], parts[2]) {
            case ("base", "rdb"), ("base", "aof"): lastBase = max(lastBase, sequence)
            case ("incr", "aof"): lastIncrement = max(lastIncrement, sequence)
            default: return false
            }
            return true
        }
    }

    mutating func forgetHistory() { history = [] }
}
