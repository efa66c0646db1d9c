// Connections to other servers that are kept for a while, so that the next MIGRATE to the same one need not connect again.

import Glibc

struct TargetSockets {
    /// How many are kept at most.
    static let capacity = 64
    /// How long one is kept without being used.
    static let idleMilliseconds: Int64 = 10_000

    private var kept: [[UInt8]: (socket: KeptSocket, lastUse: Int64)] = [:]
    private let close: (Int32) -> Void

    /// - Parameter close: what is done with a descriptor that is not kept any more.
    init(close: @escaping (Int32) -> Void = { Glibc.close($0) }) { self.close = close }

    var count: Int { kept.count }

    /// What a connection is found by: the host and the port as they were given.
    static func name(host: [UInt8], port: [UInt8]) -> [UInt8] { Array("\(host.count):".utf8) + host + port }

    /// The connection of that name, which belongs to the caller then.
    mutating func take(_ name: [UInt8]) -> KeptSocket? { kept.removeValue(forKey: name)?.socket }

    /// Keeps a connection. If there are as many as may be, another one, chosen at random, is closed.
    mutating func keep(_ socket: KeptSocket, as name: [UInt8], now: Int64) {
        if let other = take(name) { close(other.descriptor) }
        if kept.count >= Self.capacity, let other = kept.randomElement()?.key, let socket = take(other) {
            close(socket.descriptor)
        }
        kept[name] = (socket, now)
    }

    /// Closes those that were not used for long enough.
    /// - Returns: when it is to be called again; nil if none is left.
    mutating func closeIdle(now: Int64) -> Int64? {
        for (name, entry) in kept where entry.lastUse + Self.idleMilliseconds <= now || entry.lastUse > now {
            kept[name] = nil
            close(entry.socket.descriptor)
        }
        return kept.values.map(\.lastUse).min().map { $0 + Self.idleMilliseconds }
    }
}
