// `--rdb` and `--functions-rdb`: fetches a snapshot as a replica would, and writes it to a file.

import Glibc
import RespCodec
import TerminalKit

struct SnapshotMode {
    private let session: Session
    private let functionsOnly: Bool

    init(_ session: Session, functionsOnly: Bool) {
        self.session = session
        self.functionsOnly = functionsOnly
    }

    func run() -> CInt {
        let connection = session.modeConnection
        let stream = ReplicationStream(session, connection)
        stream.configure("capa", "eof")
        stream.configure("rdb-only", "1")
        if functionsOnly && !stream.configure("rdb-filter-only", "functions") {
            session.failMode("Failed requesting functions only RDB from server, aborting")
        }
        do throws(ConnectionFailure) {
            try connection.send(raw: Bytes("SYNC\r\n".utf8))
        } catch {
            session.failMode("Error writing to master")
        }
        let beginning = stream.readBeginning()
        let path = session.options.snapshotPath
        let name = Text.string(path)
        var total: Int?
        switch beginning {
        case .endMark, .noSnapshot:
            StandardError.write("SYNC sent to master, writing bytes of bulk transfer until EOF marker to '\(name)'\n")
        case .length(let length):
            StandardError.write("SYNC sent to master, writing \(length) bytes to '\(name)'\n")
            total = length
        }
        let isStandardOutput = name == "-"
        let descriptor =
            isStandardOutput
            ? STDOUT_FILENO
            : Text.withCString(path) { open($0, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0o644) }
        guard descriptor >= 0 else { session.failMode("Error opening '\(name)': \(Text.systemError(errno))") }
        let progress = ProgressDisplay(label: "rdb", unit: "bytes", total: total)
        var written = 0
        let count = stream.readSnapshot(beginning, failure: "I/O Error reading RDB payload from socket") { bytes in
            write(bytes, to: descriptor)
            written += bytes.count
            progress?.update(written)
        }
        progress?.clear()
        if case .endMark = beginning {
            StandardError.write("Transfer finished with success after \(count) bytes\n")
        } else {
            StandardError.write("Transfer finished with success.\n")
        }
        session.connection = nil
        if !isStandardOutput {
            if fsync(descriptor) != 0 { session.failMode("Fail to fsync '\(name)': \(Text.systemError(errno))") }
            close(descriptor)
        }
        return 0
    }

    private func write(_ bytes: ArraySlice<UInt8>, to descriptor: CInt) {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                session.failMode("Error writing data to file: \(Text.systemError(errno))")
            }
        }
    }
}
