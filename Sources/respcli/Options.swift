// What the command line asked for.

/// How replies are printed.
enum OutputFormat: Equatable {
    /// For people: quoted strings, numbered elements, types named.
    case terminal
    /// For scripts: the bytes themselves, a delimiter between elements and behind each reply.
    case raw
    case csv
    case json
    /// JSON with every byte outside ASCII escaped.
    case quotedJSON
}

/// The protocol version that the session begins with.
enum ProtocolChoice: Equatable {
    /// Whatever a fresh connection speaks: RESP2.
    case unspecified
    /// `-2`: RESP2, whatever the output format would prefer.
    case resp2
    /// `-3`: RESP3; a server that refuses it is an error.
    case resp3
    /// A JSON format without `-2` or `-3`: RESP3 if the server has it.
    case preferResp3
}

/// An argument that comes from standard input.
enum InputArgument: Equatable {
    case none
    /// `-x`: an argument behind the others.
    case last
    /// `-X TAG`: in place of the first argument that is TAG.
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
    /// How often a command is sent; without end if negative.
    var repetitions = 1
    /// The pause behind each command.
    var intervalMicroseconds = 0
    var inputArgument = InputArgument.none
    /// Whether each argument of the command is read as a quoted string.
    var hasQuotedInput = false
    var format = OutputFormat.raw
    var elementDelimiter = Bytes("\n".utf8)
    var replyDelimiter = Bytes("\n".utf8)
    /// Whether an error reply ends the program with status 1.
    var exitsOnError = false
    /// Whether data that the server sends unasked is printed.
    var showsPushes = false
    /// The command and its arguments; none for a prompt or commands from a pipe.
    var command: [Bytes] = []
}
