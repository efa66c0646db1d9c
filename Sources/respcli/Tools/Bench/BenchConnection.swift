// One client of a load: a socket, a batch of requests that is sent again and again with new numbers in it, and the replies that are missing.

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
    private let connection: ServerConnection
    let descriptor: CInt
    private let isEncrypted: Bool
    private let batch: UnsafeMutablePointer<UInt8>
    private let requestLength: Int
    private let places: [Int]
    private let keyCount: UInt64
    private var skipper = ReplySkipper()
    /// The beginning of a line whose end has not come.
    private var tail: Bytes = []
    /// The range of `batch` that has not been sent.
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
    init(_ connection: ServerConnection, _ server: ServerOptions, _ request: BenchRequest, pipeline: Int, keyCount: Int)
    {
        self.connection = connection
        descriptor = connection.descriptor
        isEncrypted = server.isEncrypted
        requestLength = request.bytes.count
        let batch = UnsafeMutablePointer<UInt8>.allocate(capacity: request.bytes.count * pipeline)
        for index in 0..<pipeline {
            request.bytes.withUnsafeBufferPointer {
                (batch + index * $0.count).initialize(from: $0.baseAddress!, count: $0.count)
            }
        }
        self.batch = batch
        places = keyCount > 0 ? request.places : []
        self.keyCount = UInt64(max(0, keyCount))
    }

    deinit { batch.deallocate() }

    var errorCount: Int { skipper.errorCount }
    var firstError: Bytes? { skipper.firstError }
    var isSending: Bool { !unsent.isEmpty }

    /// Begins to send `count` requests; none may be missing.
    func begin(_ count: Int, _ random: inout FastRandom) throws(ConnectionFailure) {
        for place in places {
            for index in 0..<count {
                Self.write(random.below(keyCount), to: batch + index * requestLength + place)
            }
        }
        missing = count
        unsent = 0..<(count * requestLength)
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
                let bytes = Bytes(UnsafeBufferPointer(start: batch + unsent.lowerBound, count: unsent.count))
                count = try connection.trySend(bytes[...])
            } else {
                count = send(
                    descriptor, batch + unsent.lowerBound, unsent.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
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
            if isEncrypted {
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
            replies += completed
            missing -= completed
            guard missing >= 0 else { throw .malformed("Protocol error: more replies than requests") }
            // A buffer that was not filled has all there was.
            if total < room.count && !connection.hasPending { return replies }
        }
    }
}
