// How the bytes of one connection come and go: through a socket, or as a script tells, for tests of what happens when a socket takes less
// than it is given, or ends at the worst moment. Encrypted connections would be a third case: its `read` and `send` return `.wouldBlock`
// while the handshake, or a record, is not complete, and it says for what its socket is to be watched, as `ScriptedPeer` does.

import Glibc

enum Transport {
    case socket(Int32)
    case scripted(ScriptedPeer)

    /// What the connection is found by.
    @inline(__always) var descriptor: Int32 {
        switch self {
        case .socket(let descriptor): descriptor
        case .scripted(let peer): peer.descriptor
        }
    }

    @inline(__always)
    func read(_ target: UnsafeMutableRawPointer, _ count: Int) -> Transfer {
        switch self {
        case .socket(let descriptor): unsafe Syscall.read(descriptor, target, count)
        case .scripted(let peer): unsafe peer.read(UnsafeMutableRawBufferPointer(start: target, count: count))
        }
    }

    @inline(__always)
    func send(_ bytes: UnsafeRawBufferPointer) -> Transfer {
        switch self {
        case .socket(let descriptor): unsafe Syscall.send(descriptor, bytes.baseAddress!, bytes.count)
        case .scripted(let peer): unsafe peer.send([bytes])
        }
    }

    /// Sends as much of several runs of bytes as is taken.
    func send(_ parts: [UnsafeRawBufferPointer]) -> Transfer {
        switch self {
        case .socket(let descriptor): unsafe Syscall.send(descriptor, parts)
        case .scripted(let peer): unsafe peer.send(parts)
        }
    }
}

/// The other end of a scripted connection. This one says nothing and takes everything.
class ScriptedPeer {
    let descriptor: Int32
    /// Whether it would have to tell when it can take more.
    var isWatchedForWriting = false
    var isClosed = false

    init(descriptor: Int32) { self.descriptor = descriptor }

    func read(_ room: UnsafeMutableRawBufferPointer) -> Transfer { .wouldBlock }
    func send(_ parts: [UnsafeRawBufferPointer]) -> Transfer { unsafe .bytes(parts.reduce(0) { $0 + $1.count }) }
}
