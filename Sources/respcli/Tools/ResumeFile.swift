// How far a tool is, in a file that is replaced as a whole after each step: lines of a name and a value. A tool that was killed goes on from
// there when it is started with the same file.

import Glibc

struct ResumeFile {
    private let path: Bytes
    private(set) var values: [String: String] = [:]

    /// Reads the file, if there is one.
    init(_ path: Bytes) {
        self.path = path
        guard let contents = Session.contents(of: path) else { return }
        for line in Text.string(contents).split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 1)
            if words.count == 2 { values[String(words[0])] = String(words[1]) }
        }
    }

    subscript(name: String) -> String? { values[name] }

    func integer(_ name: String) -> Int { values[name].flatMap { Int($0) } ?? 0 }

    /// Replaces the file.
    mutating func save(_ values: [String: String]) throws(ToolFailure) {
        self.values = values
        let text = values.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)\n" }.joined()
        let temporary = path + Bytes(".new".utf8)
        let descriptor = Text.withCString(temporary) { open($0, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600) }
        guard descriptor >= 0 else { throw failure("write") }
        var rest = Bytes(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
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
}
