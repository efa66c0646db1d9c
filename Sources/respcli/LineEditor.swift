// Editing of a typed line: what each key does, and what the terminal has to show for it.
//
// The system's own editing of lines (canonical mode) silently drops what is beyond 4,095 bytes of a line, so that a long
// pasted value would be truncated. Therefore the terminal delivers each byte, and the editing of the system is done here:
// the last character, word or line can be erased. Every other byte belongs to the line.

import CLinux
import Glibc

struct LineEditor {
    /// The editing keys, as set in the terminal. 0 is no key.
    struct Keys {
        var erase: UInt8 = 0x7F
        var eraseWord: UInt8 = 0x17
        var eraseLine: UInt8 = 0x15
        var end: UInt8 = 0x04
    }

    enum Outcome {
        case editing
        /// The line is complete.
        case line
        /// The end-of-file key was typed within a line.
        case part
        /// There are no more lines.
        case end
    }

    private let keys: Keys
    private(set) var line: Bytes = []
    /// What the terminal has still to show.
    var echo: Bytes = []

    init(keys: Keys) { self.keys = keys }

    mutating func take(_ byte: UInt8) -> Outcome {
        switch byte {
        case 0x0A, 0x0D:
            echo.append(0x0A)
            return .line
        case 0: add(byte)
        case keys.end: return line.isEmpty ? .end : .part
        case keys.erase, 0x08, 0x7F: eraseCharacter()
        case keys.eraseLine: while !line.isEmpty { eraseCharacter() }
        case keys.eraseWord:
            while let last = line.last, Text.isBlank(last) { eraseCharacter() }
            while let last = line.last, !Text.isBlank(last) { eraseCharacter() }
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
        let character = String(validating: line[start...], as: UTF8.self)?.unicodeScalars
        let columns: Int
        if let scalar = character?.first, scalar.value >= 0x80 {
            // -1 for a character that the locale does not have.
            let width = wcwidth(wchar_t(bitPattern: scalar.value))
            columns = width < 0 ? 1 : Int(width)
        } else {
            columns = last < 0x20 && last != 0x09 || last == 0x7F ? 2 : 1
        }
        line.removeLast(character?.count == 1 ? line.count - start : 1)
        for _ in 0..<columns { echo += [0x08, UInt8(ascii: " "), 0x08] }
    }
}
