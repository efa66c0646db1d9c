// The options of the command line.

/// How replies are printed.
enum OutputFormat: Equatable {
    /// Readable: quoted strings, numbered elements, named types.
    case terminal
    /// For scripts: the bytes as they are, with a delimiter between elements and after each reply.
    case raw
    case csv
    case json
    /// JSON with every byte outside ASCII escaped.
    case quotedJSON
}

/// An argument that comes from standard input.
enum InputArgument: Equatable {
    case none
    /// `-x`: an argument after the others.
    case last
    /// `-X TAG`: replaces the first argument that is TAG.
    case tag(Bytes)
}

/// What to do in place of sending commands. If several are asked for, the first of this list is done.
enum Mode: CaseIterable {
    case latency, latencyHistory, latencyDistribution, replica, snapshot, functionsSnapshot, pipe, bigKeys, memoryKeys
    case keyStatistics, hotKeys, statistics, scan, evictionTest, intrinsicLatency, hint, hintCases
}

struct Options: Equatable {
    var server = ServerOptions()
    var asksForPassword = false
    var protocolChoice = ProtocolChoice.unspecified
    /// How often a command is sent; forever if negative.
    var repetitions = 1
    /// The pause after each command; nil if not given.
    var intervalMicroseconds: Int?
    var inputArgument = InputArgument.none
    /// Whether each argument of the command is read as a quoted string.
    var hasQuotedInput = false
    var format = OutputFormat.raw
    var elementDelimiter = Bytes("\n".utf8)
    var replyDelimiter = Bytes("\n".utf8)
    /// Whether an error reply ends the program with status 1.
    var exitsOnError = false
    /// Whether push data of the server is printed.
    var showsPushes = false
    /// Whether to follow the redirections of a cluster.
    var followsRedirections = false
    /// Whether to tell on standard error what is done.
    var isVerbose = false
    /// The command and its arguments; none for a prompt or commands from a pipe.
    var command: [Bytes] = []

    // MARK: modes

    var mode: Mode?
    /// The file of a script to evaluate; the command is its keys and arguments.
    var scriptPath: Bytes?
    /// Which keys SCAN returns.
    var pattern: Bytes?
    var type: Bytes?
    /// How many keys SCAN looks at in one call.
    var scanCount = 10
    var cursor: UInt = 0
    /// How many keys of statistics are listed.
    var topCount = 10
    /// How many elements of a value MEMORY USAGE looks at; nil for the server's default.
    var sampleCount: Int?
    /// Where a snapshot goes; "-" for standard output.
    var snapshotPath: Bytes = []
    /// Seconds to wait for the last replies of mass insertion; 0 for ever.
    var pipeTimeoutSeconds = 30
    var evictionTestKeys = 0
    var intrinsicLatencySeconds = 0
    /// The line that a hint is wanted for, or the file of lines with the hints that are expected.
    var hintInput: Bytes = []
    /// Whether the latency spectrum is in shades of grey.
    var isMonochrome = false
}
