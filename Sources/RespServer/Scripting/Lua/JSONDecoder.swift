// JSON as values of Lua. As lenient as its model: numbers may be infinite, not a number or hexadecimal, and a zero byte ends the text.

import Glibc
import RespCodec

@safe struct JSONDecoder {
    struct Mistake: Error {
        var text = ""
        var isMemory = false
    }

    private enum Token {
        case objectStart, objectEnd, arrayStart, arrayEnd, colon, comma, end, null
        /// Its bytes are in the buffer.
        case string
        case number(Double)
        case boolean(Bool)
        case mistake(String)

        var name: String {
            switch self {
            case .objectStart: "T_OBJ_BEGIN"
            case .objectEnd: "T_OBJ_END"
            case .arrayStart: "T_ARR_BEGIN"
            case .arrayEnd: "T_ARR_END"
            case .colon: "T_COLON"
            case .comma: "T_COMMA"
            case .end: "T_END"
            case .null: "T_NULL"
            case .string: "T_STRING"
            case .number: "T_NUMBER"
            case .boolean: "T_BOOLEAN"
            case .mistake(let text): text
            }
        }
    }

    /// Values within values, whatever a script sets: each takes some of the process's stack.
    private static let mostDepth = 2000

    private let lua: Lua
    private let text: ByteSlice
    private let buffer: LuaBuffer
    private let settings: LuaJSON.Settings
    private var place = 0
    /// Where the last token begins.
    private var tokenPlace = 0
    private var depth = 0

    /// - Parameter text: followed by a zero byte in memory, as every string of Lua is.
    init(lua: Lua, text: ByteSlice, buffer: LuaBuffer, settings: LuaJSON.Settings) {
        self.lua = lua
        self.text = text
        self.buffer = buffer
        self.settings = settings
    }

    /// Pushes the value that the whole text is.
    mutating func pushDocument() throws(Mistake) {
        try push(nextToken())
        let token = nextToken()
        guard case .end = token else { throw mistake("the end", token) }
    }

    private func mistake(_ expected: String, _ found: Token) -> Mistake {
        Mistake(text: "Expected \(expected) but found \(found.name) at character \(tokenPlace + 1)")
    }

    // MARK: values

    private mutating func push(_ token: Token) throws(Mistake) {
        switch token {
        case .string: try pushString()
        case .number(let value): lua.push(value)
        case .boolean(let value): lua.push(value)
        case .null: lua.pushNullPointer()
        case .objectStart: try pushObject()
        case .arrayStart: try pushArray()
        default: throw mistake("value", token)
        }
    }

    private func pushString() throws(Mistake) {
        guard !lua.isOverLimit(adding: buffer.count) else { throw Mistake(isMemory: true) }
        lua.push(buffer.written)
    }

    private mutating func descend() throws(Mistake) {
        depth += 1
        guard depth <= min(settings.mostDecodedDepth, Self.mostDepth), lua.hasRoom(for: 4) else {
            throw Mistake(
                text: "Found too many nested data structures (\(depth)) at character \(place)")
        }
        guard !lua.isOverLimit() else { throw Mistake(isMemory: true) }
    }

    private mutating func pushObject() throws(Mistake) {
        try descend()
        lua.pushTable()
        var token = nextToken()
        if case .objectEnd = token {
            depth -= 1
            return
        }
        while true {
            guard case .string = token else { throw mistake("object key string", token) }
            try pushString()
            token = nextToken()
            guard case .colon = token else { throw mistake("colon", token) }
            try push(nextToken())
            lua.setField(of: -3)
            guard !lua.isOverLimit() else { throw Mistake(isMemory: true) }
            token = nextToken()
            if case .objectEnd = token {
                depth -= 1
                return
            }
            guard case .comma = token else { throw mistake("comma or object end", token) }
            token = nextToken()
        }
    }

    private mutating func pushArray() throws(Mistake) {
        try descend()
        lua.pushTable()
        var token = nextToken()
        if case .arrayEnd = token {
            depth -= 1
            return
        }
        var index = 1
        while true {
            try push(token)
            lua.setElement(index, of: -2)
            guard !lua.isOverLimit() else { throw Mistake(isMemory: true) }
            token = nextToken()
            if case .arrayEnd = token {
                depth -= 1
                return
            }
            guard case .comma = token else { throw mistake("comma or array end", token) }
            token = nextToken()
            index += 1
        }
    }

    // MARK: tokens

    /// The byte at a place; 0 behind the last.
    @inline(__always)
    private func byte(_ place: Int) -> UInt8 { place < text.count ? text[place] : 0 }

    private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

