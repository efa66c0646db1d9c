// Everything that can be configured, as plain typed values: what the server reads while it runs.
//
// It is a value type on purpose. CONFIG SET changes a copy and swaps it in when every pair was valid, so an invalid pair
// has no effect; a hook that applies a change gets the values before and after; and `Settings()` has all defaults, which
// are written only here, those of the engine in `EngineSettings`. Names, aliases, bounds and texts of the settings are in
// the tables (`SettingTable`). Settings that have no effect here have no property: their values are in `kept`,
// for CONFIG GET.

import StoreEngine

struct Settings: Sendable {
    // MARK: Listening

    /// 0 opens no TCP port, unless `portFile` is set: then the system picks a free one.
    var port = 6379
    /// Where the port in use is written once clients can connect, for tests and supervisors; empty writes none.
    var portFile = ""
    /// As written: "*" and "::*" are all addresses, a leading "-" lets the address be missing. Empty listens nowhere.
    var bindAddresses = ["127.0.0.1", "-::1"]
    /// The path of the socket; empty opens none.
    var unixSocket = ""
    /// File mode of the socket; 0 leaves what the umask gives.
    var unixSocketPermissions = 0
    var tcpBacklog = 511
    /// How long a silent connection waits before the kernel probes it, in seconds; 0 never probes.
    var tcpKeepaliveSeconds = 300

    // MARK: Clients

    /// How long a client may be idle before it is closed, in seconds; 0 is no limit.
    var timeoutSeconds = 0
    var maxClients = 10000
    /// The longest single argument, in bytes.
    var protoMaxBulkLength = 512 << 20
    /// How many unparsed bytes a client may have pending.
    var clientQueryBufferLimit = 1 << 30
    var normalOutputLimit = OutputBufferLimit(hardBytes: 0, softBytes: 0, softSeconds: 0)
    var replicaOutputLimit = OutputBufferLimit(hardBytes: 256 << 20, softBytes: 64 << 20, softSeconds: 60)
    var pubsubOutputLimit = OutputBufferLimit(hardBytes: 32 << 20, softBytes: 8 << 20, softSeconds: 60)

    // MARK: Access

    /// The password of the default user, in the clear; empty when none is needed.
    var requirePassword: [UInt8] = []
    /// While no password is set: serve only clients from this machine.
    var protectedMode = true
    var enableDebugCommand = AccessRule.no
    var enableModuleCommand = AccessRule.no
    var enableProtectedConfigs = AccessRule.no
    /// Commands to be renamed at start, in order. They come from `rename-command` lines and never change later.
    var renamedCommands: [RenamedCommand] = []

    // MARK: Process

    /// Absolute; the server runs in it, and relative paths of other settings start there.
    var directory = ""
    /// Whether somebody has given it, and it is not just where the server was started.
    var givesDirectory = false
    var daemonize = false
    /// Empty writes none, unless the server runs as a daemon.
    var pidFile = ""
    var supervision = Supervision.no
    /// How often background work runs, in times per second.
    var hz = 10
    var dynamicHz = true
    var shutdownTimeoutSeconds = 10
    var shutdownOnSIGINT: ShutdownOptions = []
    var shutdownOnSIGTERM: ShutdownOptions = []

    // MARK: Log

    var logLevel = LogLevel.notice
    /// Empty is standard output.
    var logFile = ""
    var logFormat = LogFormat.text
    /// Whether a crash leaves a report in the log.
    var logsCrashes = true
    var syslogEnabled = false
    var syslogIdentity = "redis"
    var syslogFacility = SyslogFacility.local0

    // MARK: Data

    /// What the engine is told as it stands here; its defaults are its own.
    var engine = EngineSettings()
    var databases = 16
    /// What hashes and random draws begin with; empty for something that nobody can know.
    var hashSeed = ""
    /// From 1 to 10: how much time may go into removing expired keys.
    var activeExpireEffort = 1
    var lazyfreeLazyEviction = false
    var lazyfreeLazyExpire = false
    var lazyfreeLazyServerDel = false
    var lazyfreeLazyUserDel = false
    var lazyfreeLazyUserFlush = false
    var trackingTableMaxKeys = 1_000_000
    var notifyKeyspaceEvents: KeyspaceEventClasses = []

