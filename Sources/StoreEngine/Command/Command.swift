// What a command is: its name and everything about it that others ask for, with its function beside it.
//
// One entry serves all: look-up and arity checks, COMMAND INFO, DOCS, LIST and GETKEYS, access categories, hints of the
// command-line client. The same type serves commands on data, whose context is the keyspace, and commands on the connection,
// whose context is the session.

import RespCodec

/// By what a script is named in a request.
public enum ScriptReference: Sendable {
    case text
    case digest
    /// The name of a function.
    case function
}

/// What the dispatcher and the clients may assume of a command.
public struct CommandFlags: OptionSet, Sendable {
    public let rawValue: UInt64
    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }

    @inlinable public static var write: CommandFlags { CommandFlags(rawValue: 1 << 0) }
    @inlinable public static var readOnly: CommandFlags { CommandFlags(rawValue: 1 << 1) }
    @inlinable public static var denyOOM: CommandFlags { CommandFlags(rawValue: 1 << 2) }
    @inlinable public static var admin: CommandFlags { CommandFlags(rawValue: 1 << 3) }
    @inlinable public static var pubsub: CommandFlags { CommandFlags(rawValue: 1 << 4) }
    @inlinable public static var noScript: CommandFlags { CommandFlags(rawValue: 1 << 5) }
    @inlinable public static var blocking: CommandFlags { CommandFlags(rawValue: 1 << 6) }
    @inlinable public static var loading: CommandFlags { CommandFlags(rawValue: 1 << 7) }
    @inlinable public static var stale: CommandFlags { CommandFlags(rawValue: 1 << 8) }
    @inlinable public static var skipMonitor: CommandFlags { CommandFlags(rawValue: 1 << 9) }
    @inlinable public static var skipSlowLog: CommandFlags { CommandFlags(rawValue: 1 << 10) }
    @inlinable public static var fast: CommandFlags { CommandFlags(rawValue: 1 << 11) }
    @inlinable public static var noAuth: CommandFlags { CommandFlags(rawValue: 1 << 12) }
    @inlinable public static var noMulti: CommandFlags { CommandFlags(rawValue: 1 << 13) }
    @inlinable public static var movableKeys: CommandFlags { CommandFlags(rawValue: 1 << 14) }
    @inlinable public static var allowBusy: CommandFlags { CommandFlags(rawValue: 1 << 15) }
    @inlinable public static var noAsyncLoading: CommandFlags { CommandFlags(rawValue: 1 << 16) }
    @inlinable public static var protected: CommandFlags { CommandFlags(rawValue: 1 << 17) }
    /// Runs at once inside a transaction instead of being queued.
    @inlinable public static var transactionControl: CommandFlags { CommandFlags(rawValue: 1 << 18) }
    /// Is refused, too, while data cannot be saved: clients ask with it whether all is well.
    @inlinable public static var asksForHealth: CommandFlags { CommandFlags(rawValue: 1 << 19) }
    /// Runs what a transaction has queued: a refusal of it ends the transaction.
    @inlinable public static var executesTransaction: CommandFlags { CommandFlags(rawValue: 1 << 21) }
    /// Is let through to a server to which a part of a cluster is being moved.
    @inlinable public static var asking: CommandFlags { CommandFlags(rawValue: 1 << 22) }
    /// May have its client wait until something is done elsewhere, though it waits for no key.
    @inlinable public static var suspends: CommandFlags { CommandFlags(rawValue: 1 << 20) }
    /// Meant for those who work on the server, not for users.
    @inlinable public static var systemOnly: CommandFlags { CommandFlags(rawValue: 1 << 23) }
    /// Reads, but may write down what it has found.
    @inlinable public static var mayWrite: CommandFlags { CommandFlags(rawValue: 1 << 24) }
    /// Counts as a use of its keys even for a client whose commands do not.
    @inlinable public static var alwaysTouches: CommandFlags { CommandFlags(rawValue: 1 << 26) }
    /// May be called without keys though it has specs of keys.
    @inlinable public static var noMandatoryKeys: CommandFlags { CommandFlags(rawValue: 1 << 28) }
    /// Runs a script or a function: which keys it uses and how much memory it takes its commands tell.
    @inlinable public static var runsScript: CommandFlags { CommandFlags(rawValue: 1 << 27) }
    /// Changes which replies the client gets, which within a transaction would take EXEC's reply apart.
    @inlinable public static var changesReplies: CommandFlags { CommandFlags(rawValue: 1 << 25) }
    /// May be called by a client that is subscribed to channels in RESP2, where all that it is sent are messages.
    @inlinable public static var allowedToSubscribers: CommandFlags { CommandFlags(rawValue: 1 << 29) }
    /// Does not count as the command for which CLIENT CACHING has chosen.
    @inlinable public static var keepsCaching: CommandFlags { CommandFlags(rawValue: 1 << 30) }
    /// What every command of a table has, for a gate that lets none through unseen.
    @inlinable public static var any: CommandFlags { CommandFlags(rawValue: 1 << 31) }
    /// May take much more memory at once than its arguments do.
    @inlinable public static var growsAtOnce: CommandFlags { CommandFlags(rawValue: 1 << 32) }

    /// The names in COMMAND INFO, in the order in which Redis lists them.
    public var names: [StaticString] {
        let all: [(CommandFlags, StaticString)] = [
            (.write, "write"), (.readOnly, "readonly"), (.denyOOM, "denyoom"), (.admin, "admin"), (.pubsub, "pubsub"),
            (.noScript, "noscript"), (.blocking, "blocking"), (.loading, "loading"), (.stale, "stale"),
            (.skipMonitor, "skip_monitor"), (.skipSlowLog, "skip_slowlog"), (.asking, "asking"), (.fast, "fast"),
            (.noAuth, "no_auth"), (.noMandatoryKeys, "no_mandatory_keys"), (.noAsyncLoading, "no_async_loading"),
            (.noMulti, "no_multi"),
            (.movableKeys, "movablekeys"), (.allowBusy, "allow_busy"),
        ]
        return all.filter { contains($0.0) }.map { $0.1 }
    }
}

