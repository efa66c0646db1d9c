// Turns directives into settings: lines of files, options of the command line and variables of the environment.
//
// Nothing here changes the process: directories are checked, not entered, and no log is opened. So a configuration can
// be checked without being used, and CONFIG REWRITE can load the old file again to find out which values it gives. Later
// directives override earlier ones, so sources are loaded in the order of precedence (`Configuration.start`).

struct ConfigurationLoader {
    /// How deeply files may include each other. It stops files that include themselves.
    static let deepestInclude = 16

    private(set) var settings = Settings()
    /// Warnings for the operator that do not keep the server from starting.
    private(set) var warnings: [String] = []
    /// The values that came from the environment, by the name of the setting.
    private(set) var environmentValues: [String: SettingValue] = [:]

    private let table = SettingTable.shared
    /// Names of the settings that a line has set so far.
    private var seen: Set<String> = []

    /// - Parameter directory: Where relative paths start; the working directory by default.
    init(directory: String = FileAccess.currentDirectory) { settings.directory = directory }

    // MARK: Sources

    /// Loads a file.
    ///
    /// - Throws: `ConfigurationError` when the file or one it includes cannot be read, or at the first bad line.
    mutating func loadFile(_ path: String) throws(ConfigurationError) {
        try loadFile(path, depth: 0, from: .whole, nil)
    }

    mutating func loadStandardInput(_ content: [UInt8]) throws(ConfigurationError) {
        try load(content, depth: 0) { .standardInput(line: $0) }
    }

    /// Loads the options of a command line, one directive per line.
    mutating func loadOptions(_ content: [UInt8]) throws(ConfigurationError) {
        try load(content, depth: 0) { _ in .commandLine }
    }

    private mutating func loadFile(
        _ path: String, depth: Int, from origin: ConfigurationOrigin, _ directive: [UInt8]?
    ) throws(ConfigurationError) {
        let absolute = FileAccess.absolute(path, from: settings.directory)
        switch FileAccess.read(absolute) {
        case .failure(let failure):
            let message = "Can't open config file '\(path)': \(failure.text)"
            throw ConfigurationError(message, at: origin, directive: directive)
        case .success(let content): try load(content, depth: depth) { .file(path: absolute, line: $0) }
        }
    }

