// All settings in one list, and the row of each name.
//
// The rows are in the extensions of this type, by subject. Adding a setting means adding a row there and, if it has an
// effect, a property with its default: in `Settings`, or in `EngineSettings` if it is the engine's. A row without one keeps the value only.

import RespCodec

/// The settings and their names. There is one, it is built on first use, and it never changes.
struct SettingTable: Sendable {
    static let shared = SettingTable()

    /// In the order in which CONFIG GET lists them.
    let settings: [Setting]
    private let entries: [String: Entry]

    /// A name of a setting. A setting with an alias has two names, which CONFIG treats as two settings.
    struct Entry: Sendable {
        /// In lower case.
        let name: String
        /// Position in `settings`.
        let index: Int
    }

    private init() {
        settings = Self.sections.flatMap(\.settings)
        var entries: [String: Entry] = [:]
        for (index, setting) in settings.enumerated() {
            for name in [setting.name, setting.alias].compactMap({ $0 }) {
                let previous = entries.updateValue(Entry(name: name, index: index), forKey: name)
                precondition(previous == nil, "two settings are called \(name)")
            }
        }
        self.entries = entries
    }

    /// The settings by subject.
    static let sections: [(title: String, settings: [Setting])] = [
        ("Listening", listening), ("Clients", clients), ("Access", access), ("Process", process), ("Log", log),
        ("Data", data), ("Memory", memory), ("Snapshots", durability), ("Append-only file", appendOnlyFile),
        ("Observation", observation), ("Replication", replication), ("Cluster", cluster), ("Encryption", tls),
        ("Tuning", tuning),
    ]

    /// The entry of a name in any letter case.
    func entry(_ name: [UInt8]) -> Entry? { entries[name.lowercasedText] }

    func setting(_ name: [UInt8]) -> Setting? { entry(name).map { settings[$0.index] } }

    subscript(entry: Entry) -> Setting { settings[entry.index] }

    /// All names, each alias after the name of its setting.
    var names: [Entry] {
        settings.enumerated().flatMap { (index, setting) in
            [setting.name, setting.alias].compactMap { $0.map { Entry(name: $0, index: index) } }
        }
    }

    static let largestInt32 = Int(Int32.max)
    static let largestUInt32 = Int(UInt32.max)
}
