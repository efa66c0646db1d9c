// `--eval FILE KEY ... , ARGUMENT ...`: EVAL of a script in a file.

import Glibc
import RespCodec

extension Session {
    /// Sends the script and prints its reply; returns the status to exit with.
    func runScript(at path: Bytes) -> CInt {
        guard connect() else { return 1 }
        guard let script = Self.contents(of: path) else {
            StandardError.write("Can't open file '\(Text.string(path))': \(Text.systemError(errno))\n")
            return 1
        }
        let comma = Bytes(",".utf8)
        let keys = options.command.prefix { $0 != comma }
        let arguments = options.command.dropFirst(keys.count + 1)
        let command = [Bytes("EVAL".utf8), script, Decimal.text(keys.count)] + keys + arguments
        let isDone = issue(command, times: options.repetitions)
        output.flush()
        return isDone ? 0 : 1
    }

    /// The contents of a file; nil, with the reason in `errno`, if it cannot be read.
    static func contents(of path: Bytes) -> Bytes? {
        let descriptor = Text.withCString(path) { open($0, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var contents: Bytes = []
        var block = Bytes(repeating: 0, count: 64 * 1024)
        while true {
            let count = block.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return contents }
            if count > 0 {
                contents += block[..<count]
            } else if errno != EINTR {
                let code = errno
                defer { errno = code }
                return nil
            }
        }
    }
}
