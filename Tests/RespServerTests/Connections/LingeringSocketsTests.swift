// Sockets whose peers may still be sending: their own side ends at once, they are closed when the peer has ended, or in time.

import Glibc
import Testing

@testable import RespServer

@Suite struct LingeringSocketsTests {
    private let loop: EventLoop
    private let room = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 8)

    init() throws { loop = try EventLoop() }

    /// A socket of the server and its peer's.
    private func pair() -> (server: Int32, peer: Int32) {
        var ends: [Int32] = [0, 0]
        precondition(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0, &ends) == 0)
        return (ends[0], ends[1])
    }

    /// Whether the other end of a peer's socket is still there. Its number may be another file's already.
    private func isOpen(_ peer: Int32) -> Bool { send(peer, room, 1, Int32(MSG_NOSIGNAL)) == 1 }

    @Test func thePeerIsReadUntilItEnds() {
        let sockets = LingeringSockets(loop)
        let (server, peer) = pair()
        defer { close(peer) }
        sockets.add(server, registration: 1, now: 1000)
        #expect(sockets.nextDeadline == 2000)
        // Its own side has ended.
        #expect(recv(peer, room, 1, 0) == 0)
        #expect(send(peer, room, 40, Int32(MSG_NOSIGNAL)) == 40)
        sockets.drain(server, into: room, 16)
        sockets.drain(server, into: room, 64)
        sockets.drain(server, into: room, 64)
        #expect(isOpen(peer) && sockets.nextDeadline == 2000)
        sockets.drain(server, into: room, 64)
        shutdown(peer, Int32(SHUT_WR))
        sockets.drain(server, into: room, 64)
        #expect(sockets.nextDeadline == nil)
        sockets.drain(server, into: room, 64)
    }

    @Test func whoGoesOnSendingIsClosedInTime() {
        let sockets = LingeringSockets(loop)
        let (first, second) = (pair(), pair())
        defer {
            close(first.peer)
            close(second.peer)
        }
        sockets.add(first.server, registration: 1, now: 1000)
        sockets.add(second.server, registration: 2, now: 1500)
        sockets.closeExpired(now: 2000)
        #expect(isOpen(first.peer) && isOpen(second.peer))
        sockets.closeExpired(now: 2001)
        #expect(!isOpen(first.peer) && isOpen(second.peer) && sockets.nextDeadline == 2500)
        // The clock was put back.
        sockets.closeExpired(now: 100)
        #expect(!isOpen(second.peer) && sockets.nextDeadline == nil)
    }

    @Test func theOldestMakesRoom() {
        let sockets = LingeringSockets(loop)
        let pairs = (0..<17).map { _ in pair() }
        defer { for pair in pairs { close(pair.peer) } }
        for (number, pair) in pairs.enumerated() {
            sockets.add(pair.server, registration: UInt64(number + 1), now: Int64(number))
        }
        #expect(pairs.map { isOpen($0.peer) } == [false] + Array(repeating: true, count: 16))
        sockets.closeAll()
        #expect(pairs.allSatisfy { !isOpen($0.peer) } && sockets.nextDeadline == nil)
    }
}