    // MARK: Memory

    /// In bytes; 0 is no limit.
    var maxMemory = 0
    var maxMemoryPolicy = EvictionPolicy.noEviction {
        didSet {
            (engine.evictionOrder, engine.evictsOnlyVolatileKeys) = maxMemoryPolicy.rule
        }
    }
    var maxMemoryEvictionTenacity = 10
    /// Positive: bytes; negative: that many percent of `maxMemory`; 0 is no limit.
    var maxMemoryClients = 0
    var activeDefragmentation = false
    /// With no more bytes in pages that are not in use, nothing is moved.
    var defragmentationIgnoredBytes = 100 << 20
    /// In percent of the bytes in use: from where on blocks are moved, and from where on with all effort.
    var defragmentationLowerThreshold = 10
    var defragmentationUpperThreshold = 100
    /// In percent of the time.
    var defragmentationLeastShare = 1
    var defragmentationMostShare = 25

    // MARK: Durability

    /// Empty: no snapshot is taken automatically.
    var savePoints = [
        SavePoint(seconds: 3600, changes: 1), SavePoint(seconds: 300, changes: 100),
        SavePoint(seconds: 60, changes: 10000),
    ]
    /// Whether somebody has given them, and these are not those of every server.
    var givesSavePoints = false
    var dbFilename = "dump.rdb"
    var snapshotPath: String { "\(directory)/\(dbFilename)" }
    var rdbChecksum = true
    /// Whether a snapshot is brought to the disk as it is written, and not at its end alone.
    var rdbSaveIncrementalFsync = true
    /// Whether writes are refused after a snapshot in the background could not be saved.
    var stopsWritesOnSaveError = true
    /// How long saving rests after each key, or, if negative, after how many keys it rests for a microsecond: for tests.
    var keySaveDelayMicroseconds = 0
    /// How long loading rests after each key: for tests.
    var keyLoadDelayMicroseconds = 0
    var appendOnly = false
    var appendSync = AppendSync.everySecond
    var appendFileName = "appendonly.aof"
    var appendDirectoryName = "appendonlydir"
    /// Whether the append-only file is not brought to the disk while a snapshot is written.
    var leavesSyncingOnRewrite = false
    /// By how much it may grow, compared with the last rewrite, before it is rewritten by itself; 0 is never.
    var rewritePercentage = 100
    /// In bytes.
    var rewriteMinSize = 64 << 20
    /// Whether one is loaded that ends too early.
    var loadsTruncatedLogs = true
    /// Whether a rewrite writes a snapshot as the base of it; else commands.
    var basesAreSnapshots = true
    var notesTimeInLog = false
    var rewriteIncrementalFsync = true
    /// Whether its files stay when a rewrite has replaced them.
    var keepsLogHistory = false

    // MARK: Scripts

    /// After how many milliseconds others are told that a script is busy; 0 is never.
    var busyReplyThresholdMilliseconds = 5000
    /// After how many milliseconds a script that has written nothing is ended; 0 is never.
    var scriptKillAfterMilliseconds = 0
    /// How much memory the interpreter of scripts may take, and that of functions, in bytes.
    var scriptMemoryLimit = 1 << 30

    // MARK: Observation

    /// In microseconds; 0 logs every command, a negative number none.
    var slowlogThresholdMicroseconds = 10000
    var slowlogMaxCount = 128
    /// In bytes; a negative number logs none.
    var largeRequestThreshold = 1 << 20
    var largeRequestMaxCount = 128
    /// In bytes; a negative number logs none.
    var largeReplyThreshold = 1 << 20
    var largeReplyMaxCount = 128
    /// In milliseconds; 0 is off.
    var latencyMonitorThresholdMilliseconds = 0
    var latencyTracking = true
    var latencyTrackingPercentiles = [50, 99, 99.9]

    /// The values of settings without a property, by name, where they differ from the default.
    var kept: [String: SettingValue] = [:]
}

/// One `rename-command` line.
struct RenamedCommand: Sendable {
    let name: [UInt8]
    /// Empty removes the command.
    let newName: [UInt8]
    /// Where the line stands, for the error when there is no such command.
    let origin: ConfigurationOrigin
}