    private mutating func nextToken() -> Token {
        while isSpace(byte(place)) { place += 1 }
        tokenPlace = place
        let first = byte(place)
        switch first {
        case 0: return .end
        case UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: ","),
            UInt8(ascii: ":"):
            place += 1
            switch first {
            case UInt8(ascii: "{"): return .objectStart
            case UInt8(ascii: "}"): return .objectEnd
            case UInt8(ascii: "["): return .arrayStart
            case UInt8(ascii: "]"): return .arrayEnd
            case UInt8(ascii: ","): return .comma
            default: return .colon
            }
        case UInt8(ascii: "\""): return stringToken()
        case UInt8(ascii: "-"), 0x30...0x39:
            if !settings.decodesInvalidNumbers && isInvalidNumber { return .mistake("invalid number") }
            return numberToken()
        case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "N"), UInt8(ascii: "i"),
            UInt8(ascii: "I"), UInt8(ascii: "+"):
            if takes("true") { return .boolean(true) }
            if takes("false") { return .boolean(false) }
            if takes("null") { return .null }
            if settings.decodesInvalidNumbers && isInvalidNumber { return numberToken() }
            return .mistake("invalid token")
        default: return .mistake("invalid token")
        }
    }

    private mutating func takes(_ word: StaticString) -> Bool {
        let word = ByteSlice(word)
        guard text.count - place >= word.count, text[place..<place + word.count] == word else {
            return false
        }
        place += word.count
        return true
    }

    /// Whether a number stands here that JSON does not know.
    private var isInvalidNumber: Bool {
        if byte(place) == UInt8(ascii: "+") { return true }
        let start = byte(place) == UInt8(ascii: "-") ? place + 1 : place
        let first = byte(start)
        if first == UInt8(ascii: "0") {
            let second = byte(start + 1)
            return second | 0x20 == UInt8(ascii: "x") || (0x30...0x39).contains(second)
        }
        if first <= 0x39 { return false }
        let word = [byte(start), byte(start + 1), byte(start + 2)].map { ByteSlice.lowercased($0) }
        return word == Array("inf".utf8) || word == Array("nan".utf8)
    }

    private mutating func numberToken() -> Token {
        // Short whole numbers are most of them.
        var value = 0
        let isNegative = byte(place) == UInt8(ascii: "-")
        var end = isNegative ? place + 1 : place
        let start = end
        while end - start < 16, (0x30...0x39).contains(byte(end)) {
            value = value * 10 + Int(byte(end) - 0x30)
            end += 1
        }
        let next = byte(end)
        let isWhole =
            end > start && !(0x30...0x39).contains(next) && next != UInt8(ascii: ".")
            && ByteSlice.lowercased(next) != UInt8(ascii: "e") && ByteSlice.lowercased(next) != UInt8(ascii: "x")
        if isWhole && (value != 0 || !isNegative) {
            place = end
            return .number(Double(isNegative ? -value : value))
        }
        guard let first = unsafe text.rawBytes.baseAddress?.advanced(by: place).assumingMemoryBound(to: CChar.self)
        else { return .mistake("invalid number") }
        var rest: UnsafeMutablePointer<CChar>?
        let number = unsafe strtod(first, &rest)
        let length = unsafe rest.map { unsafe UnsafePointer($0) - first } ?? 0
        guard length > 0 else { return .mistake("invalid number") }
        place += length
        return .number(number)
    }

    private mutating func stringToken() -> Token {
        buffer.removeAll()
        place += 1
        while true {
            let start = place
            while place < text.count, text[place] != 0, text[place] != UInt8(ascii: "\""),
                text[place] != UInt8(ascii: "\\")
            {
                place += 1
            }
            buffer.append(text[start..<place])
            switch byte(place) {
            case UInt8(ascii: "\""):
                place += 1
                return .string
            case UInt8(ascii: "\\"):
                if let problem = takeEscape() {
                    tokenPlace = place
                    return .mistake(problem)
                }
            default:
                tokenPlace = place
                return .mistake("unexpected end of string")
            }
        }
    }

    /// Takes what a backslash begins; returns what is wrong with it.
    private mutating func takeEscape() -> String? {
        let escaped: UInt8
        switch byte(place + 1) {
        case UInt8(ascii: "\""): escaped = UInt8(ascii: "\"")
        case UInt8(ascii: "\\"): escaped = UInt8(ascii: "\\")
        case UInt8(ascii: "/"): escaped = UInt8(ascii: "/")
        case UInt8(ascii: "b"): escaped = 0x08
        case UInt8(ascii: "t"): escaped = 0x09
        case UInt8(ascii: "n"): escaped = 0x0A
        case UInt8(ascii: "f"): escaped = 0x0C
        case UInt8(ascii: "r"): escaped = 0x0D
        case UInt8(ascii: "u"): return takeUnicode() ? nil : "invalid unicode escape code"
        default: return "invalid escape code"
        }
        buffer.append(escaped)
        place += 2
        return nil
    }

    /// The number that four hexadecimal digits are.
    private func unit(_ start: Int) -> UInt32? {
        var value: UInt32 = 0
        for index in start..<start + 4 {
            guard let digit = Hexadecimal.value(of: byte(index)) else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    private mutating func takeUnicode() -> Bool {
        guard var code = unit(place + 2) else { return false }
        var length = 6
        if code & 0xF800 == 0xD800 {
            guard code & 0x400 == 0, byte(place + 6) == UInt8(ascii: "\\"),
                byte(place + 7) == UInt8(ascii: "u"), let low = unit(place + 8), low & 0xFC00 == 0xDC00
            else { return false }
            code = ((code & 0x3FF) << 10 | low & 0x3FF) + 0x10000
            length = 12
        }
        switch code {
        case ...0x7F: buffer.append(UInt8(code))
        case ...0x7FF:
            buffer.append(UInt8(code >> 6) | 0xC0)
            buffer.append(UInt8(code & 0x3F) | 0x80)
        case ...0xFFFF:
            buffer.append(UInt8(code >> 12) | 0xE0)
            buffer.append(UInt8(code >> 6 & 0x3F) | 0x80)
            buffer.append(UInt8(code & 0x3F) | 0x80)
        default:
            buffer.append(UInt8(code >> 18) | 0xF0)
            buffer.append(UInt8(code >> 12 & 0x3F) | 0x80)
            buffer.append(UInt8(code >> 6 & 0x3F) | 0x80)
            buffer.append(UInt8(code & 0x3F) | 0x80)
        }
        place += length
        return true
    }
}