/// The family of a command, as documentation groups them.
public enum CommandGroup: String, CaseIterable, Sendable {
    case string, generic, hash, connection, transactions, server
    case list, set
    case sortedSet = "sorted-set"
    case stream, bitmap, hyperloglog, geo, pubsub, scripting, cluster
}

/// A version, and what it brought for the callers of a command.
public struct CommandChange: Sendable {
    public let version: String
    public let text: String
}

/// Which arguments of a command are secrets: they are not shown to those who are shown requests.
public enum SecretArguments: Sendable, Equatable {
    case none
    /// All behind the name.
    case all
    /// The operands of some of the options that begin at an index.
    case options(from: Int, [Option])
    /// From the third argument on names of settings and their values: the values of those that are secrets.
    case valuesOfSettings

    /// An option by its word, and how many arguments belong to it.
    public struct Option: Sendable, Equatable {
        public let word: String
        public let operandCount: Int
        public let isSecret: Bool

        public init(_ word: String, operands: Int, isSecret: Bool) {
            self.word = word
            operandCount = operands
            self.isSecret = isSecret
        }
    }
}

/// What a command that does not write by its flags is for in an append-only file.
public enum LogUse: Sendable {
    /// It selects the database of what follows.
    case selectsDatabase
    /// It runs, as it changes which scripts are known.
    case changesScripts
}

/// A command and its function.
public struct Command<Context>: Sendable {
    public typealias Run = @Sendable (inout Context, Arguments) throws(CommandError) -> Void

    public let name: String
    public let group: CommandGroup
    public let since: String
    /// How many arguments, the name included; if negative, how many at least.
    public let arity: Int
    public internal(set) var flags: CommandFlags
    /// How it tells what it did, if it writes.
    public let effect: CommandEffect
    public let keys: [KeySpec]
    /// Access categories beyond those that follow from the flags and the group, such as "dangerous".
    public let categories: [String]
    /// Hints to proxies and clients, as COMMAND INFO gives them.
    public let tips: [String]
    /// The arguments behind the name: words in capitals are typed as they are, [] is optional, | separates choices, ... repeats;
    /// `name=` tells how an argument or a group is called if not by its word, `:type` its type, `#n` the spec of its keys,
    /// `@6.2.0` since when it is there.
    public let syntax: String
    public let summary: String
    public let complexity: String
    public let subcommands: [Command<Context>]
    /// What has changed for callers since the command came, the oldest change first.
    public private(set) var history: [CommandChange] = []
    /// The newest release in which something came that is here, such as "Redis 8.2.0", if it is neither `since` nor the last of the history.
    public private(set) var release: String?
    /// Since when there is something better, and what that is.
    public private(set) var deprecation: CommandChange?
    /// The place of an argument that is looked for in the key's value, so that memory can be asked for early; 0 if there is none.
    public private(set) var member = 0
    /// How much memory it may take, if that can be much more than its arguments.
    public internal(set) var growth: Growth?
    public private(set) var secrets = SecretArguments.none
    /// Of a command that runs a script: by what its first argument names it.
    public private(set) var script: ScriptReference?
    /// What it is for in an append-only file, if it is neither a write nor runs a script.
    public private(set) var logUse: LogUse?
    /// Whether it came with a release of Valkey whose number Redis has, too.
    public private(set) var isOfValkey = false
    /// What is different from the servers that have it, too, for the page of all commands.
    public private(set) var difference: String?
    /// Nil only for a command that always needs one of its subcommands.
    public let run: Run?

