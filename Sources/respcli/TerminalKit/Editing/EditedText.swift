// A text and a place in it, and the moves and changes that are made by characters and words. What combines with a character, such as an
// accent or the parts of a composed emoji, belongs to it.

public struct EditedText: Equatable, Sendable {
    public private(set) var bytes: [UInt8]
    /// Index of the byte before which the cursor is; always between characters.
    public private(set) var cursor: Int

    public init(_ bytes: [UInt8] = []) {
        self.bytes = bytes
        cursor = bytes.count
    }

    public var isEmpty: Bool { bytes.isEmpty }
    public var isAtEnd: Bool { cursor == bytes.count }
    public var beforeCursor: ArraySlice<UInt8> { bytes[..<cursor] }
    public var afterCursor: ArraySlice<UInt8> { bytes[cursor...] }

    // MARK: places

    private static let joiner = Unicode.Scalar(0x200D)

    /// The place behind the character at `position`.
    public func next(after position: Int) -> Int {
        guard position < bytes.count else { return bytes.count }
        var (scalar, length) = UTF8Boundary.scalar(at: bytes[position...])
        var end = position + length
        while end < bytes.count {
            let wasJoiner = scalar == Self.joiner
            let (following, size) = UTF8Boundary.scalar(at: bytes[end...])
            guard let following, following.value >= 0x300, wasJoiner || CharacterWidth.of(following) == 0 else { break }
            scalar = following
            end += size
        }
        return end
    }

    /// The place before the character that ends at `position`.
    public func previous(before position: Int) -> Int {
        guard position > 0 else { return 0 }
        // An ASCII byte begins a character, whatever is before it.
        var start = position - 1
        while start > 0, bytes[start] >= 0x80 { start -= 1 }
        while true {
            let end = next(after: start)
            if end >= position { return start }
            start = end
        }
    }

    private func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"), 0x80...0xFF:
            true
        default: false
        }
    }

    public var wordStart: Int {
        var position = cursor
        while position > 0, !isWord(bytes[position - 1]) { position -= 1 }
        while position > 0, isWord(bytes[position - 1]) { position -= 1 }
        return position
    }

    public var wordEnd: Int {
        var position = cursor
        while position < bytes.count, !isWord(bytes[position]) { position += 1 }
        while position < bytes.count, isWord(bytes[position]) { position += 1 }
        return position
    }

    /// The start of what is between the cursor and the white space before it.
    public var blankStart: Int {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        var position = cursor
        while position > 0, isBlank(bytes[position - 1]) { position -= 1 }
        while position > 0, !isBlank(bytes[position - 1]) { position -= 1 }
        return position
    }

    // MARK: moves and changes

    public mutating func move(to position: Int) { cursor = max(0, min(bytes.count, position)) }

    public mutating func insert(_ text: some Collection<UInt8>) {
        bytes.insert(contentsOf: text, at: cursor)
        cursor += text.count
    }

    /// Removes what is between `start` and `end` and returns it. The cursor is there afterwards.
    @discardableResult
    public mutating func remove(_ start: Int, _ end: Int) -> [UInt8] {
        let range = min(start, end)..<max(start, end)
        let removed = Array(bytes[range])
        bytes.removeSubrange(range)
        cursor = range.lowerBound
        return removed
    }

    public mutating func replace(_ range: Range<Int>, with text: [UInt8]) {
        bytes.replaceSubrange(range, with: text)
        cursor = range.lowerBound + text.count
    }

    /// Exchanges the characters around the cursor, or the last two at the end.
    public mutating func transpose() {
        guard !bytes.isEmpty, cursor > 0 else { return }
        let middle = isAtEnd ? previous(before: cursor) : cursor
        guard middle > 0 else { return }
        let start = previous(before: middle)
        let end = next(after: middle)
        replace(start..<end, with: Array(bytes[middle..<end] + bytes[start..<middle]))
    }
}
