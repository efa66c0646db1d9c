// Editing of a typed line on a terminal that can move its cursor only to the left: what each key does, and what the terminal has to show
// for it.
//
// The system's own editing of lines (canonical mode) silently drops what is beyond 4,095 bytes of a line, so that a long
// pasted value would be truncated. Therefore the terminal delivers each byte, and the editing of the system is done here:
// the last character, word or line can be erased. Every other byte belongs to the line.

public struct PlainLineEditor {
    /// The editing keys, as set in the terminal. 0 is no key.
    public struct Keys: Sendable {
        public var erase: UInt8
        public var eraseWord: UInt8
        public var eraseLine: UInt8
        public var end: UInt8

        public init(erase: UInt8 = 0x7F, eraseWord: UInt8 = 0x17, eraseLine: UInt8 = 0x15, end: UInt8 = 0x04) {
            self.erase = erase
            self.eraseWord = eraseWord
            self.eraseLine = eraseLine
            self.end = end
        }
    }

    public enum Outcome: Sendable {
        case editing
        /// The line is complete.
        case line
        /// The end-of-file key was typed within a line.
        case part
        /// There are no more lines.
        case end
    }

    private let keys: Keys
    public private(set) var line: [UInt8] = []
    /// What the terminal has still to show.
    public var echo: [UInt8] = []

    public init(keys: Keys) { self.keys = keys }

    public mutating func take(_ byte: UInt8) -> Outcome {
        switch byte {
        case 0x0A, 0x0D:
            echo.append(0x0A)
            return .line
        case 0: add(byte)
        case keys.end: return line.isEmpty ? .end : .part
        case keys.erase, 0x08, 0x7F: eraseCharacter()
        case keys.eraseLine: while !line.isEmpty { eraseCharacter() }
        case keys.eraseWord:
            while let last = line.last, Self.isBlank(last) { eraseCharacter() }
            while let last = line.last, !Self.isBlank(last) { eraseCharacter() }
        default: add(byte)
        }
        return .editing
    }

    private mutating func add(_ byte: UInt8) {
        line.append(byte)
        switch byte {
        // Shown as one column, as many as are erased.
        case 0x09: echo.append(UInt8(ascii: " "))
        case 0..<0x20, 0x7F: echo += [UInt8(ascii: "^"), byte ^ 0x40]
        default: echo.append(byte)
        }
    }

    /// Erases the last character, which in UTF-8 may be several bytes.
    private mutating func eraseCharacter() {
        guard let last = line.last else { return }
        var start = line.count - 1
        while start > 0, line.count - start < 4, line[start] & 0xC0 == 0x80 { start -= 1 }
        let (scalar, length) = UTF8Boundary.scalar(at: line[start...])
        let isCharacter = scalar != nil && start + length == line.count
        let columns: Int
        if isCharacter, let scalar, scalar.value >= 0x80 {
            columns = CharacterWidth.of(scalar)
        } else {
            columns = last < 0x20 && last != 0x09 || last == 0x7F ? 2 : 1
        }
        line.removeLast(isCharacter ? length : 1)
        for _ in 0..<columns { echo += [0x08, UInt8(ascii: " "), 0x08] }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}
