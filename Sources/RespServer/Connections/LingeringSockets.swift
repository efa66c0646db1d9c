// Sockets of connections that the server has ended though their peers may still be sending. Input that comes to a closed socket makes the
// kernel reset the connection, and what was sent last but has not left yet, such as the text of a protocol error, is lost with it. So the
// server only ends its own side, reads on for a while without looking at what comes, and closes when the peer does.

import Glibc

final class LingeringSockets {
    /// More are closed at once: descriptors beyond `maxclients` are few.
    private static let capacity = 16
    /// For how long a peer may go on sending, in milliseconds.
    private static let patience: Int64 = 1000

    private struct Socket {
        let descriptor: Int32
        let deadline: Int64
    }

    /// The oldest first.
    private var sockets: [Socket] = []
    private let loop: EventLoop
    private let timer: LoopTimer

    init(_ loop: EventLoop) {
        self.loop = loop
        timer = loop.timers.add()
        timer.action = { [unowned self] in closeExpired(now: loop.timers.time) }
    }

    /// Takes a socket over whose connection is gone. Everything that was sent to it is followed by the end.
    func add(_ descriptor: Int32, registration: UInt64, now: Int64) {
        if sockets.count == Self.capacity { close(at: 0) }
        shutdown(descriptor, Int32(SHUT_WR))
        loop.watchByLevel(descriptor, registration: registration)
        sockets.append(Socket(descriptor: descriptor, deadline: now + Self.patience))
        timer.set(for: nextDeadline)
    }

    /// Throws away some of what a peer has sent; closes the socket if that was all.
    /// - Parameter room: where it may be read to.
    func drain(_ descriptor: Int32, into room: UnsafeMutableRawPointer, _ size: Int) {
        guard let index = sockets.firstIndex(where: { $0.descriptor == descriptor }) else { return }
        switch unsafe Syscall.read(descriptor, room, size) {
        case .bytes, .wouldBlock: break
        case .ended, .failed: close(at: index)
        }
    }

    /// When the first is to be closed.
    var nextDeadline: Int64? { sockets.first?.deadline }

    /// Closes those whose time is over.
    func closeExpired(now: Int64) {
        // The clock may have been put back.
        while let first = sockets.first, !(now...now + Self.patience ~= first.deadline) { close(at: 0) }
        timer.set(for: nextDeadline)
    }

    func closeAll() {
        while !sockets.isEmpty { close(at: 0) }
    }

    /// A closed descriptor leaves the event loop by itself.
    private func close(at index: Int) { Glibc.close(sockets.remove(at: index).descriptor) }
}
