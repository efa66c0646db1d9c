// The syntax of one line of a configuration file: words with quotes, as `QuotedWords` splits them. A "#" starts a comment only where the
// line begins.

import RespCodec

enum DirectiveSyntax {
    /// The words of `line`, or nil when a quote is not closed or runs into a word. A zero byte ends the line.
    static func words(_ line: [UInt8]) -> [[UInt8]]? { line.withByteSlice { QuotedWords.split($0) } }

    /// `text` between double quotes, so that `words` gives it back.
    static func quoted(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        ByteEscapes.quotedWord.appendQuoted(text, to: &result)
        return result
    }

    /// `line` without white space at its ends.
    static func trimmed(_ line: some BidirectionalCollection<UInt8>) -> [UInt8] {
        let blanks: Set<UInt8> = [0x20, 0x09, 0x0D, 0x0A]
        let tail = line.reversed().drop { blanks.contains($0) }
        return Array(tail.reversed().drop { blanks.contains($0) })
    }
}
