// The command line of the server: [FILE] [--NAME VALUE ...] [-]
//
// The options become lines of a configuration that is loaded after the file, one line per option: `--NAME` starts a
// line and whatever follows it, up to the next `--`, are its arguments. The word right after an option is always an
// argument, even if it starts with `--`, so a value can look like an option; only `--save` may stand without one and
// then means an empty value. An option and its value may also be one word ("--port 7000"), which is split as a line of
// a file is.

import ProcessArguments

struct CommandLineOptions {
    /// What the first argument makes the program do.
    enum Mode { case run, help, version, check, commands, manual }

    private(set) var mode = Mode.run
    private(set) var file: String?
    private(set) var readsStandardInput = false
    /// The options as a configuration.
    private(set) var directives: [UInt8] = []
    /// Which parts of the arguments are secrets: the values of settings that are passwords.
    private(set) var secrets: [ProcessArguments.Secret] = []

    /// - Parameter arguments: Without the name of the program.
    init(_ arguments: [[UInt8]]) {
        var rest = arguments[...]
        switch rest.first.map({ String(decoding: $0, as: UTF8.self) }) {
        case "-h", "--help": mode = .help
        case "-v", "--version": mode = .version
        case "--commands": mode = .commands
        case "--man": mode = .manual
        case "--check-config":
            mode = .check
            rest = rest.dropFirst()
        default: break
        }
        guard mode == .run || mode == .check else { return }
        if let first = rest.first, first.first != UInt8(ascii: "-") {
            file = String(decoding: first, as: UTF8.self)
            rest = rest.dropFirst()
        }
        // "-" is accepted as the last argument, and as the first if no file is named before it.
        let mayStartWithInput = file == nil
        collect(rest, mayStartWithInput)
    }

    private mutating func collect(_ words: ArraySlice<[UInt8]>, _ mayStartWithInput: Bool) {
        // Whether the current option has its first argument, so that "--" begins a new one.
        var complete = true
        var isSecret = false
        for index in words.indices {
            let word = words[index]
            let isLast = index == words.endIndex - 1
            if word == [UInt8(ascii: "-")], isLast || index == words.startIndex && mayStartWithInput {
                readsStandardInput = true
            } else if complete, Self.isOption(word) {
                let name = word.dropFirst(2).prefix { $0 != 0x20 && $0 != 0x09 }
                isSecret = Self.takesSecret(Array(name))
                if isSecret { secrets.append(.init(argument: index, range: name.endIndex..<word.count)) }
                if !directives.isEmpty { directives.append(0x0A) }
                directives += word.dropFirst(2) + [0x20]
                complete = DirectiveSyntax.words(word)?.count != 1
                let isBareSave = String(decoding: word, as: UTF8.self).lowercased() == "--save"
                if isBareSave, isLast || Self.isOption(words[index + 1]) {
                    directives += Array("\"\"".utf8)
                    complete = true
                }
            } else {
                if isSecret { secrets.append(.init(argument: index, range: 0..<word.count)) }
                // The first word is a name also without "--".
                if directives.isEmpty { isSecret = Self.takesSecret(word) }
                directives += DirectiveSyntax.quoted(word) + [0x20]
                complete = true
            }
        }
    }

    private static func takesSecret(_ name: [UInt8]) -> Bool {
        name.lowercasedText == "user" || SettingTable.shared.setting(name)?.flags.contains(.sensitive) == true
    }

    private static func isOption(_ word: [UInt8]) -> Bool { word.starts(with: "--".utf8) }
}