    public init(
        _ name: String, group: CommandGroup, since: String, arity: Int, flags: CommandFlags,
        effect: CommandEffect = .none, keys: [KeySpec] = [], categories: [String] = [], tips: [String] = [],
        syntax: String, summary: String, complexity: String,
        subcommands: [Command<Context>] = [], run: Run? = nil
    ) {
        self.name = name
        self.group = group
        self.since = since
        self.arity = arity
        self.flags = flags
        self.effect = effect
        self.keys = keys
        self.categories = categories
        self.tips = tips
        self.syntax = syntax
        self.summary = summary
        self.complexity = complexity
        self.subcommands = subcommands
        self.run = run
    }

    /// The same command, known to look for the argument at `place` in the value of its key.
    func lookingForMember(at place: Int) -> Command<Context> {
        var command = self
        command.member = place
        return command
    }

    /// The same command with arguments that nobody is shown.
    public func hiding(_ secrets: SecretArguments) -> Command<Context> {
        var command = self
        command.secrets = secrets
        return command
    }

    /// The same command, known to be Valkey's.
    public func ofValkey() -> Command<Context> {
        var command = self
        command.isOfValkey = true
        return command
    }

    /// The same command, known to run a script.
    public func runningScript(_ script: ScriptReference) -> Command<Context> {
        var command = self
        command.script = script
        return command
    }

    /// The same command, known to be in append-only files.
    public func inLog(_ use: LogUse) -> Command<Context> {
        var command = self
        command.logUse = use
        return command
    }

    /// The same command, with a sentence about what is different here.
    public func differing(_ difference: String) -> Command<Context> {
        var command = self
        command.difference = difference
        return command
    }

    /// The same command, known to be as in a release of which its history does not tell: servers do not list all that is new.
    public func asIn(_ release: String) -> Command<Context> {
        var command = self
        command.release = release
        return command
    }

    /// The same command with one more entry in its history.
    public func changed(_ version: String, _ text: String) -> Command<Context> {
        var command = self
        command.history.append(CommandChange(version: version, text: text))
        return command
    }

    /// The same command, for which callers should use something else.
    public func deprecated(_ version: String, replacedBy replacement: String) -> Command<Context> {
        var command = self
        command.deprecation = CommandChange(version: version, text: replacement)
        return command
    }

    /// Whether a request of `count` arguments, the name included, has a right number of them.
    public func accepts(argumentCount count: Int) -> Bool { arity >= 0 ? count == arity : count >= -arity }

    /// A command that does nothing but hold subcommands.
    public static func container(
        _ name: String, group: CommandGroup, since: String, summary: String, subcommands: [Command<Context>]
    ) -> Command<Context> {
        Command(
            name, group: group, since: since, arity: -2, flags: [], syntax: "", summary: summary,
            complexity: "Depends on the subcommand", subcommands: subcommands)
    }
}

/// What every command sees, whatever else its context has.
public protocol ReplyingContext: SendableMetatype {
    var reply: ReplyWriter { get }
}

extension Command where Context: ReplyingContext {
    /// The subcommand HELP of a command: `lines` about its other subcommands.
    public static func help(
        of container: String, group: CommandGroup, since: String, categories: [String] = [], _ lines: [String]
    ) -> Command<Context> {
        Command(
            "HELP", group: group, since: since, arity: 2, flags: [.loading, .stale], categories: categories, syntax: "",
            summary: "Returns a text about the subcommands.", complexity: "O(1)"
        ) { (context, _) throws(CommandError) in context.reply.help(of: container, lines) }
    }
}
