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

/// The protocol version of new connections.
enum ProtocolChoice: Equatable {
    /// The default of a new connection: RESP2.
    case unspecified
    /// `-2`: RESP2, even if the output format prefers RESP3.
    case resp2
    /// `-3`: RESP3; a server that refuses it is an error.
    case resp3
    /// A JSON format without `-2` or `-3`: RESP3 if the server has it.
    case preferResp3
}

/// An argument that comes from standard input.
enum InputArgument: Equatable {
    case none
    /// `-x`: an argument after the others.
    case last
    /// `-X TAG`: replaces the first argument that is TAG.
    case tag(Bytes)
}

struct Options: Equatable {
    var endpoint = Endpoint.tcp(host: Bytes("127.0.0.1".utf8), port: 6379)
    var user: Bytes?
    var password: Bytes?
    var asksForPassword = false
    /// The database to select after connecting.
    var database = 0
    var protocolChoice = ProtocolChoice.unspecified
    /// How often a command is sent; forever if negative.
    var repetitions = 1
    /// The pause after each command.
    var intervalMicroseconds = 0
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
    /// The command and its arguments; none for a prompt or commands from a pipe.
    var command: [Bytes] = []
}
