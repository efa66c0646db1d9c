// One client of a load: a socket, a batch of requests that is sent again and again with new numbers in it, and the replies that are missing.
//
// A client that makes a new connection for each batch sends the commands that set it up in front of the batch, and does not wait for the
// connection: the batch goes out when the socket takes it.

import Glibc

/// Random numbers that cost next to nothing (xorshift*).
struct FastRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed | 1 }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 2_685_821_657_736_338_717
    }

    /// A number below `bound`.
    mutating func below(_ bound: UInt64) -> UInt64 { next().multipliedFullWidth(by: bound).high }
}

final class BenchConnection {
    /// The connection as it was opened at first; nil after it was replaced by a plain socket.
    private var connection: ServerConnection?
    private(set) var descriptor: CInt
    private let server: ServerOptions
    private let isEncrypted: Bool
    /// The commands that set a new connection up, and the batch behind them.
    private let memory: UnsafeMutablePointer<UInt8>
    private let batch: UnsafeMutablePointer<UInt8>
    private let setupLength: Int
    /// How many commands set a new connection up; nil if the first one is kept.
    private let setupCount: Int?
    /// Replies to them that are missing.
    private var missingSetup = 0
    private var isUsed = false
    /// Where new connections go: to the peer of the first one.
    private var address = sockaddr_storage()
    private var addressLength = socklen_t(MemoryLayout<sockaddr_storage>.size)
    private let requestLength: Int
    private let places: [Int]
    private let keyCount: UInt64
    private var skipper = ReplySkipper()
    /// The beginning of a line whose end has not come.
    private var tail: Bytes = []
    /// The range of `memory` that has not been sent.
    private var unsent = 0..<0
    /// Replies that are missing.
    private(set) var missing = 0
    /// When the oldest of them was due, in nanoseconds.
    var startTime = 0
    /// When each of them was due, in order, if requests are sent at a fixed rate.
    var dueTimes: [Int] = []

