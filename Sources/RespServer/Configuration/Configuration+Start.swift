// From the command line and the environment to a configuration.
//
// The order is the precedence, lowest first: defaults, the file, standard input, the environment, the command line.

import Glibc

extension Configuration {
    /// The configuration of the command line, files and environment, or a text to show.
    ///
    /// This changes nothing in the process; `takeEffect` does.
    /// - Parameters:
    ///   - arguments: Without the name of the program.
    ///   - standardInput: Reads standard input to its end; called only if the command line has a "-".
    ///   - log: Where the configuration logs, and which its log settings apply to.
    /// - Throws: `ConfigurationError` for the first thing that is wrong.
    static func start(
        _ arguments: [[UInt8]], environment: [(name: String, value: [UInt8])], log: Log,
        standardInput: () -> Result<[UInt8], FileFailure> = FileAccess.readStandardInput
    ) throws(ConfigurationError) -> StartRequest {
        let options = CommandLineOptions(arguments)
        switch options.mode {
        case .help: return .show(CommandLineOptions.helpText)
        case .version: return .show(CommandLineOptions.versionText)
        case .commands: return .show(CommandPage.ofAllCommands)
        case .manual: return .show(ManualPage.text)
        case .run, .check: break
        }
        let directory = FileAccess.currentDirectory
        let path = options.file.map { FileAccess.absolute($0, from: directory) }
        var loader = ConfigurationLoader(directory: directory)
        if let path { try loader.loadFile(path) }
        if options.readsStandardInput {
            switch standardInput() {
            case .success(let content): try loader.loadStandardInput(content)
            case .failure(let failure):
                throw ConfigurationError("Can't read the configuration from standard input: \(failure.text)")
            }
        }
        try loader.loadEnvironment(environment)
        try loader.loadOptions(options.directives)
        let configuration = Configuration(loader, filePath: path, launchDirectory: directory, log: log)
        if options.mode == .check { return .show(configuration.checkReport) }
        return .run(configuration)
    }

    private var checkReport: String {
        let without = settingsWithoutEffect
        let note = without.isEmpty ? "" : "Without effect in this version: \(without.joined(separator: ", "))\n"
        return "The configuration is valid.\n\(note)"
    }

    /// The environment of the process.
    static var processEnvironment: [(name: String, value: [UInt8])] {
        var variables: [(name: String, value: [UInt8])] = []
        var position = unsafe environ
        while let entry = unsafe position.pointee {
            let text = unsafe bytes(of: entry)
            if let equals = text.firstIndex(of: UInt8(ascii: "=")) {
                variables.append((String(decoding: text[..<equals], as: UTF8.self), Array(text[(equals + 1)...])))
            }
            unsafe position += 1
        }
        return variables
    }

    private static func bytes(of text: UnsafePointer<CChar>) -> [UInt8] {
        unsafe UnsafeRawBufferPointer(start: text, count: strlen(text)).map { $0 }
    }
}
