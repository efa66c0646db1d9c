// One client: its socket, what it has sent and not yet been understood, what it has not yet been sent, and its session.
//
// An idle connection has no buffers: input is read into the server's buffer and parsed there, and only an unfinished request is
// kept here; replies are written to the server's buffer and sent from there, and only what the socket would not take is kept.

import CLinux
import Glibc
import RespCodec
import StoreEngine

/// What must be looked at before or after a connection's next request.
struct ConnectionState: OptionSet {
    let rawValue: UInt8
    /// All its commands take the slow path, for another reason than a transaction.
    static let needsChecks = ConnectionState(rawValue: 1)
    /// It is suspended by CLIENT PAUSE, or until there is room: see `SuspendedClients`.
    static let isPaused = ConnectionState(rawValue: 2)
    /// Its command waits for a key.
    static let isWaiting = ConnectionState(rawValue: 4)
    /// It does not take what it was answered.
    static let isBehind = ConnectionState(rawValue: 8)
    /// It is closed once its replies have been sent.
    static let isClosing = ConnectionState(rawValue: 16)
    static let isClosed = ConnectionState(rawValue: 32)
    /// It is shown what others ask for.
    static let isMonitor = ConnectionState(rawValue: 64)
    /// Its commands are queued.
    static let isInTransaction = ConnectionState(rawValue: 128)

    /// What the client has sent is not executed for now.
    static let suspended: ConnectionState = [.isPaused, .isWaiting, .isBehind]
    /// Nothing that the client has sent is executed any more.
    static let ending: ConnectionState = [.isClosing, .isClosed]
}

final class Connection {
    let transport: Transport
    var descriptor: Int32 { transport.descriptor }
    let id: UInt64
    let isUnix: Bool
    /// What the events of its socket carry, never 0.
    var registration: UInt64 { id % 0xFFFF_FFFF + 1 }
    /// By the engine's clock, in milliseconds.
    let created: Int64
    var lastActive: Int64
    /// The number of its last event: see `ArrivalMeter`.
    var lastEvent = 0
    let address: String
    let localAddress: String

    // MARK: buffers

    /// What has been sent and not executed.
    var pending: PendingInput?
    /// What could not be sent yet, if there is anything: the socket did not take it, or it must wait for the append-only file.
    private(set) var unsent: OutputQueue?
    var unsentByteCount: Int { unsent?.byteCount ?? 0 }
    /// The number of the newest part that it was or is to be sent, in the `ReplyQueue`; -1 if there was none yet.
    var lastQueuedPart = -1
    /// By which limits it is bounded.
    var clientClass = ClientClass.normal
    var softLimitSince: Int64?
    /// What is counted of it in `ClientMemory`.
    var countedByteCount = 0
    var countedInputByteCount = 0
    var countedKeptByteCount = 0
    var expectedByteCount = 0
    /// Whether the loop is told when the socket can be written to.
    var isWatchedForWriting = false
    /// What is unsent waits for the append-only file.
    var waitsForLog = false
    /// The client has closed its side: the end follows what is there to read.
    var isHungUp = false
    /// The end has been read.
    var hasEnded = false
    /// In which turn of the loop it was served last, and whether it will be served in the next one.
    var lastTurn = 0
    var isQueued = false

    // MARK: state

    private(set) var state: ConnectionState = []
    @inline(__always) var isSuspended: Bool { !state.isDisjoint(with: .suspended) }
    @inline(__always) var isEnding: Bool { !state.isDisjoint(with: .ending) }
    @inline(__always) var needsChecks: Bool { state.contains(.needsChecks) }

    private func set(_ part: ConnectionState, _ isOn: Bool) {
        if isOn { state.formUnion(part) } else { state.subtract(part) }
    }

