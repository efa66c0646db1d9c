// Helpers of the configuration tests: bytes from text, and a directory that is removed at the end.

import Glibc

@testable import RespServer

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

/// A directory of its own for one test, removed with what is in it.
final class TemporaryDirectory {
    let path: String

    init() {
        var template = Array("/tmp/resp-server-test.XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil, "no temporary directory")
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit {
        for pattern in ["\(path)/*/*", "\(path)/*"] {
            for name in FileAccess.paths(matching: pattern) { remove(name) }
        }
        rmdir(path)
    }

    /// Writes a file and returns its path.
    @discardableResult func write(_ name: String, _ content: String) -> String {
        let path = "\(path)/\(name)"
        precondition(FileAccess.replace(path, with: Array(content.utf8)) == nil, "cannot write \(path)")
        return path
    }

    func read(_ name: String) -> String {
        guard case .success(let content) = FileAccess.read("\(path)/\(name)") else { return "" }
        return text(content)
    }
}

extension Configuration {
    /// The value of one setting as CONFIG GET returns it, or nil if there is none.
    func value(_ name: String) -> String? { get([bytes(name)]).first.map { text($0.value) } }

    /// CONFIG SET with words; nil on success, else the error reply.
    func set(_ words: String...) -> String? {
        do {
            try set(words.map(bytes), clientIsLocal: true)
            return nil
        } catch {
            return text(error.reply)
        }
    }
}

/// The configuration that a text gives, or the message of its error.
func load(_ content: String) -> Result<Configuration, ConfigurationError> {
    var loader = ConfigurationLoader()
    do {
        try loader.loadStandardInput(bytes(content))
        return .success(Configuration(loader))
    } catch {
        return .failure(error)
    }
}
