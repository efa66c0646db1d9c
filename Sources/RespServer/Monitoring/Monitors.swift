// MONITOR: clients that are shown every request of others when it has run.

import RespCodec
import StoreEngine

final class Monitors {
    private(set) var connections: [Connection] = []
    private(set) var isEmpty = true

    func add(_ connection: Connection) {
        connection.isMonitor = true
        connections.append(connection)
        isEmpty = false
    }

    func remove(_ connection: Connection) {
        connection.isMonitor = false
        connections.removeAll { $0 === connection }
        isEmpty = connections.isEmpty
    }

    /// Monitors are shown what runs, so all of it takes the slow path.
    var gate: CommandFlags { isEmpty ? [] : .any }
}

extension Server {
    /// To be called when a client becomes a monitor.
    func beginMonitoring(_ connection: Connection) {
        monitors.add(connection)
        connection.updateGate()
        updateGate()
    }

    /// To be called when a client is none any more, if it was one.
    func endMonitoring(_ connection: Connection) {
        guard connection.isMonitor else { return }
        monitors.remove(connection)
        connection.updateGate()
        updateGate()
    }

    /// Shows a request that has run to all monitors.
    /// - Complexity: O(N+M) in the request's bytes and the monitors.
    /// - Parameter address: what is told of where it came from, if that is not the client's address.
    func showToMonitors(
        _ record: CommandRecord, _ arguments: Arguments, of connection: Connection, as address: String? = nil
    ) {
        guard !monitors.isEmpty, record.flags.isDisjoint(with: [.admin, .skipMonitor]) else { return }
        show(record, arguments, of: connection, as: address)
    }

    /// Shows a request to all monitors, whatever its command is.
    func show(_ record: CommandRecord, _ arguments: Arguments, of connection: Connection, as address: String? = nil) {
        let line = MonitorLine.bytes(
            arguments, hiding: record.info.secrets, database: connection.database,
            address: address ?? connection.shownAddress,
            microseconds: Int(Syscall.wallMicroseconds()))
        var message = Message()
        // A monitor that sends CLIENT REPLY SKIP is still shown that request itself.
        for monitor in monitors.connections
        where monitor.replyMode == .on || (monitor.replyMode == .skipNext && monitor === connection) {
            replies.push(&message, to: monitor) { writer in line.withByteSlice { writer.raw($0) } }
        }
    }
}

extension Connection {
    /// The address as monitors are told it.
    fileprivate var shownAddress: String { isUnix ? "unix:\(address.dropLast(2))" : address }
}

enum MonitorLine {
    /// `+1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`, with its line end.
    /// - Parameter microseconds: the time since 1970.
    static func bytes(
        _ arguments: Arguments, hiding secrets: SecretArguments, database: Int, address: String, microseconds: Int
    ) -> [UInt8] {
        let fraction = String(1_000_000 + microseconds % 1_000_000).dropFirst()
        var line = Array("+\(microseconds / 1_000_000).\(fraction) [\(database) \(address)]".utf8)
        let hiddenPlaces = secrets.places(in: arguments)
        for index in 0..<arguments.count {
            line.append(UInt8(ascii: " "))
            let shown = hiddenPlaces.contains(index) ? SecretArguments.shownInstead : arguments[index].array
            ByteEscapes.quotedWord.appendQuoted(shown, to: &line)
        }
        line += [0x0D, 0x0A]
        return line
    }
}
