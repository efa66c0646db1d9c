// The command line, from left to right: options up to the first word that is not one, which begins the command.
//
// Names and messages are those of redis-cli, since scripts rely on them. Options of redis-cli that this program does not
// have are unknown options.

import ProcessArguments

struct OptionParser {
    enum Action: Equatable {
        case run(Options)
        /// Print the text and end with status 0.
        case print(String)
        /// Print the message to standard error and end with status 1.
        case fail(String)
    }

    /// What to do, which notices to print to standard error first, and which parts of the arguments are secrets.
    typealias Outcome = (action: Action, notices: [String], secrets: [ProcessArguments.Secret])

    /// Parses the arguments.
    ///
    /// - Parameters:
    ///   - arguments: without the program's name.
    ///   - hasTerminal: whether output goes to a terminal, which decides the default format.
    ///   - environmentPassword: the value of `REDISCLI_AUTH`; a password on the command line overrides it.
    static func parse(
        _ arguments: [Bytes], hasTerminal: Bool, environmentPassword: Bytes? = Text.environment("REDISCLI_AUTH")
    ) -> Outcome {
        var parser = OptionParser(arguments: arguments)
        parser.options.format = hasTerminal ? .terminal : .raw
        parser.options.showsPushes = hasTerminal
        var action = parser.parseAll()
        if case .run(var options) = action, options.password == nil {
            options.password = environmentPassword
            action = .run(options)
        }
        return (action, parser.notices, parser.secrets)
    }

    private let arguments: [Bytes]
    private var index = 0
    private var options = Options()
    private var notices: [String] = []
    private var secrets: [ProcessArguments.Secret] = []
    private var host: Bytes?
    private var port: Int?
    private var socketPath: Bytes?
    private var wantsResp2 = false
    private var wantsResp3 = false
    private var prefersResp3 = false
    private var hasInputLast = false
    private var inputTag: Bytes?
    private var hidesPasswordWarning = false

    private init(arguments: [Bytes]) { self.arguments = arguments }

    private mutating func parseAll() -> Action {
        while index < arguments.count {
            let word = arguments[index]
            guard word.first == UInt8(ascii: "-") else { break }
            let name = Text.string(word)
            if name == "--help" || (name == "-h" && index + 1 == arguments.count) { return .print(Usage.text) }
            if name == "-v" || name == "--version" { return .print(Usage.versionLine) }
            index += 1
            if takeFlag(name) { continue }
            guard index < arguments.count && Self.optionsWithValue.contains(name) else {
                return .fail("Unrecognized option or bad number of args for: '\(name)'")
            }
            let value = arguments[index]
            noteSecret(name, value)
            index += 1
            if let message = takeOption(name, value) { return .fail(message) }
        }
        options.command = Array(arguments[index...])
        if CommandTraits(options.command).hasSecrets {
            for position in (index + 1)..<arguments.count { hide(position, 0..<arguments[position].count) }
        }
        return finish()
    }

    // MARK: secrets

    /// Records which part of the option's value, the argument at `index`, is a password.
    private mutating func noteSecret(_ name: String, _ value: Bytes) {
        switch name {
        case "-a", "--pass": hide(index, 0..<value.count)
        case "-u":
            // Everything before the last "@", after the scheme if there is one.
            guard let at = value.lastIndex(of: UInt8(ascii: "@")) else { break }
            let scheme = value.firstIndex(of: UInt8(ascii: "/")).map { $0 + 2 } ?? 0
            hide(index, (scheme <= at ? scheme : 0)..<at)
        default: break
        }
    }

    private mutating func hide(_ argument: Int, _ range: Range<Int>) {
        secrets.append(ProcessArguments.Secret(argument: argument, range: range))
    }

    // MARK: options

    /// Applies an option without a value. False if `name` is not one.
    private mutating func takeFlag(_ name: String) -> Bool {
        switch name {
        case "-x": hasInputLast = true
        case "--no-auth-warning": hidesPasswordWarning = true
        case "--askpass": options.asksForPassword = true
        case "--raw": options.format = .raw
        case "--no-raw": options.format = .terminal
        case "--csv": options.format = .csv
        case "--json":
            options.format = .json
            prefersResp3 = true
        case "--quoted-json":
            options.format = .quotedJSON
            prefersResp3 = true
        case "--quoted-input": options.hasQuotedInput = true
        case "-e": options.exitsOnError = true
        case "-2": wantsResp2 = true
        case "-3": wantsResp3 = true
        default: return false
        }
        return true
    }

    private static let optionsWithValue: Set<String> = [
        "-h", "-p", "-s", "-a", "--pass", "--user", "-u", "-n", "-r", "-i", "-X", "-d", "-D", "--show-pushes",
    ]

    /// Applies an option with a value. Returns an error message, or nil.
    private mutating func takeOption(_ name: String, _ value: Bytes) -> String? {
        switch name {
        case "-h": host = value
        case "-p":
            port = Text.leadingInteger(value)
            return portProblem
        case "-s": socketPath = value
        case "-a", "--pass": options.password = value
        case "--user": options.user = value
        case "-u": return takeURI(value)
        case "-n": options.database = Text.leadingInteger(value)
        case "-r": options.repetitions = Text.leadingInteger(value)
        case "-i":
            // At most a year, so that the number of microseconds cannot overflow.
            let seconds = Text.leadingDouble(value)
            options.intervalMicroseconds = seconds > 0 ? Int(min(seconds, 31_536_000) * 1_000_000) : 0
        case "-X": inputTag = value
        case "-d": options.elementDelimiter = value
        case "-D": options.replyDelimiter = value
        default:
            switch value.first.map(Text.lowercased) {
            case UInt8(ascii: "y"): options.showsPushes = true
            case UInt8(ascii: "n"): options.showsPushes = false
            default:
                notices.append("Unknown --show-pushes value '\(Text.string(value))' (valid: '[y]es', '[n]o')\n")
            }
        }
        return nil
    }

    private var portProblem: String? {
        (0...65535).contains(port ?? 0) ? nil : "Invalid server port."
    }

    private mutating func takeURI(_ text: Bytes) -> String? {
        let uri: ConnectionURI
        do throws(ConnectionURI.Failure) {
            uri = try ConnectionURI(text)
        } catch {
            return error.message
        }
        if let user = uri.user { options.user = user }
        if let password = uri.password { options.password = password }
        if let host = uri.host { self.host = host }
        if let port = uri.port { self.port = port }
        if let database = uri.database { options.database = database }
        return portProblem
    }

    private mutating func finish() -> Action {
        if wantsResp2 && wantsResp3 { return .fail("Options -2 and -3 are mutually exclusive.") }
        if options.password != nil && !hidesPasswordWarning {
            notices.append(
                "Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe.\n")
        }
        if hasInputLast && inputTag != nil { return .fail("Options -x and -X are mutually exclusive.") }
        if let inputTag { options.inputArgument = .tag(inputTag) }
        if hasInputLast { options.inputArgument = .last }
        if wantsResp3 {
            options.protocolChoice = .resp3
        } else if wantsResp2 {
            options.protocolChoice = .resp2
        } else if prefersResp3 {
            options.protocolChoice = .preferResp3
        }
        if let socketPath {
            options.endpoint = .unix(path: socketPath)
        } else {
            options.endpoint = .tcp(host: host ?? Bytes("127.0.0.1".utf8), port: port ?? 6379)
        }
        return .run(options)
    }
}
