// How far a tool is, in a file that is replaced as a whole after each step: a line that tells what the file is, one that tells which work it
// belongs to, and lines of a name and a value. A tool that was killed goes on from there when it is started with the same file.
//
// Whatever else a path may name is neither taken nor replaced.

import Glibc

struct ResumeFile {
    private static let title = "respcli resume 1"
    /// Bytes that no file of this kind has.
    private static let limit = 1024 * 1024

    private let path: Bytes
    private let work: String
    private var place: [String: String] = [:]

    /// Reads the file, if there is one.
    ///
    /// - Parameter work: what is done, with which servers and keys: one line.
    /// - Throws: if the path names something else, or the file belongs to other work.
    init(_ path: Bytes, of work: String) throws(ToolFailure) {
        self.path = path
        self.work = work
        var information = stat()
        guard Text.withCString(path, { stat($0, &information) }) == 0 else {
            if errno == ENOENT { return }
            throw failure("read")
        }
        guard information.st_mode & S_IFMT == S_IFREG, information.st_size <= Self.limit else { throw notOurs }
        guard let contents = Session.contents(of: path) else { throw failure("read") }
        if contents.isEmpty { return }
        let lines = Text.string(contents).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines[0] == Self.title, lines.count > 1, lines[1].hasPrefix("of ") else { throw notOurs }
        guard lines[1].dropFirst(3) == work else {
            throw ToolFailure("\(Text.string(path)) belongs to another run: \(lines[1].dropFirst(3))")
        }
        for line in lines.dropFirst(2) {
            let words = line.split(separator: " ", maxSplits: 1)
            if words.count == 2 { place[String(words[0])] = String(words[1]) }
        }
    }

    subscript(name: String) -> String? { place[name] }

    func integer(_ name: String) -> Int { place[name].flatMap { Int($0) } ?? 0 }

    /// Whether it tells where to go on.
    var hasPlace: Bool { !place.isEmpty }

    /// Writes the file as it is, so that a place where that cannot be done is told of before anything else is done.
    func begin() throws(ToolFailure) { try write() }

    /// Replaces the file.
    mutating func save(_ place: [String: String]) throws(ToolFailure) {
        self.place = place
        try write()
    }

    private func write() throws(ToolFailure) {
        let text =
            "\(Self.title)\nof \(work)\n"
            + place.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)\n" }.joined()
        let temporary = path + Bytes(".new".utf8)
        let descriptor = Text.withCString(temporary) { open($0, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600) }
        guard descriptor >= 0 else { throw failure("write") }
        var rest = Bytes(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                let problem = failure("write")
                close(descriptor)
                throw problem
            }
        }
        close(descriptor)
        let code = Text.withCString(temporary) { from in Text.withCString(path) { rename(from, $0) } }
        guard code == 0 else { throw failure("replace") }
    }

    func remove() { _ = Text.withCString(path) { unlink($0) } }

    private func failure(_ what: String) -> ToolFailure {
        ToolFailure("Cannot \(what) \(Text.string(path)): \(Text.systemError(errno))")
    }

    private var notOurs: ToolFailure {
        ToolFailure("\(Text.string(path)) is no file of --resume, and is left as it is")
    }
}
