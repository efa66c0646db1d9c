// `--replica`, and SYNC and PSYNC as commands: shows the writes that a server sends its replicas, as comma-separated values.

import Glibc
import RespCodec

extension Session {
    /// `--replica`: until the connection ends.
    func runReplica() -> CInt {
        let connection = modeConnection
        let stream = ReplicationStream(self, connection)
        stream.configure("capa", "eof")
        stream.configure("rdb-filter-only", "")
        do throws(ConnectionFailure) {
            try connection.send(raw: Bytes("SYNC\r\n".utf8))
        } catch {
            failMode("Error writing to master")
        }
        showReplicationStream(from: connection)
        reportFailure()
        return 1
    }

    /// Skips the snapshot and prints the commands that follow, until the connection ends.
    func showReplicationStream(from connection: ServerConnection) {
        let stream = ReplicationStream(self, connection)
        let beginning = stream.readBeginning()
        switch beginning {
        case .endMark:
            StandardError.write("SYNC with master, discarding bytes of bulk transfer until EOF marker...\n")
        case .length(let length):
            StandardError.write("SYNC with master, discarding \(length) bytes of bulk transfer...\n")
        case .noSnapshot:
            StandardError.write("Partial resync with master...\n")
        }
        let count = stream.readSnapshot(beginning, failure: "Error reading RDB payload while SYNCing") { _ in }
        if case .endMark(let mark) = beginning {
            StandardError.write("SYNC done after \(count + mark.count) bytes. Logging commands from master.\n")
            // The server sends commands only after an acknowledgement, and needs a moment until it takes one.
            Clock.sleep(microseconds: 1_000_000)
            StandardError.write("sending REPLCONF ACK 0\n")
            do throws(ConnectionFailure) {
                try connection.send([Bytes("REPLCONF".utf8), Bytes("ACK".utf8), Bytes("0".utf8)])
            } catch { return }
        } else {
            StandardError.write("SYNC done. Logging commands from master.\n")
        }
        var csv = formatter
        csv.format = .csv
        while true {
            do throws(ConnectionFailure) {
                csv.append(try connection.receive(), to: &output.pending)
            } catch { return }
            output.flush()
        }
    }
}
