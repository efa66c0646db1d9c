// One client: its socket, what it has sent and not yet been understood, what it has not yet been sent, and its session.
//
// An idle connection has no buffers: input is read into the server's buffer and parsed there, and only an unfinished request is
// kept here; replies are written to the server's buffer and sent from there, and only what the socket would not take is kept.

import CLinux
import Glibc
import RespCodec
import StoreEngine

/// A request of which only a part has arrived.
final class PartialRequest {
    /// The bytes so far, without those of large arguments.
    var bytes: [UInt8]
    /// How far the parser came.
    var position = 0
    var parser: RequestParser
    let arguments = ArgumentList(capacity: 16)
    let large = AdoptableArguments()
    /// Which argument, by its place in `arguments`, is which large block.
    var largePlaces: [Int] = []
    /// The large argument that is being received: its block, its length with the two bytes behind it, and how much is there.
    var receiving: (base: UnsafeMutableRawPointer, length: Int, received: Int)?

    /// The request is whole and waits for a pause to end.
    var isComplete = false

    init(_ bytes: ByteSlice, parser: RequestParser) {
        self.bytes = bytes.array
        self.parser = parser
    }

    deinit {
        arguments.deallocate()
        if let receiving { free(receiving.base) }
    }

    /// A request with more bytes than this is not parsed again from its beginning.
    static let mostParsedAgain = 1024

    /// Whether it is nothing but few bytes.
    var isShort: Bool {
        1...Self.mostParsedAgain ~= bytes.count && large.blocks.isEmpty && receiving == nil && !isComplete
    }

    var byteCount: Int { bytes.count + large.blocks.reduce(0) { $0 + $1.count } + (receiving?.length ?? 0) }
}

final class Connection {
    let descriptor: Int32
    let id: UInt64
    let isUnix: Bool
    /// By the engine's clock, in milliseconds.
    let created: Int64
    @exclusivity(unchecked) var lastActive: Int64
    /// The number of its last event: see `ArrivalMeter`.
    @exclusivity(unchecked) var lastEvent = 0
    let address: String
    let localAddress: String

    // MARK: buffers

    @exclusivity(unchecked) var partial: PartialRequest?
    /// What the socket would not take yet.
    @exclusivity(unchecked) var unsent = OutputQueue()
    var softLimitSince: Int64?
    /// Whether the loop is told when the socket can be written to.
    @exclusivity(unchecked) var isWatchedForWriting = false
    /// The client has closed its side: the end follows what is there to read.
    @exclusivity(unchecked) var isHungUp = false
    var closesAfterReply = false { didSet { isEnding = closesAfterReply || isClosed } }
    var isClosed = false { didSet { isEnding = closesAfterReply || isClosed } }
    /// Nothing that the client has sent is executed any more.
    @exclusivity(unchecked) private(set) var isEnding = false

    // MARK: session

    @exclusivity(unchecked) var database = 0
    var version = ProtocolVersion.resp2
    var isAuthenticated = true
    var user = "default"
    var name = ""
    var libraryName = ""
    var libraryVersion = ""
    var transaction: Transaction?
    var watched: [WatchedKey] = []
    /// A watched key was changed.
    var watchBroken = false
    var replyMode = ReplyMode.on
    var isNoEvict = false
    var isNoTouch = false
    @exclusivity(unchecked) var isBlockedByPause = false
    /// The command that waits for a key.
    @exclusivity(unchecked) var waiting: WaitingCommand?
    /// Whether nothing is read from the client for now.
    @inline(__always) var isHeld: Bool { isBlockedByPause || waiting != nil }
    @exclusivity(unchecked) var lastCommand: UnsafeMutablePointer<CommandRecord.Hot>?
    @exclusivity(unchecked) var commandCount = 0
    @exclusivity(unchecked) var inputByteCount = 0
    @exclusivity(unchecked) var outputByteCount = 0

    enum ReplyMode {
        case on
        case off
        /// The next command's reply is left out.
        case skipNext
        case skipping
    }

    /// Whether each command must be looked at before it runs: see `Dispatcher`.
    @exclusivity(unchecked) var needsCare = false

    func updateCare() {
        needsCare = !isAuthenticated || transaction != nil || replyMode != .on || isNoTouch
    }

    init(descriptor: Int32, id: UInt64, isUnix: Bool, now: Int64, unixPath: String) {
        self.descriptor = descriptor
        self.id = id
        self.isUnix = isUnix
        created = now
        lastActive = now
        address = isUnix ? "\(unixPath):0" : Listener.address(of: descriptor, peer: true)
        localAddress = isUnix ? "\(unixPath):0" : Listener.address(of: descriptor, peer: false)
    }

    /// The memory of the object itself.
    var objectByteCount: Int { malloc_usable_size(Unmanaged.passUnretained(self).toOpaque()) }

    var isLocal: Bool { isUnix || address.hasPrefix("127.") || address.hasPrefix("[::1]") }
}

/// A key that a client watches.
struct WatchedKey: Hashable {
    let database: Int
    let key: [UInt8]
}
