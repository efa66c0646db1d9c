// Keys, and what terminals send for them.

public enum Key: Equatable, Sendable {
    /// Bytes of a character, or one byte that is no character.
    case text([UInt8])
    /// A letter or sign with Control held: "A"..."Z", "_", "@", "]" and so on.
    case control(Character)
    /// A character with Meta held, or after Escape.
    case meta(Character)
    case enter, tab, shiftTab, backspace, delete, escape
    case left, right, up, down, home, end, pageUp, pageDown
    case wordLeft, wordRight, metaBackspace
    /// Everything that was pasted, if the terminal marks it.
    case paste([UInt8])
    /// A sequence that has no meaning here.
    case unknown
}

/// Keys from the bytes that a terminal sends, in any pieces.
///
/// A lone Escape looks like the beginning of a sequence. So `flush` must be called when nothing has followed for a moment.
public struct KeyDecoder: Sendable {
    private var pending: [UInt8] = []
    private var pasted: [UInt8]?
    private static let pasteEnd: [UInt8] = Array("\u{1B}[201~".utf8)
    /// Bytes of a sequence of which no end is seen are given up beyond this.
    private static let longestSequence = 32

    public init() {}

    /// Whether a sequence has begun and not ended.
    public var isIncomplete: Bool { !pending.isEmpty && pasted == nil }

    public mutating func take(_ bytes: some Sequence<UInt8>) -> [Key] {
        pending += bytes
        var keys: [Key] = []
        var position = 0
        while position < pending.count {
            if pasted != nil {
                position = takePaste(from: position)
                guard let done = finishedPaste else { break }
                keys.append(.paste(done))
                finishedPaste = nil
                continue
            }
            guard let (key, length) = Self.key(in: pending[position...]) else {
                if pending.count - position < Self.longestSequence { break }
                keys.append(.unknown)
                position = pending.count
                break
            }
            position += length
            if let key { keys.append(key) } else { pasted = [] }
        }
        pending.removeFirst(min(position, pending.count))
        return keys
    }

    private var finishedPaste: [UInt8]?

    /// Consumes pasted bytes; returns the position after them.
    private mutating func takePaste(from start: Int) -> Int {
        var position = start
        while position < pending.count {
            if pending[position] == 0x1B {
                let rest = pending[position...].prefix(Self.pasteEnd.count)
                if rest.elementsEqual(Self.pasteEnd) {
                    finishedPaste = pasted
                    pasted = nil
                    return position + Self.pasteEnd.count
                }
                // May become the end.
                if rest.count < Self.pasteEnd.count && Self.pasteEnd.starts(with: rest) { return position }
            }
            pasted?.append(pending[position])
            position += 1
        }
        return position
    }

    /// Nothing more will follow what is pending: an Escape by itself is the key.
    public mutating func flush() -> [Key] {
        guard pasted == nil, !pending.isEmpty else { return [] }
        let bytes = pending
        pending = []
        if bytes == [0x1B] { return [.escape] }
        if bytes[0] == 0x1B { return [.unknown] }
        return bytes.map { .text([$0]) }
    }

    /// The first key in `bytes` and its length; nil if it is not complete; a nil key for the beginning of a paste.
    private static func key(in bytes: ArraySlice<UInt8>) -> (Key?, Int)? {
        let first = bytes[bytes.startIndex]
        switch first {
        case 0x0A, 0x0D: return (.enter, 1)
        case 0x09: return (.tab, 1)
        case 0x7F, 0x08: return (.backspace, 1)
        case 0x1B: return sequence(in: bytes)
        case 0..<0x20: return (.control(Character(Unicode.Scalar(first | 0x40))), 1)
        case 0x20..<0x7F: return (.text([first]), 1)
        default:
            let length = UTF8Boundary.length(of: first)
            guard length > 1 else { return (.text([first]), 1) }
            let character = bytes.prefix(length)
            for (offset, byte) in character.enumerated() where offset > 0 && byte & 0xC0 != 0x80 {
                return (.text([first]), 1)
            }
            return character.count < length ? nil : (.text(Array(character)), length)
        }
    }

    private static func sequence(in bytes: ArraySlice<UInt8>) -> (Key?, Int)? {
        guard bytes.count >= 2 else { return nil }
        let second = bytes[bytes.startIndex + 1]
        switch second {
        case UInt8(ascii: "["):
            // Parameters, then a final byte.
            var index = bytes.startIndex + 2
            while index < bytes.endIndex, (0x20...0x3F).contains(bytes[index]) { index += 1 }
            guard index < bytes.endIndex else { return nil }
            let length = index - bytes.startIndex + 1
            let parameters = String(decoding: bytes[(bytes.startIndex + 2)..<index], as: UTF8.self)
            if bytes[index] == UInt8(ascii: "~") && parameters == "200" { return (nil, length) }
            return (named(final: bytes[index], parameters), length)
        case UInt8(ascii: "O"):
            guard bytes.count >= 3 else { return nil }
            return (named(final: bytes[bytes.startIndex + 2], ""), 3)
        case 0x7F, 0x08: return (.metaBackspace, 2)
        case 0x1B: return (.escape, 1)
        case 0x20..<0x7F: return (.meta(Character(Unicode.Scalar(second))), 2)
        default: return (.unknown, 2)
        }
    }

    private static func named(final: UInt8, _ parameters: String) -> Key {
        // "1;5" and the like: the number after the semicolon tells which modifiers are held.
        let isModified = parameters.contains(";")
        switch Character(Unicode.Scalar(final)) {
        case "A": return .up
        case "B": return .down
        case "C": return isModified ? .wordRight : .right
        case "D": return isModified ? .wordLeft : .left
        case "H": return .home
        case "F": return .end
        case "Z": return .shiftTab
        case "~":
            switch parameters.prefix(while: { $0 != ";" }) {
            case "1", "7": return .home
            case "4", "8": return .end
            case "3": return .delete
            case "5": return .pageUp
            case "6": return .pageDown
            default: return .unknown
            }
        default: return .unknown
        }
    }
}

/// Where characters begin and end in bytes that should be UTF-8. A byte that belongs to no character is one by itself.
public enum UTF8Boundary {
    /// How many bytes a character that begins with `byte` has; 1 for a byte that begins none.
    public static func length(of byte: UInt8) -> Int {
        switch byte {
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: 1
        }
    }

    /// The character at the start of `bytes`, which are not empty, and its length. nil for a byte that is none.
    public static func scalar(at bytes: ArraySlice<UInt8>) -> (scalar: Unicode.Scalar?, length: Int) {
        let first = bytes[bytes.startIndex]
        if first < 0x80 { return (Unicode.Scalar(first), 1) }
        let length = length(of: first)
        guard length > 1, bytes.count >= length else { return (nil, 1) }
        let scalars = String(validating: bytes.prefix(length), as: UTF8.self)?.unicodeScalars
        guard let scalars, scalars.count == 1, let scalar = scalars.first else { return (nil, 1) }
        return (scalar, length)
    }
}