    var isPaused: Bool {
        get { state.contains(.isPaused) }
        set { set(.isPaused, newValue) }
    }
    var isBehind: Bool {
        get { state.contains(.isBehind) }
        set { set(.isBehind, newValue) }
    }
    var isClosing: Bool {
        get { state.contains(.isClosing) }
        set { set(.isClosing, newValue) }
    }
    var isClosed: Bool {
        get { state.contains(.isClosed) }
        set { set(.isClosed, newValue) }
    }
    var isMonitor: Bool {
        get { state.contains(.isMonitor) }
        set { set(.isMonitor, newValue) }
    }
    /// It has asked for a debugger, which there is not: its scripts are not run.
    var wantsDebugger = false
    /// The command that waits for a key.
    var waiting: WaitingCommand? { didSet { set(.isWaiting, waiting != nil) } }

    /// Commands of this client that must be looked at before they run.
    private(set) var gate: CommandFlags = []

    /// To be called after something has changed that its commands are checked for.
    func updateGate() {
        let isOpen = isAuthenticated && replyMode == .on && !isNoTouch && !isMonitor && !isLimitedToMessages
        // What a tracker reads is remembered, which only the slow path does.
        gate = isOpen ? tracker?.gate ?? [] : .any
        set(.needsChecks, gate.contains(.any))
        set(.isInTransaction, transaction != nil)
        if transaction != nil { gate = .any }
    }

    /// Whether a command does not count as a use of its keys.
    func leavesAccessTimes(_ record: CommandRecord) -> Bool {
        isNoTouch && !record.flags.contains(.alwaysTouches)
    }

    // MARK: unsent replies

    /// Where what the socket would not take is kept.
    func outputQueue() -> OutputQueue {
        if let unsent { return unsent }
        let queue = OutputQueue()
        unsent = queue
        return queue
    }

    func dropOutputQueue() { unsent = nil }

    // MARK: session

    var database = 0
    var version = ProtocolVersion.resp2
    /// The client has named the password, or none was set when it came.
    var hasAuthenticated = true
    /// It has, or none is set now.
    var isAuthenticated = true
    var user = "default"
    var name = "" { didSet { countNames() } }
    var libraryName = "" { didSet { countNames() } }
    var libraryVersion = "" { didSet { countNames() } }
    /// The memory that these take.
    private(set) var nameByteCount = 0
    var transaction: Transaction?
    /// Its keys, from WATCH until they are forgotten.
    var watches: ClientWatches?
    var replyMode = ReplyMode.on
    var isNoEvict = false
    var isNoTouch = false
    /// The client has told that it follows redirections.
    var followsRedirections = false
    /// What it is subscribed to, if anything.
    var subscriber: Subscriber?
    /// How it is told of keys that change, if it is.
    var tracker: Tracker?
    var lastCommand: CommandHandle?
    var commandCount = 0
    var inputByteCount = 0
    var outputByteCount = 0
    /// Up to where in the append-only file what it has done is told of.
    var loggedPosition = 0

    enum ReplyMode {
        case on
        case off
        /// The next command's reply is left out.
        case skipNext
        case skipping
    }

    init(_ transport: Transport, id: UInt64, isUnix: Bool, now: Int64, unixPath: String) {
        self.transport = transport
        self.id = id
        self.isUnix = isUnix
        created = now
        lastActive = now
        address = isUnix ? "\(unixPath):0" : Listener.address(of: transport.descriptor, peer: true)
        localAddress = isUnix ? "\(unixPath):0" : Listener.address(of: transport.descriptor, peer: false)
    }

    private func countNames() {
        nameByteCount = Self.byteCount(ofNames: name, libraryName, libraryVersion)
    }

    /// The memory of the object itself.
    var objectByteCount: Int { unsafe malloc_usable_size(Unmanaged.passUnretained(self).toOpaque()) }

    var isLocal: Bool { isUnix || address.hasPrefix("127.") || address.hasPrefix("[::1]") }
}

/// A key that a client watches.
struct WatchedKey: Hashable {
    let database: Int
    let key: [UInt8]
}
