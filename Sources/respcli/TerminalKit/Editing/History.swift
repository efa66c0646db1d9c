// Lines typed before, the oldest first, and the file that keeps them. The file is its owner's alone (mode 0600), as lines may be private.

import Glibc

public struct History: Sendable {
    public private(set) var lines: [[UInt8]] = []
    private let limit: Int
    private var path: String?

    public init(limit: Int = 1000) { self.limit = limit }

    /// Reads the file, if there is one; from now on `add` appends to it.
    public mutating func open(_ path: String) {
        self.path = path
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var contents: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 64 * 1024)
        // A file that is no history, such as a device, is not read without end.
        while contents.count < 16 * 1024 * 1024 {
            let count = block.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            contents += block[..<count]
        }
        lines = contents.split(separator: 0x0A).suffix(limit).map { Self.decoded(Array($0)) }
    }

    /// Adds a line, unless it is empty or the same as the last.
    public mutating func add(_ line: [UInt8]) {
        guard !line.isEmpty, line != lines.last else { return }
        lines.append(line)
        if lines.count > limit { lines.removeFirst(lines.count - limit) }
        append(line)
    }

    private func append(_ line: [UInt8]) {
        guard let path else { return }
        let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var information = stat()
        if fstat(descriptor, &information) == 0, information.st_mode & S_IFMT == S_IFREG {
            _ = fchmod(descriptor, 0o600)
            if information.st_size > 8 * 1024 * 1024 { return rewrite(path) }
        }
        TerminalDevice.write(Self.encoded(line) + [0x0A], to: descriptor)
    }

    /// Writes the lines that are kept in place of a file that has grown long.
    private func rewrite(_ path: String) {
        let temporary = path + ".new"
        let descriptor = Glibc.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return }
        TerminalDevice.write(lines.reduce(into: []) { $0 += Self.encoded($1) + [0x0A] }, to: descriptor)
        close(descriptor)
        rename(temporary, path)
    }

    // A line of the file is one of the history: line ends in it are written as a backslash and an "n" after a mark.
    private static let mark: UInt8 = 0x01

    static func encoded(_ line: [UInt8]) -> [UInt8] {
        guard line.contains(0x0A) else { return line }
        return [mark]
            + line.flatMap { byte -> [UInt8] in
                switch byte {
                case 0x0A: [UInt8(ascii: "\\"), UInt8(ascii: "n")]
                case UInt8(ascii: "\\"): [byte, byte]
                default: [byte]
                }
            }
    }

    static func decoded(_ line: [UInt8]) -> [UInt8] {
        guard line.first == mark else { return line }
        var decoded: [UInt8] = []
        var index = 1
        while index < line.count {
            if line[index] == UInt8(ascii: "\\"), index + 1 < line.count {
                decoded.append(line[index + 1] == UInt8(ascii: "n") ? 0x0A : line[index + 1])
                index += 2
            } else {
                decoded.append(line[index])
                index += 1
            }
        }
        return decoded
    }

    /// The newest line before `index` that contains `text`; nil if there is none.
    public func search(_ text: [UInt8], before index: Int) -> Int? {
        guard !text.isEmpty else { return nil }
        return lines.indices.prefix(max(0, index)).last { Self.contains(lines[$0], text) }
    }

    /// The oldest line after `index` that contains `text`.
    public func search(_ text: [UInt8], after index: Int) -> Int? {
        guard !text.isEmpty else { return nil }
        return lines.indices.first { $0 > index && Self.contains(lines[$0], text) }
    }

    static func contains(_ line: [UInt8], _ text: [UInt8]) -> Bool { position(of: text, in: line) != nil }

    static func position(of text: [UInt8], in line: [UInt8]) -> Int? {
        guard !text.isEmpty, line.count >= text.count else { return nil }
        return (0...(line.count - text.count)).first { line[$0..<($0 + text.count)].elementsEqual(text) }
    }
}
