// Conversions between bytes and C strings, and numbers as C reads them, for the command line and the environment.
//
// Arguments are kept as bytes; a name becomes a `String` only for a message.

import Glibc
import RespCodec

typealias Bytes = [UInt8]

enum Text {
    /// The bytes of a C string, without its final zero.
    static func bytes(_ text: UnsafePointer<CChar>) -> Bytes {
        Bytes(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }

    /// The bytes as text for messages: what is not UTF-8 is replaced.
    static func string(_ bytes: Bytes) -> String { String(decoding: bytes, as: UTF8.self) }

    /// Calls `body` with `bytes` as a C string, which a zero among them ends.
    static func withCString<Result>(_ bytes: Bytes, _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        (bytes + [0]).withUnsafeBytes { body($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
    }

    /// The value of an environment variable, if it is set.
    static func environment(_ name: String) -> Bytes? {
        getenv(name).map { bytes($0) }
    }

    /// The system's message for error `code`.
    static func systemError(_ code: CInt) -> String { String(cString: strerror(code)) }

    /// The whole number at the start of `bytes`, as strtol reads it: after white space, with an optional sign; 0 if there is
    /// none, the nearest bound if it is out of range.
    static func leadingInteger(_ bytes: Bytes) -> Int { withCString(bytes) { strtol($0, nil, 10) } }

    /// The number at the start of `bytes`, as strtod reads it, or 0.
    static func leadingDouble(_ bytes: Bytes) -> Double { withCString(bytes) { strtod($0, nil) } }

    /// The number at the start of `bytes`, and whether it is a number with nothing after it.
    static func double(_ bytes: Bytes) -> (value: Double, isWhole: Bool) {
        withCString(bytes) { text in
            var end: UnsafeMutablePointer<CChar>?
            let value = strtod(text, &end)
            return (value, !bytes.isEmpty && end!.pointee == 0 && !value.isNaN)
        }
    }

    /// Text that `printf` would print.
    static func format(_ format: String, _ arguments: any CVarArg...) -> String {
        withVaList(arguments) { list in
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
                vsnprintf(buffer.baseAddress!, buffer.count, format, list)
                return String(cString: buffer.baseAddress!)
            }
        }
    }

    /// `bytes` in double quotes, everything but printable ASCII escaped.
    static func quoted(_ bytes: Bytes) -> String {
        var text: Bytes = []
        ByteEscapes.quotedWord.appendQuoted(bytes, to: &text)
        return string(text)
    }

    /// A number of bytes with two decimals: "1.50K".
    static func size(_ count: Int) -> String {
        let magnitude = abs(Double(count))
        let sign = count < 0 ? "-" : ""
        switch magnitude {
        case ..<1024: return "\(count)B"
        case ..<1_048_576: return sign + format("%.2fK", magnitude / 1024)
        case ..<1_073_741_824: return sign + format("%.2fM", magnitude / 1_048_576)
        case ..<1_099_511_627_776: return sign + format("%.2fG", magnitude / 1_073_741_824)
        default: return sign + format("%.2fT", magnitude / 1_099_511_627_776)
        }
    }

    /// The whole number at the start of `bytes`; whether there is nothing after it (true for no bytes, as in C); and whether
    /// it is in range.
    static func integer(_ bytes: Bytes) -> (value: Int, isWhole: Bool, fits: Bool) {
        withCString(bytes) { text in
            errno = 0
            var end: UnsafeMutablePointer<CChar>?
            let value = strtol(text, &end, 10)
            return (value, end!.pointee == 0, errno == 0)
        }
    }

    /// Whether `bytes` are `word`, in any letter case. `word` is in lower case.
    static func matches(_ bytes: Bytes, _ word: String) -> Bool {
        bytes.count == word.utf8.count && zip(bytes, word.utf8).allSatisfy { lowercased($0) == $1 }
    }

    static func lowercased(_ byte: UInt8) -> UInt8 { ByteSlice.lowercased(byte) }

    static func uppercased(_ byte: UInt8) -> UInt8 { byte &- 0x61 < 26 ? byte & ~0x20 : byte }

    /// Whether a byte is white space, as C's `isspace` says in the C locale.
    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}
