// What a server answers to the requests by which keys are moved to it: a line each, "+OK" or an error. Anything else comes from somebody who
// does not speak the protocol, and is no acknowledgement.

import RespCodec

struct TargetReplies {
    enum Line: Equatable {
        case acknowledged
        /// With the text of the error, which is cut off where it is very long.
        case refused([UInt8])
        case malformed
    }

    /// A line may have this many bytes.
    static let longestLine = 64 << 10
    /// How much of an error is kept.
    static let longestText = 1022

    /// The beginning of a line whose end has not come.
    private var line: [UInt8] = []

    /// Whether a line has begun that has not ended.
    var isWithinLine: Bool { !line.isEmpty }

    /// Reads what has come.
    /// - Returns: the lines that are whole now; behind one that is malformed there is nothing.
    /// - Complexity: O(bytes).
    mutating func take(_ bytes: ByteSlice) -> [Line] {
        var lines: [Line] = []
        var rest = bytes
        while !rest.isEmpty {
            let end = rest.index(of: UInt8(ascii: "\n"))
            let piece = rest[0..<(end ?? rest.count)]
            guard line.count + piece.count <= Self.longestLine else { return lines + [.malformed] }
            guard let end else {
                line += piece.array
                break
            }
            let isWhole = line.isEmpty
            if !isWhole { line += piece.array }
            let read = isWhole ? Self.read(piece) : line.withByteSlice { Self.read($0) }
            line.removeAll(keepingCapacity: true)
            lines.append(read)
            if read == .malformed { break }
            rest = rest.dropFirst(end + 1)
        }
        return lines
    }

    private static func read(_ line: ByteSlice) -> Line {
        let text = line.last == UInt8(ascii: "\r") ? line[0..<line.count - 1] : line
        if text == "+OK" { return .acknowledged }
        guard text.count > 0, text[0] == UInt8(ascii: "-") else { return .malformed }
        return .refused(text[1..<min(text.count, 1 + longestText)].array)
    }
}
