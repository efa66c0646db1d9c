// The configuration of a running server: the settings in force, and the commands that show and change them.
//
// `settings` is a plain struct that hot paths read directly. It changes only here, as a whole: `set` prepares a copy,
// swaps it in, and then runs the hooks of what changed; if one objects, the old copy is restored and the hooks run again
// with old and new exchanged. Hooks apply changes in the rest of the server (open another port, set a threshold of the
// engine).

import RespCodec
import StoreEngine

/// What the program was asked to do.
enum StartRequest {
    case run(Configuration)
    /// Print the text on standard output and end with success.
    case show(String)
}

final class Configuration {
    /// What CONFIG SET has changed.
    struct Change {
        let old: Settings
        let new: Settings
        /// Whether it runs within a transaction or a script.
        let isNested: Bool
    }

    /// Called when a change has come into force. Returns nil, or why the change cannot be applied: then it is undone.
    typealias Hook = (Change) -> String?

    /// The values in force.
    ///
    /// Nothing that runs while this is written reads it, so the exclusivity check on each access is left out.
    private(set) var settings: Settings
    /// Absolute path of the file the server was started with, if any.
    let filePath: String?

    private let table = SettingTable.shared
    private let log: Log
    private let warnings: [String]
    private let launchDirectory: String
    /// Secrets that came from the environment, which are not to be copied into a file.
    private let environmentSecrets: [String: SettingValue]
    private var hooks: [(names: Set<String>, run: Hook)] = []
    private var resetHandlers: [() -> Void] = []

    /// - Parameters:
    ///   - filePath: Absolute, or nil when no file was given.
    ///   - launchDirectory: Where relative paths of the file start.
    init(
        _ loader: ConfigurationLoader = ConfigurationLoader(), filePath: String? = nil,
        launchDirectory: String = FileAccess.currentDirectory, log: Log = Log()
    ) {
        settings = loader.settings
        warnings = loader.warnings
        self.filePath = filePath
        self.launchDirectory = launchDirectory
        self.log = log
        let table = table
        environmentSecrets = loader.environmentValues.filter {
            table.setting(Array($0.key.utf8))?.flags.contains(.sensitive) == true
        }
        onChange(of: "loglevel", "log-format") { [log] _, new in
            log.level = new.logLevel
            log.format = new.logFormat
            return nil
        }
        onChange(of: "dir") { _, new in FileAccess.enter(new.directory)?.text }
    }

    // MARK: Hooks

    /// Runs `hook` whenever CONFIG SET changes one of the settings called `names`, once per command.
    func onChange(of names: String..., run hook: @escaping (_ old: Settings, _ new: Settings) -> String?) {
        add(names) { hook($0.old, $0.new) }
    }

    /// The same, for a hook to which it matters how the change was made.
    func onChange(of names: String..., run hook: @escaping Hook) { add(names, hook) }

    /// The same for all settings that bear a flag.
    func onChange(ofAll flag: SettingFlags, run hook: @escaping Hook) {
        add(table.settings.filter { $0.flags.contains(flag) }.map(\.name), hook)
    }

    private func add(_ names: [String], _ hook: @escaping Hook) {
        for name in names {
            precondition(table.setting(Array(name.utf8))?.name == name, "no setting is called \(name)")
        }
        hooks.append((Set(names), hook))
    }

    /// Runs `handler` on CONFIG RESETSTAT.
    func onResetStatistics(run handler: @escaping () -> Void) { resetHandlers.append(handler) }

    /// CONFIG RESETSTAT.
    func resetStatistics() { for handler in resetHandlers { handler() } }

    /// Changes settings without hooks: for values that become known at start, such as the port that the system chose.
    func adjust(_ change: (inout Settings) -> Void) {
        var copy = settings
        change(&copy)
        settings = copy
    }

    // MARK: CONFIG GET