    /// - Parameters:
    ///   - pipeline: the most requests of a batch.
    ///   - keyCount: numbers are drawn below this; 0 leaves the placeholders as they are.
    ///   - setup: the commands that a new connection for each batch begins with; nil to keep the first.
    init(
        _ connection: ServerConnection, _ server: ServerOptions, _ request: BenchRequest, pipeline: Int, keyCount: Int,
        setup: [[Bytes]]?
    ) {
        self.connection = connection
        self.server = server
        descriptor = connection.descriptor
        isEncrypted = server.isEncrypted
        requestLength = request.bytes.count
        setupCount = setup?.count
        var bytes: Bytes = []
        for command in setup ?? [] { RequestEncoder.append(command, to: &bytes) }
        setupLength = bytes.count
        for _ in 0..<pipeline { bytes += request.bytes }
        memory = .allocate(capacity: bytes.count)
        memory.initialize(from: bytes, count: bytes.count)
        batch = memory + setupLength
        places = keyCount > 0 ? request.places : []
        self.keyCount = UInt64(max(0, keyCount))
        withUnsafeMutablePointer(to: &address) { pointer in
            _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getpeername(connection.descriptor, $0, &addressLength)
            }
        }
    }

    deinit {
        memory.deallocate()
        if connection == nil { close(descriptor) }
    }

    var errorCount: Int { skipper.errorCount }
    var firstError: Bytes? { skipper.firstError }
    var isSending: Bool { !unsent.isEmpty }

    /// Whether the next batch needs a new connection.
    var needsConnection: Bool { isUsed && setupCount != nil }

    /// Replaces the connection by a new one to the same address, which need not be there yet when this returns. An encrypted one is.
    func reconnect() throws(ConnectionFailure) {
        tail = []
        isUsed = false
        missingSetup = setupCount ?? 0
        if isEncrypted {
            connection = nil
            let opened = try ServerConnection(to: server)
            connection = opened
            descriptor = opened.descriptor
            return
        }
        let isTCP = CInt(address.ss_family) != AF_UNIX
        // A socket file whose queue is full would refuse a client that does not wait.
        let flags = CInt(SOCK_CLOEXEC.rawValue) | (isTCP ? CInt(SOCK_NONBLOCK.rawValue) : 0)
        let opened = socket(CInt(address.ss_family), CInt(SOCK_STREAM.rawValue) | flags, 0)
        guard opened >= 0 else { throw .system(code: errno) }
        if connection == nil { close(descriptor) }
        connection = nil
        descriptor = opened
        if isTCP {
            var on: CInt = 1
            setsockopt(opened, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
        }
        let isConnecting = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(opened, $0, addressLength) == 0
            }
        }
        guard isConnecting || errno == EINPROGRESS || errno == EINTR else { throw .system(code: errno) }
    }

    /// Begins to send `count` requests; none may be missing.
    func begin(_ count: Int, _ random: inout FastRandom) throws(ConnectionFailure) {
        for place in places {
            for index in 0..<count {
                Self.write(random.below(keyCount), to: batch + index * requestLength + place)
            }
        }
        missing = count
        unsent = (missingSetup > 0 ? 0 : setupLength)..<(setupLength + count * requestLength)
        isUsed = true
        try sendMore()
    }

    /// Twelve digits.
    private static func write(_ number: UInt64, to target: UnsafeMutablePointer<UInt8>) {
        var rest = number
        for index in stride(from: 11, through: 0, by: -1) {
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
            target[index] = UInt8(truncatingIfNeeded: remainder) &+ 0x30
            rest = quotient
        }
    }

    func sendMore() throws(ConnectionFailure) {
        while !unsent.isEmpty {
            let count: Int
            if isEncrypted {
                let bytes = Bytes(UnsafeBufferPointer(start: memory + unsent.lowerBound, count: unsent.count))
                count = try connection?.trySend(bytes[...]) ?? 0
            } else {
                count = send(
                    descriptor, memory + unsent.lowerBound, unsent.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
                if count < 0 {
                    if errno == EAGAIN { return }
                    if errno == EINTR { continue }
                    throw .system(code: errno)
                }
            }
            if count == 0 { return }
            unsent = (unsent.lowerBound + count)..<unsent.upperBound
        }
    }

    /// Receives what there is; returns how many replies were completed.
    ///
    /// - Parameter room: memory for what is received, shared by the connections of a thread.
    func receive(into room: inout Bytes) throws(ConnectionFailure) -> Int {
        var replies = 0
        while true {
            let kept = tail.count
            if kept > 0 {
                if kept >= room.count { room += Bytes(repeating: 0, count: room.count) }
                room.replaceSubrange(0..<kept, with: tail)
            }
            let received: Int
            if isEncrypted, let connection {
                var block = Bytes(repeating: 0, count: room.count - kept)
                guard let count = try connection.tryReceive(into: &block) else { return replies }
                room.replaceSubrange(kept..<(kept + count), with: block[..<count])
                received = count
            } else {
                received = room.withUnsafeMutableBytes {
                    recv(descriptor, $0.baseAddress! + kept, $0.count - kept, CInt(MSG_DONTWAIT))
                }
                if received < 0 {
                    if errno == EAGAIN { return replies }
                    if errno == EINTR { continue }
                    throw .system(code: errno)
                }
                if received == 0 { throw .closed }
            }
            let total = kept + received
            let (completed, consumed) = room.withUnsafeBufferPointer { skipper.take($0.baseAddress!, total) }
            if skipper.isBroken { throw .malformed("Protocol error: what the server sent is no reply") }
            if consumed < total { tail = Bytes(room[consumed..<total]) } else if kept > 0 { tail = [] }
            let ofSetup = min(completed, missingSetup)
            missingSetup -= ofSetup
            replies += completed - ofSetup
            missing -= completed - ofSetup
            guard missing >= 0 else { throw .malformed("Protocol error: more replies than requests") }
            // A buffer that was not filled has all there was.
            if total < room.count && !(isEncrypted && connection?.hasPending == true) { return replies }
        }
    }
}
