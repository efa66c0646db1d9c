// How much is logged, and in which format.

/// Levels in ascending order. A line is written if its level is at or above the configured one.
enum LogLevel: String, SettingChoice, Comparable {
    case debug, verbose, notice, warning
    /// As the configured level: no line is written. No line has this level.
    case nothing

    var rank: UInt8 {
        switch self {
        case .debug: 0
        case .verbose: 1
        case .notice: 2
        case .warning: 3
        case .nothing: 4
        }
    }

    /// The character for the level in a line.
    var mark: String {
        switch self {
        case .debug: "."
        case .verbose: "-"
        case .notice: "*"
        case .warning, .nothing: "#"
        }
    }

    static func < (left: LogLevel, right: LogLevel) -> Bool { left.rank < right.rank }
}

enum LogFormat: String, SettingChoice {
    /// One line per event in Redis's layout.
    case text
    /// One JSON object per line.
    case json
}

/// The role of the process in its log lines.
enum LogRole: UInt8, Sendable {
    case primary, replica, child

    var letter: String {
        switch self {
        case .primary: "M"
        case .replica: "S"
        case .child: "C"
        }
    }

    var name: String {
        switch self {
        case .primary: "primary"
        case .replica: "replica"
        case .child: "child"
        }
    }
}