    /// The settings that `patterns` name or match, in the order of the patterns and then of the table.
    ///
    /// A word without `* ? [` is a name, and is returned as it was given; hidden settings are found only by name. A
    /// setting with an alias appears under each name that matches. No name appears twice, and unknown ones are left out.
    func get(_ patterns: [[UInt8]]) -> [(name: [UInt8], value: [UInt8])] {
        var found: [(name: [UInt8], value: [UInt8])] = []
        var seen: Set<String> = []
        for word in patterns {
            if !word.contains(where: { "*?[".utf8.contains($0) }) {
                guard let entry = table.entry(word), seen.insert(entry.name).inserted else { continue }
                found.append((word, table[entry].text(in: settings)))
                continue
            }
            for entry in table.names where !table[entry].flags.contains(.hidden) {
                let name = Array(entry.name.utf8)
                guard Self.matches(word, name), seen.insert(entry.name).inserted else { continue }
                found.append((name, table[entry].text(in: settings)))
            }
        }
        return found
    }

    private static func matches(_ pattern: [UInt8], _ name: [UInt8]) -> Bool {
        pattern.withByteSlice { pattern in
            name.withByteSlice { Engine.matches(pattern: pattern, $0, ignoringCase: true) }
        }
    }

    /// Whether the value of the setting called `name` is a secret.
    func isSensitive(_ name: [UInt8]) -> Bool { table.setting(name)?.flags.contains(.sensitive) == true }

    // MARK: CONFIG SET

    /// Sets several settings at once or none.
    ///
    /// - Parameters:
    ///   - arguments: Names and values alternating: the arguments of CONFIG SET.
    ///   - clientIsLocal: Whether the client came over loopback or a unix socket.
    ///   - isLoading: Whether a data set is being loaded.
    ///   - isNested: Whether the command runs within a transaction or a script.
    /// - Throws: `ConfigurationRefusal`; then no setting has changed.
    func set(
        _ arguments: [[UInt8]], clientIsLocal: Bool, isLoading: Bool = false, isNested: Bool = false
    ) throws(ConfigurationRefusal) {
        guard arguments.count.isMultiple(of: 2) else { throw ConfigurationRefusal("ERR syntax error") }
        let entries = try entries(in: arguments, clientIsLocal, isLoading)
        var new = settings
        var changed: [SettingTable.Entry] = []
        for (index, entry) in entries.enumerated() {
            let setting = table[entry]
            let before = setting.load(new)
            do {
                try setting.assign(Self.words(arguments[index * 2 + 1], of: setting), to: &new)
            } catch {
                throw Self.refusal(Array(entry.name.utf8), error.text)
            }
            if setting.flags.contains(.volatile) || setting.load(new) != before {
                if setting.flags.contains(.immutable) {
                    throw Self.refusal(Array(entry.name.utf8), "can't set immutable config")
                }
                changed.append(entry)
            }
        }
        try apply(Change(old: settings, new: new, isNested: isNested), changed)
        warn(ofSettingsWithoutEffect: entries.map { table[$0] }.filter { $0.isWithoutEffect(in: settings) }.map(\.name))
    }

    /// CONFIG SET takes one argument for several words, separated by single spaces.
    private static func words(_ value: [UInt8], of setting: Setting) -> [[UInt8]] {
        guard setting.flags.contains(.multiWord) else { return [value] }
        return value.isEmpty ? [] : value.split(separator: 0x20, omittingEmptySubsequences: false).map(Array.init)
    }

    /// The settings that are named, if each of them may be set and none is named twice.
    private func entries(
        in arguments: [[UInt8]], _ clientIsLocal: Bool, _ isLoading: Bool
    ) throws(ConfigurationRefusal) -> [SettingTable.Entry] {
        var entries: [SettingTable.Entry] = []
        for name in stride(from: 0, to: arguments.count, by: 2).map({ arguments[$0] }) {
            guard let entry = table.entry(name) else {
                let start = Array("ERR Unknown option or number of arguments for CONFIG SET - '".utf8)
                throw ConfigurationRefusal(start + name + [UInt8(ascii: "'")])
            }
            let flags = table[entry].flags
            if flags.contains(.immutable) && !flags.contains(.repeatable) {
                throw Self.refusal(name, "can't set immutable config")
            }
            if flags.contains(.protected) && !settings.enableProtectedConfigs.allows(clientIsLocal: clientIsLocal) {
                throw Self.refusal(name, "can't set protected config")
            }
            if isLoading && flags.contains(.deniedWhileLoading) {
                throw ConfigurationRefusal("\(CommandError.loadingText)")
            }
            // A name and its alias count as different settings.
            if entries.contains(where: { $0.name == entry.name }) { throw Self.refusal(name, "duplicate parameter") }
            entries.append(entry)
        }
        return entries
    }

