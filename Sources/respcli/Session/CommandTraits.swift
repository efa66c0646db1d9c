// The commands that the client must treat specially. It knows nothing else about commands.

/// Which replies a command has.
enum ReplyPattern: Equatable {
    /// One reply.
    case single
    /// Replies without end (MONITOR).
    case monitor
    /// Confirmations and messages without end (SUBSCRIBE and its kind).
    case subscription
    /// In RESP3, a push for each of this many channels and nothing else (UNSUBSCRIBE and its kind).
    case confirmations(count: Int)
    /// A replication stream, which needs more than a parser of replies.
    case replication
}

/// Who a connection is authenticated as.
struct Credentials: Equatable {
    /// nil for the server's default user.
    var user: Bytes?
    var password: Bytes
}

/// How a command changes the session if its reply is no error.
enum SessionEffect: Equatable {
    case none
    case select(Bytes)
    case authenticate(Credentials)
    /// HELLO: the version of the protocol, if it names one, and who authenticates, if it says so.
    case greet(version: Bytes?, Credentials?)
    case beginTransaction
    case endTransaction
    case discardTransaction
    case reset
    case shutDown
}

struct CommandTraits: Equatable {
    var pattern = ReplyPattern.single
    var effect = SessionEffect.none
    /// Whether the reply is a readable text, which is printed as it is in every format.
    var isPlainText = false
    /// Whether its arguments may contain passwords.
    var hasSecrets = false

    init(_ command: [Bytes]) {
        let count = command.count
        func word(_ index: Int, _ text: String) -> Bool { index < count && Text.matches(command[index], text) }

        if word(0, "monitor") {
            pattern = .monitor
        } else if word(0, "subscribe") || word(0, "psubscribe") || word(0, "ssubscribe") {
            pattern = .subscription
        } else if word(0, "unsubscribe") || word(0, "punsubscribe") || word(0, "sunsubscribe") {
            pattern = .confirmations(count: max(count - 1, 1))
        } else if word(0, "sync") || word(0, "psync") {
            pattern = .replication
        }

        if word(0, "select") && count == 2 {
            effect = .select(command[1])
        } else if word(0, "auth") && (count == 2 || count == 3) {
            effect = .authenticate(Credentials(user: count == 3 ? command[1] : nil, password: command[count - 1]))
        } else if word(0, "hello") {
            effect = .greet(version: count > 1 ? command[1] : nil, Self.credentials(ofHello: command))
        } else if word(0, "multi") && count == 1 {
            effect = .beginTransaction
        } else if word(0, "exec") && count == 1 {
            effect = .endTransaction
        } else if word(0, "discard") && count == 1 {
            effect = .discardTransaction
        } else if word(0, "reset") && count == 1 {
            effect = .reset
        } else if word(0, "shutdown") {
            effect = .shutDown
        }

        hasSecrets =
            word(0, "auth") || word(0, "hello") || word(0, "migrate") || (word(0, "acl") && word(1, "setuser"))
            || (word(0, "config") && word(1, "set"))

        isPlainText =
            word(0, "info") || word(0, "lolwut")
            || (word(0, "debug") && (word(1, "htstats") || word(1, "htstats-key") || word(1, "client-eviction")))
            || (word(0, "memory") && (word(1, "malloc-stats") || word(1, "doctor")))
            || (word(0, "cluster") && count == 2 && (word(1, "nodes") || word(1, "info")))
            || (word(0, "client") && (word(1, "list") || word(1, "info")))
            || (word(0, "latency") && ((count == 3 && word(1, "graph")) || (count == 2 && word(1, "doctor"))))
            || (word(0, "proxy") && word(1, "info"))
    }

    /// HELLO [VERSION [AUTH USER PASSWORD] [SETNAME NAME]]
    private static func credentials(ofHello command: [Bytes]) -> Credentials? {
        var index = 2
        while index < command.count {
            if Text.matches(command[index], "auth"), index + 2 < command.count {
                return Credentials(user: command[index + 1], password: command[index + 2])
            }
            index += 2
        }
        return nil
    }
}
