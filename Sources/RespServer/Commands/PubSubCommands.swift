// SUBSCRIBE, UNSUBSCRIBE and PUBLISH, the same for patterns and shard channels, and PUBSUB.

import RespCodec
import StoreEngine

enum PubSubCommands {
    private static let subscribing: CommandFlags = [.pubsub, .noScript, .loading, .stale, .allowedToSubscribers]
    private static let publishing: CommandFlags = [.pubsub, .loading, .stale, .fast, .mayWrite]
    /// Shard channels are where keys of their names would be.
    private static func shardChannels(last: Int) -> [KeySpec] {
        [KeySpec([.notKey], begin: .index(1), find: .range(last: last, step: 1, limit: 0))]
    }

    static let all: [Command<SessionContext>] = [
        Command(
            "SUBSCRIBE", group: .pubsub, since: "2.0.0", arity: -2, flags: subscribing, syntax: "channel [channel ...]",
            summary: "Asks for the messages that are published to channels.", complexity: "O(N) in the channels"
        ) { (context, arguments) throws(CommandError) in subscribe(context, arguments, .channel) },
        Command(
            "UNSUBSCRIBE", group: .pubsub, since: "2.0.0", arity: -1, flags: subscribing,
            syntax: "[channel [channel ...]]",
            summary: "Ends subscriptions to channels.", complexity: "O(N) in the channels"
        ) { (context, arguments) throws(CommandError) in unsubscribe(context, arguments, .channel) },
        Command(
            "PSUBSCRIBE", group: .pubsub, since: "2.0.0", arity: -2, flags: subscribing,
            syntax: "pattern:pattern [pattern:pattern ...]",
            summary: "Asks for the messages that are published to channels whose names fit patterns.",
            complexity: "O(N) in the patterns"
        ) { (context, arguments) throws(CommandError) in subscribe(context, arguments, .pattern) },
        Command(
            "PUNSUBSCRIBE", group: .pubsub, since: "2.0.0", arity: -1, flags: subscribing,
            syntax: "[pattern:pattern [pattern:pattern ...]]", summary: "Ends subscriptions to patterns.",
            complexity: "O(N) in the patterns, and in those that begin with the same literal text"
        ) { (context, arguments) throws(CommandError) in unsubscribe(context, arguments, .pattern) },
        Command(
            "SSUBSCRIBE", group: .pubsub, since: "7.0.0", arity: -2, flags: subscribing, keys: shardChannels(last: -1),
            syntax: "shardchannel [shardchannel ...]",
            summary: "Asks for the messages that are published to shard channels.", complexity: "O(N) in the channels"
        ) { (context, arguments) throws(CommandError) in
            guard !context.isNested else {
                throw .message("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
            }
            subscribe(context, arguments, .shardChannel)
        },
        Command(
            "SUNSUBSCRIBE", group: .pubsub, since: "7.0.0", arity: -1, flags: subscribing,
            keys: shardChannels(last: -1),
            syntax: "[shardchannel [shardchannel ...]]", summary: "Ends subscriptions to shard channels.",
            complexity: "O(N) in the channels"
        ) { (context, arguments) throws(CommandError) in unsubscribe(context, arguments, .shardChannel) },
        Command(
            "PUBLISH", group: .pubsub, since: "2.0.0", arity: 3, flags: publishing, effect: .verbatim,
            syntax: "channel message",
            summary: "Sends a message to the subscribers of a channel, and returns how many they are.",
            complexity:
                "O(N+M) in the subscribers, and in the patterns with whose literal text the channel's name begins"
        ) { (context, arguments) throws(CommandError) in
            context.reply.integer(context.uncountedServer.use { $0.publish(arguments[2], to: arguments[1]) })
        },
        Command(
            "SPUBLISH", group: .pubsub, since: "7.0.0", arity: 3, flags: publishing, effect: .verbatim,
            keys: shardChannels(last: 0),
            syntax: "shardchannel message",
            summary: "Sends a message to the subscribers of a shard channel, and returns how many they are.",
            complexity: "O(N) in the subscribers"
        ) { (context, arguments) throws(CommandError) in
            context.reply.integer(context.server.publish(arguments[2], to: arguments[1], isSharded: true))
        },
        .container(
            "PUBSUB", group: .pubsub, since: "2.8.0", summary: "Commands about channels and their subscribers.",
            subcommands: subcommands),
    ]

    // MARK: subscribing

    private static func subscribe(_ context: SessionContext, _ arguments: Arguments, _ kind: Topic.Kind) {
        let connection = context.connection
        context.server.subscribe(connection, to: ArgumentReader(arguments, from: 1), kind) { name, subscriber in
            confirm(context, kind.subscribeWord, name, subscriber.confirmedCount(kind))
        }
    }

    private static func unsubscribe(_ context: SessionContext, _ arguments: Arguments, _ kind: Topic.Kind) {
        let connection = context.connection
        let pubsub = context.server.pubsub
        func confirm(_ name: ByteSlice?) {
            Self.confirm(
                context, kind.unsubscribeWord, name, connection.subscriber?.confirmedCount(kind) ?? 0)
        }
        if arguments.count > 1 {
            for index in 1..<arguments.count {
                if let subscriber = connection.subscriber {
                    pubsub.unsubscribe(subscriber, from: arguments[index], kind)
                }
                confirm(arguments[index])
            }
        } else if let subscriber = connection.subscriber, subscriber.count(kind) > 0 {
            pubsub.unsubscribeFromAll(subscriber, kind) { topic in topic.name.withByteSlice { confirm($0) } }
        } else {
            confirm(nil)
        }
        context.server.followSubscriptions(of: connection)
    }

    /// Confirms a change of subscriptions, also to a client that wants no replies.
    /// - Parameter name: of what was subscribed to, or was to be; nil if there was nothing to end.
    private static func confirm(_ context: SessionContext, _ word: ByteSlice, _ name: ByteSlice?, _ count: Int) {
        func write(_ writer: ReplyWriter) {
            writer.push(3)
            writer.bulkString(word)
            if let name { writer.bulkString(name) } else { writer.null() }
            writer.integer(count)
        }
        guard context.connection.replyMode != .on else { return write(context.reply) }
        var message = Message()
        context.server.replies.push(&message, to: context.connection) { write($0) }
    }

    // MARK: PUBSUB

    private static let subcommands: [Command<SessionContext>] = [
        subcommand(
            "CHANNELS", since: "2.8.0", arity: -2, syntax: "[pattern:pattern]",
            summary: "Returns the channels that have subscribers.", complexity: "O(N) in the channels"
        ) { (context, arguments) throws(CommandError) in try listChannels(context, arguments, .channel) },
        .help(of: "PUBSUB", group: .pubsub, since: "6.2.0", help),
        subcommand(
            "NUMPAT", since: "2.8.0", arity: 2, summary: "Returns how many patterns have subscribers.",
            complexity: "O(1)"
        ) { (context, _) throws(CommandError) in context.reply.integer(context.server.pubsub.patterns.count) },
        subcommand(
            "NUMSUB", since: "2.8.0", arity: -2, syntax: "[channel [channel ...]]",
            summary: "Returns how many subscribers channels have, those by patterns left out.",
            complexity: "O(N) in the channels that are asked for"
        ) { (context, arguments) throws(CommandError) in countSubscribers(context, arguments, .channel) },
        subcommand(
            "SHARDCHANNELS", since: "7.0.0", arity: -2, syntax: "[pattern:pattern]",
            summary: "Returns the shard channels that have subscribers.", complexity: "O(N) in the channels"
        ) { (context, arguments) throws(CommandError) in try listChannels(context, arguments, .shardChannel) },
        subcommand(
            "SHARDNUMSUB", since: "7.0.0", arity: -2, syntax: "[shardchannel [shardchannel ...]]",
            summary: "Returns how many subscribers shard channels have.",
            complexity: "O(N) in the channels that are asked for"
        ) { (context, arguments) throws(CommandError) in countSubscribers(context, arguments, .shardChannel) },
    ]

    private static func subcommand(
        _ name: String, since: String, arity: Int, syntax: String = "", summary: String, complexity: String,
        run: @escaping Command<SessionContext>.Run
    ) -> Command<SessionContext> {
        Command(
            name, group: .pubsub, since: since, arity: arity, flags: [.pubsub, .loading, .stale], syntax: syntax,
            summary: summary, complexity: complexity, run: run)
    }

    private static let help = [
        "CHANNELS [<pattern>]", "    Return the channels that have subscribers and fit a pattern (default: all).",
        "NUMPAT", "    Return how many patterns have subscribers.",
        "NUMSUB [<channel> ...]",
        "    Return how many subscribers these channels have, those by patterns left out.",
        "SHARDCHANNELS [<pattern>]",
        "    Return the shard channels that have subscribers and fit a pattern (default: all).",
        "SHARDNUMSUB [<shardchannel> ...]", "    Return how many subscribers these shard channels have.",
    ]

    private static func listChannels(
        _ context: SessionContext, _ arguments: Arguments, _ kind: Topic.Kind
    ) throws(CommandError) {
        guard arguments.count <= 3 else { throw .subcommandSyntax(of: "PUBSUB", arguments[1]) }
        let list = context.reply.beginDeferred()
        var count = 0
        context.server.pubsub.topics(kind).forEach { topic in
            topic.name.withByteSlice { name in
                guard arguments.count == 2 || GlobPattern.matches(arguments[2], name),
                    context.server.pubsub.receiverCount(topic) > 0
                else { return }
                context.reply.bulkString(name)
                count += 1
            }
        }
        context.reply.endArray(list, count: count)
    }

    private static func countSubscribers(_ context: SessionContext, _ arguments: Arguments, _ kind: Topic.Kind) {
        context.reply.array((arguments.count - 2) * 2)
        for index in 2..<max(arguments.count, 2) {
            context.reply.bulkString(arguments[index])
            context.reply.integer(context.server.pubsub.subscriptionCount(arguments[index], kind))
        }
    }
}

extension Topic.Kind {
    fileprivate var subscribeWord: ByteSlice {
        switch self {
        case .channel: "subscribe"
        case .shardChannel: "ssubscribe"
        case .pattern: "psubscribe"
        }
    }

    fileprivate var unsubscribeWord: ByteSlice {
        switch self {
        case .channel: "unsubscribe"
        case .shardChannel: "sunsubscribe"
        case .pattern: "punsubscribe"
        }
    }
}

extension Subscriber {
    /// The number in a confirmation: channels and patterns are counted together, shard channels apart.
    fileprivate func confirmedCount(_ kind: Topic.Kind) -> Int {
        kind == .shardChannel ? shardChannelCount : channelCount + patternCount
    }
}