    private static func refusal(_ name: [UInt8], _ reason: String) -> ConfigurationRefusal {
        let start = Array("ERR CONFIG SET failed (possibly related to argument '".utf8)
        return ConfigurationRefusal(start + name + Array("') - \(reason)".utf8))
    }

    /// Puts a change in force and runs the hooks of `changed`; undoes everything if one objects.
    private func apply(_ change: Change, _ changed: [SettingTable.Entry]) throws(ConfigurationRefusal) {
        settings = change.new
        var done: [Int] = []
        for entry in changed {
            let name = table[entry].name
            for (index, hook) in hooks.enumerated() where hook.names.contains(name) && !done.contains(index) {
                done.append(index)
                guard let objection = hook.run(change) else { continue }
                log.warning("A change of '\(entry.name)' could not be applied and is undone: \(objection)")
                settings = change.old
                let back = Change(old: change.new, new: change.old, isNested: change.isNested)
                for index in done {
                    if let failure = hooks[index].run(back) {
                        log.warning("A previous setting could not be restored: \(failure)")
                    }
                }
                throw Self.refusal(Array(entry.name.utf8), objection)
            }
        }
    }

    // MARK: CONFIG REWRITE

    /// Writes the settings in force back to the file the server was started with.
    ///
    /// - Parameter everything: Also writes settings that have their default value, for tests.
    /// - Throws: `ConfigurationRefusal` when there is no file or it cannot be written; then the file has not changed.
    func rewrite(everything: Bool = false) throws(ConfigurationRefusal) {
        guard let filePath else { throw ConfigurationRefusal("ERR The server is running without a config file") }
        let old: [UInt8]
        switch FileAccess.read(filePath) {
        case .success(let content): old = content
        case .failure(let failure) where failure.isAbsence: old = []
        case .failure(let failure): throw rewriteFailed(failure)
        }
        let rewriter = ConfigurationRewriter(
            old, path: filePath, directory: launchDirectory, secrets: environmentSecrets)
        if let failure = FileAccess.replace(filePath, with: rewriter.content(for: settings, everything: everything)) {
            throw rewriteFailed(failure)
        }
        log.notice("The configuration file \(filePath) has been rewritten")
    }

    private func rewriteFailed(_ failure: FileFailure) -> ConfigurationRefusal {
        log.warning("The configuration file could not be rewritten: \(failure.text)")
        return ConfigurationRefusal("ERR Rewriting config file: \(failure.text)")
    }

    // MARK: Start

    /// Applies the settings to the process: its directory and its log. To be called once, before anything else is opened.
    ///
    /// - Throws: `ConfigurationError` when the directory cannot be entered or the log file cannot be opened.
    func takeEffect() throws(ConfigurationError) {
        if settings.directory != FileAccess.currentDirectory, let failure = FileAccess.enter(settings.directory) {
            throw ConfigurationError("Can't enter the directory '\(settings.directory)': \(failure.text)")
        }
        if !settings.logFile.isEmpty {
            if let failure = FileAccess.checkAppending(to: settings.logFile) {
                throw ConfigurationError("Can't open the log file: \(failure.text)")
            }
            log.redirect(to: .file(settings.logFile))
        }
        log.level = settings.logLevel
        log.format = settings.logFormat
        if settings.syslogEnabled {
            log.openSystemLog(identity: settings.syslogIdentity, facility: settings.syslogFacility)
        }
    }

    /// Logs what the operator should know about the configuration: unknown variables, and settings without effect.
    func logWarnings() {
        for warning in warnings { log.warning(warning) }
        warn(ofSettingsWithoutEffect: settingsWithoutEffect)
    }

    private func warn(ofSettingsWithoutEffect names: [String]) {
        if names.isEmpty { return }
        log.warning("These settings are accepted but have no effect in this version: \(names.joined(separator: ", "))")
    }

    /// The names of settings whose values have no effect in this version.
    var settingsWithoutEffect: [String] {
        table.settings.filter { $0.isWithoutEffect(in: settings) }.map(\.name)
    }
}