    private mutating func load(
        _ content: [UInt8], depth: Int, origin: (Int) -> ConfigurationOrigin
    ) throws(ConfigurationError) {
        for (index, line) in content.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            try loadLine(DirectiveSyntax.trimmed(line), at: origin(index + 1), depth: depth)
        }
    }

    // MARK: Directives

    /// Applies one line; blank ones and comments do nothing.
    mutating func loadLine(
        _ line: [UInt8], at origin: ConfigurationOrigin, depth: Int = 0
    ) throws(ConfigurationError) {
        guard let first = line.first, first != UInt8(ascii: "#") else { return }
        guard let words = DirectiveSyntax.words(line) else {
            throw ConfigurationError("Unbalanced quotes in configuration line", at: origin, directive: line)
        }
        guard !words.isEmpty else { return }
        if let entry = table.entry(words[0]) {
            do {
                try assign(Array(words[1...]), to: table[entry])
            } catch {
                // The message may be logged, so it must not show a password of the command line.
                let hides = origin == .commandLine && table[entry].flags.contains(.sensitive)
                throw ConfigurationError(error.text, at: origin, directive: hides ? words[0] : line)
            }
        } else {
            try loadOther(words, line, at: origin, depth: depth)
        }
    }

    private mutating func assign(_ words: [[UInt8]], to setting: Setting) throws(SettingError) {
        var words = words
        // One quoted argument holds all the words of such a setting: --bind "127.0.0.1 ::1".
        if setting.flags.contains(.multiWord), words.count == 1, !words[0].isEmpty {
            words = DirectiveSyntax.words(words[0]) ?? []
        }
        try setting.assign(words, to: &settings, accumulating: seen.contains(setting.name))
        seen.insert(setting.name)
    }

    /// Directives that are not settings.
    private mutating func loadOther(
        _ words: [[UInt8]], _ line: [UInt8], at origin: ConfigurationOrigin, depth: Int
    ) throws(ConfigurationError) {
        switch (words[0].lowercasedText, words.count) {
        case ("include", 2): try include(words[1], line, at: origin, depth: depth)
        case ("rename-command", 3):
            settings.renamedCommands.append(RenamedCommand(name: words[1], newName: words[2], origin: origin))
        case ("user", 2...):
            guard Self.isUserOfThisServer(words[1...]) else {
                let message = SettingTable.unsupportedText("access control lists are")
                throw ConfigurationError(message, at: origin, directive: words[0] + [0x20] + words[1])
            }
        case ("list-max-ziplist-entries", 2), ("list-max-ziplist-value", 2), ("lua-replicate-commands", 2):
            break  // Obsolete, and still found in files.
        case ("loadmodule", _):
            throw ConfigurationError("\(Product.name) does not load modules", at: origin, directive: line)
        case ("sentinel", 2...):
            let message = "sentinel directive while not in sentinel mode"
            throw ConfigurationError(message, at: origin, directive: line)
        default:
            throw ConfigurationError("Bad directive or wrong number of arguments", at: origin, directive: line)
        }
    }

    /// Whether a `user` line gives the default user all permissions, as is the case without access control lists.
    ///
    /// Redis writes such a line when it rewrites its file. Any other line would restrict something that is allowed here.
    private static func isUserOfThisServer(_ words: ArraySlice<[UInt8]>) -> Bool {
        guard words.first.map({ String(decoding: $0, as: UTF8.self) }) == "default" else { return false }
        let rules = Set(words.dropFirst().map(\.lowercasedText))
        let everything: [Set<String>] = [["on"], ["nopass"], ["~*", "allkeys"], ["+@all", "allcommands"]]
        let permissive: Set<String> = ["&*", "allchannels", "sanitize-payload", "skip-sanitize-payload"]
        return everything.allSatisfy { !$0.isDisjoint(with: rules) }
            && rules.isSubset(of: everything.reduce(permissive) { $0.union($1) })
    }

    /// Loads the file of a name, which must exist, or all files that a pattern matches, if any.
    private mutating func include(
        _ path: [UInt8], _ line: [UInt8], at origin: ConfigurationOrigin, depth: Int
    ) throws(ConfigurationError) {
        guard depth < Self.deepestInclude else {
            throw ConfigurationError("Files include each other too deeply", at: origin, directive: line)
        }
        guard let path = String(validating: path, as: UTF8.self) else {
            throw ConfigurationError("The name of the file is not valid UTF-8 text", at: origin, directive: line)
        }
        guard path.contains(where: { "*?[".contains($0) }) else {
            return try loadFile(path, depth: depth + 1, from: origin, line)
        }
        for match in FileAccess.paths(matching: FileAccess.absolute(path, from: settings.directory)) {
            try loadFile(match, depth: depth + 1, from: origin, line)
        }
    }

    // MARK: Environment

    /// Applies `RESP_<NAME>` and `RESP_<NAME>_FILE` variables; the name is that of a setting in upper case with "_" for
    /// "-".
    ///
    /// The value is the setting's single argument as it is, without quoting; only settings of several words are split.
    /// With `_FILE` it is the content of the file without one line end. A variable that names no setting is ignored with a
    /// warning, since orchestrators set many; but one that looks like a protection of the server is an error.
    /// - Throws: `ConfigurationError` when a value is bad, a file cannot be read, a file for a secret is empty, or a setting
    ///   is given both ways.
    mutating func loadEnvironment(_ variables: [(name: String, value: [UInt8])]) throws(ConfigurationError) {
        let suffix = "_FILE"
        // Sorted, so that the outcome does not depend on the order of the environment.
        let variables = variables.filter { $0.name.hasPrefix("RESP_") }.sorted { $0.name < $1.name }
        if variables.isEmpty { return }
        var names: [String: SettingTable.Entry] = [:]
        for entry in table.names {
            let name = entry.name.utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }
            names["RESP_\(String(decoding: name, as: UTF8.self).uppercased())"] = entry
        }
        var usedBy: [String: String] = [:]
        for (variable, value) in variables {
            var value = value
            let setting: Setting
            if let entry = names[variable] {
                setting = table[entry]
            } else if variable.hasSuffix(suffix), let entry = names[String(variable.dropLast(suffix.count))] {
                setting = table[entry]
                value = try content(ofFileNamed: value, for: setting, variable)
            } else if Self.isMeantToProtect(variable) {
                throw ConfigurationError("There is no setting of this name", at: .environment(variable))
            } else {
                warnings.append("The environment variable \(variable) names no setting and is ignored")
                continue
            }
            if let other = usedBy.updateValue(variable, forKey: setting.name) {
                let message = "\(other) and \(variable) both set '\(setting.name)'"
                throw ConfigurationError(message, at: .environment(variable))
            }
            // A value from the environment replaces that of files, even where a further line would add to it.
            seen.remove(setting.name)
            do {
                try assign([value], to: setting)
            } catch {
                let shown = setting.flags.contains(.sensitive) ? nil : value
                throw ConfigurationError(error.text, at: .environment(variable), directive: shown)
            }
            environmentValues[setting.name] = setting.load(settings)
        }
    }

    /// Whether ignoring the variable could leave the server open: directives that are no settings cannot come from the
    /// environment, and the name of a password may be misspelled.
    private static func isMeantToProtect(_ variable: String) -> Bool {
        let name = variable.dropFirst("RESP_".count)
        return name.contains("PASS") || ["USER", "RENAME_COMMAND", "INCLUDE", "LOADMODULE", "SENTINEL"].contains(name)
    }

    private func content(
        ofFileNamed name: [UInt8], for setting: Setting, _ variable: String
    ) throws(ConfigurationError) -> [UInt8] {
        let path = String(decoding: name, as: UTF8.self)
        switch FileAccess.read(FileAccess.absolute(path, from: settings.directory)) {
        case .success(var content):
            if content.last == 0x0A { content.removeLast() }
            if content.last == 0x0D { content.removeLast() }
            if content.isEmpty && setting.flags.contains(.sensitive) {
                throw ConfigurationError("'\(path)' is empty", at: .environment(variable))
            }
            return content
        case .failure(let failure):
            throw ConfigurationError("Can't read '\(path)': \(failure.text)", at: .environment(variable))
        }
    }
}
