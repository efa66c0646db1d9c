// The values of settings that are one of a few words, as enumerations.
//
// The raw value of each case is the word in a configuration file. An error lists the words in the order of the cases.

import StoreEngine

/// A setting's value that is one of a fixed list of words.
protocol SettingChoice: RawRepresentable, CaseIterable, Sendable where RawValue == String, AllCases == [Self] {}

/// Which clients may use a guarded feature.
enum AccessRule: String, SettingChoice {
    case no, yes
    /// Only clients connected through a unix socket or a loopback address.
    case local

    /// Whether a client may use the feature. A client is local if it is connected over loopback or a unix socket.
    func allows(clientIsLocal: Bool) -> Bool { self == .yes || self == .local && clientIsLocal }
}

/// Which supervisor started the server and is notified when it is ready.
enum Supervision: String, SettingChoice {
    case upstart, systemd
    /// The one that the environment shows, if any.
    case auto
    case no
}

/// Which keys are evicted first when `maxmemory` is exceeded.
enum EvictionPolicy: String, SettingChoice {
    case volatileLRU = "volatile-lru"
    case volatileLFU = "volatile-lfu"
    case volatileRandom = "volatile-random"
    case volatileTTL = "volatile-ttl"
    case volatileLRM = "volatile-lrm"
    case allKeysLRU = "allkeys-lru"
    case allKeysLFU = "allkeys-lfu"
    case allKeysRandom = "allkeys-random"
    case allKeysLRM = "allkeys-lrm"
    case noEviction = "noeviction"

    /// Which keys go first, and whether only those that have deadlines.
    var rule: (order: EvictionOrder, onlyVolatile: Bool) {
        switch self {
        case .volatileLRU: (.leastRecentlyUsed, true)
        case .volatileLFU: (.leastFrequentlyUsed, true)
        case .volatileRandom: (.random, true)
        case .volatileTTL: (.shortestTimeToLive, true)
        case .allKeysLRU: (.leastRecentlyUsed, false)
        case .allKeysLFU: (.leastFrequentlyUsed, false)
        case .allKeysRandom: (.random, false)
        case .noEviction: (.none, false)
        case .volatileLRM: (.leastRecentlyModified, true)
        case .allKeysLRM: (.leastRecentlyModified, false)
        }
    }
}

/// When the append-only file is forced to storage.
enum AppendSync: String, SettingChoice {
    case everySecond = "everysec"
    case always, no
}

/// The facility of the server's lines in the system log.
enum SyslogFacility: String, SettingChoice {
    case user, local0, local1, local2, local3, local4, local5, local6, local7
}

/// What a termination signal does besides ending the server. The empty set is "default": save if save points are set.
struct ShutdownOptions: OptionSet, Sendable {
    let rawValue: Int
    static let save = ShutdownOptions(rawValue: 1)
    static let noSave = ShutdownOptions(rawValue: 2)
    /// Do not wait for replicas.
    static let now = ShutdownOptions(rawValue: 4)
    /// End even if saving fails.
    static let force = ShutdownOptions(rawValue: 8)
    /// The words in a configuration file: first the one for the empty set, then one per bit.
    static let words = ["default", "save", "nosave", "now", "force"]
}

/// Which keyspace events are published, and on which channels.
struct KeyspaceEventClasses: OptionSet, Sendable {
    let rawValue: Int
    static let keyspaceChannel = KeyspaceEventClasses(rawValue: 1 << 0)
    static let keyeventChannel = KeyspaceEventClasses(rawValue: 1 << 1)
    static let generic = KeyspaceEventClasses(rawValue: 1 << 2)
    static let string = KeyspaceEventClasses(rawValue: 1 << 3)
    static let list = KeyspaceEventClasses(rawValue: 1 << 4)
    static let set = KeyspaceEventClasses(rawValue: 1 << 5)
    static let hash = KeyspaceEventClasses(rawValue: 1 << 6)
    static let sortedSet = KeyspaceEventClasses(rawValue: 1 << 7)
    static let expired = KeyspaceEventClasses(rawValue: 1 << 8)
    static let evicted = KeyspaceEventClasses(rawValue: 1 << 9)
    static let stream = KeyspaceEventClasses(rawValue: 1 << 10)
    static let keyMiss = KeyspaceEventClasses(rawValue: 1 << 11)
    static let module = KeyspaceEventClasses(rawValue: 1 << 13)
    static let newKey = KeyspaceEventClasses(rawValue: 1 << 14)
    static let overwritten = KeyspaceEventClasses(rawValue: 1 << 15)
    static let typeChanged = KeyspaceEventClasses(rawValue: 1 << 16)
    /// What is no change of its own.
    static let notices: KeyspaceEventClasses = [.keyMiss, .newKey, .overwritten, .typeChanged]
    /// The letter A: every class but misses, and keys that are new, overwritten or of another type.
    static let all: KeyspaceEventClasses = [
        .generic, .string, .list, .set, .hash, .sortedSet, .expired, .evicted, .stream, .module,
    ]

    private static let classLetters: [(Character, KeyspaceEventClasses)] = [
        ("g", .generic), ("$", .string), ("l", .list), ("s", .set), ("h", .hash), ("z", .sortedSet), ("x", .expired),
        ("e", .evicted), ("t", .stream), ("d", .module), ("n", .newKey),
        ("o", .overwritten), ("c", .typeChanged),
    ]
    private static let otherLetters: [(Character, KeyspaceEventClasses)] = [
        ("K", .keyspaceChannel), ("E", .keyeventChannel), ("m", .keyMiss),
    ]

    init(rawValue: Int) { self.rawValue = rawValue }

    /// The classes that `letters` name, or nil if one is no letter of a class.
    init?(letters: String) {
        var classes: KeyspaceEventClasses = []
        for letter in letters {
            if letter == "A" {
                classes.insert(.all)
            } else if let known = (Self.classLetters + Self.otherLetters).first(where: { $0.0 == letter }) {
                classes.insert(known.1)
            } else {
                return nil
            }
        }
        self = classes
    }

    /// The letters in Redis's order; A in place of all the classes it covers (and of `n`, which Redis then leaves out).
    var letters: String {
        var text = ""
        if isSuperset(of: .all) {
            text = "A"
        } else {
            for (letter, member) in Self.classLetters where contains(member) { text.append(letter) }
        }
        for (letter, member) in Self.otherLetters where contains(member) { text.append(letter) }
        return text
    }
}

/// Limits on the unsent output of clients of one class.
struct OutputBufferLimit: Equatable, Sendable {
    /// Beyond this many bytes the client is closed at once; 0 is no limit.
    var hardBytes: Int
    /// Beyond this many bytes for `softSeconds` without a break the client is closed; 0 is no limit.
    var softBytes: Int
    var softSeconds: Int
}

/// A save point: a snapshot is taken `seconds` after the last one if there were at least `changes` writes since.
struct SavePoint: Equatable, Sendable {
    var seconds: Int
    var changes: Int
}
