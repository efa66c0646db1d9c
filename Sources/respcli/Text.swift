// Bytes and C's text functions: the few conversions that command lines, the environment and number options need.
//
// Arguments are bytes from the first to the last; a name turns into a `String` only for a message.

import Glibc

typealias Bytes = [UInt8]

enum Text {
    /// The bytes of a C string, without the zero at its end.
    static func bytes(_ text: UnsafePointer<CChar>) -> Bytes {
        Bytes(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }

    /// For messages: bytes that are not UTF-8 are replaced.
    static func string(_ bytes: Bytes) -> String { String(decoding: bytes, as: UTF8.self) }

    /// Lends `bytes` as a C string; a zero within them ends it early.
    static func withCString<Result>(_ bytes: Bytes, _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        (bytes + [0]).withUnsafeBytes { body($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
    }

    /// The value of an environment variable, if it is set.
    static func environment(_ name: String) -> Bytes? {
        getenv(name).map { bytes($0) }
    }

    /// What the system calls error `code`.
    static func systemError(_ code: CInt) -> String { String(cString: strerror(code)) }

    /// The whole number that `bytes` begin with, after blanks and with a sign, as C reads one: 0 if there is none, the
    /// nearest that fits if it is too large.
    static func leadingInteger(_ bytes: Bytes) -> Int { withCString(bytes) { strtol($0, nil, 10) } }

    /// The number that `bytes` begin with, or 0.
    static func leadingDouble(_ bytes: Bytes) -> Double { withCString(bytes) { strtod($0, nil) } }

    /// Whether `bytes` are a whole number from first to last (nothing at all is, too, as C has it), and whether it
    /// fits.
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

    static func lowercased(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    static func uppercased(_ byte: UInt8) -> UInt8 { byte &- 0x61 < 26 ? byte & ~0x20 : byte }

    /// Whether C's `isspace` holds in the plain locale.
    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// What a hexadecimal digit stands for, or nil.
    static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
