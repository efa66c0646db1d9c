// The beginning of a replication stream, which is no reply: a line that tells how long the snapshot is, or what ends it.
//
//     +FULLRESYNC <id> <offset>     only if PSYNC was sent; then one of the two below
//     $<length>                     so many bytes follow
//     $EOF:<40 characters>          the snapshot ends with these characters
//     +CONTINUE [<id>]              only if PSYNC was sent; no snapshot follows
//
// Empty lines keep the connection alive while the server prepares the snapshot.

import RespCodec

struct ReplicationStream {
    enum Beginning: Equatable {
        case length(Int)
        case endMark(Bytes)
        case noSnapshot
    }

    private let session: Session
    private let connection: ServerConnection
    static let markLength = 40

    init(_ session: Session, _ connection: ServerConnection) {
        self.session = session
        self.connection = connection
    }

    /// Sends REPLCONF and tells so; false if the server refuses.
    @discardableResult
    func configure(_ name: String, _ value: String) -> Bool {
        StandardError.write("sending REPLCONF \(name) \(value)\n")
        let reply = session.askMode([Bytes("REPLCONF".utf8), Bytes(name.utf8), Bytes(value.utf8)])
        guard let message = reply.errorText else { return true }
        StandardError.write("REPLCONF \(name) error: \(Text.string(message))\n")
        return false
    }

    /// Reads the line before the snapshot. Ends the program on an error.
    func readBeginning() -> Beginning {
        var line = readLine(while: "SYNCing")
        if line.starts(with: "+FULLRESYNC".utf8) {
            StandardError.write("PSYNC replied \(Text.string(line))\n")
            line = readLine(while: "PSYNCing")
        } else if line.starts(with: "+CONTINUE".utf8) {
            StandardError.write("PSYNC replied \(Text.string(line))\n")
            return .noSnapshot
        }
        if line.first == UInt8(ascii: "-") { session.failMode("SYNC with master failed: \(Text.string(line))") }
        if line.starts(with: "$EOF:".utf8) && line.count >= 5 + Self.markLength {
            return .endMark(Bytes(line[5..<5 + Self.markLength]))
        }
        guard line.first == UInt8(ascii: "$"), let length = line.withByteSlice({ Decimal.parse($0.dropFirst(1)) }),
            length >= 0
        else { session.failMode("SYNC with master failed: \(Text.string(line))") }
        return .length(length)
    }

    private func readLine(while what: String) -> Bytes {
        var line: Bytes = []
        while line.count < 4096 {
            let byte: ArraySlice<UInt8>
            do throws(ConnectionFailure) {
                byte = try connection.receiveRaw(limit: 1)
            } catch {
                session.failMode("Error reading bulk length while \(what)")
            }
            guard let byte = byte.first else { continue }
            if byte == 0x0A {
                // The peer's messages keep their CR, as redis-cli prints them.
                if line.first != UInt8(ascii: "-") && line.last == 0x0D { line.removeLast() }
                if !line.isEmpty { return line }
            } else {
                line.append(byte)
            }
        }
        return line
    }

    /// Reads the snapshot and hands it over in pieces, without what ends it.
    ///
    /// - Returns: how many bytes the snapshot has.
    func readSnapshot(
        _ beginning: Beginning, failure: String, _ take: (ArraySlice<UInt8>) -> Void
    ) -> Int {
        var count = 0
        func next(_ limit: Int) -> ArraySlice<UInt8> {
            do throws(ConnectionFailure) {
                return try connection.receiveRaw(limit: limit)
            } catch {
                session.failMode(failure)
            }
        }
        switch beginning {
        case .noSnapshot:
            break
        case .length(let length):
            while count < length {
                let bytes = next(length - count)
                take(bytes)
                count += bytes.count
            }
        case .endMark(let mark):
            // The newest bytes are held back, as they may be the mark. Nothing follows the mark until it is answered.
            var held: Bytes = []
            while true {
                held += next(Int.max)
                if held.count > mark.count {
                    let ready = held.count - mark.count
                    take(held[..<ready])
                    count += ready
                    held.removeFirst(ready)
                }
                if held == mark { break }
            }
        }
        return count
    }
}
