// Errors in a configuration, with the place: the source, the line and the text.

/// Where a directive came from.
enum ConfigurationOrigin: Sendable, Equatable {
    case file(path: String, line: Int)
    case standardInput(line: Int)
    case commandLine
    /// The name of the variable.
    case environment(String)
    /// The configuration as a whole.
    case whole

    var description: String? {
        switch self {
        case .file(let path, let line): "Reading the configuration file, at line \(line) of \(path)"
        case .standardInput(let line): "Reading the configuration from standard input, at line \(line)"
        case .commandLine: "Reading the command line options"
        case .environment(let name): "Reading the environment variable \(name)"
        case .whole: nil
        }
    }
}

/// A configuration that the server cannot start with.
struct ConfigurationError: Error, Equatable {
    let origin: ConfigurationOrigin
    /// The directive as written; nil when there is none or it must not be shown.
    let directive: [UInt8]?
    let message: String

    init(_ message: String, at origin: ConfigurationOrigin = .whole, directive: [UInt8]? = nil) {
        self.message = message
        self.origin = origin
        self.directive = directive
    }
}

extension ConfigurationError: CustomStringConvertible {
    /// The whole message for standard error, with its headline and a line end.
    var description: String {
        var text = "\n*** FATAL CONFIG FILE ERROR (\(Product.title)) ***\n"
        if let place = origin.description { text += "\(place)\n" }
        if let directive { text += ">>> '\(String(decoding: directive, as: UTF8.self))'\n" }
        return text + "\(message)\n"
    }
}

/// Why CONFIG SET or CONFIG REWRITE was refused.
struct ConfigurationRefusal: Error, Equatable {
    /// The whole error reply without the leading "-". It may hold bytes from the client.
    let reply: [UInt8]

    init(_ reply: String) { self.reply = Array(reply.utf8) }
    init(_ reply: [UInt8]) { self.reply = reply }
}
