// CLIENT TRACKING and what belongs to it: being told when keys change that a client keeps.

import RespCodec
import StoreEngine

extension ClientCommands {
    static let tracking: [Command<SessionContext>] = [
        subcommand(
            "CACHING", since: "6.0.0", arity: 3, syntax: "mode=<YES | NO>",
            summary: "Says whether the keys of the next command are kept.", run: setCaching),
        subcommand(
            "GETREDIR", since: "6.0.0", arity: 2,
            summary: "Returns who is told about keys that the connection keeps: 0 itself, -1 nobody."
        ) { (context, _) throws(CommandError) in
            context.reply.integer(context.connection.tracker.map { Int($0.redirection) } ?? -1)
        },
        subcommand(
            "TRACKING", since: "6.0.0", arity: -3,
            syntax:
                "status=<ON | OFF> [REDIRECT client-id:integer] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
            summary: "Whether the connection is told when keys change that it has read.",
            complexity: "O(1); with prefixes O(N log N) in them", run: setTracking
        ).differing("With `BCAST` and `NOLOOP` a client is not told of what its own scripts change, either."),
        subcommand(
            "TRACKINGINFO", since: "6.2.0", arity: 2,
            summary: "Returns what the connection is told about keys that it keeps.", run: describeTracking),
    ]

    // MARK: choosing

    @Sendable private static func setTracking(_ context: inout SessionContext, _ arguments: Arguments)
        throws(CommandError)
    {
        let (server, connection) = (context.server, context.connection)
        var options: Tracker.Options = []
        var redirection: UInt64 = 0
        var prefixes: [[UInt8]] = []
        var reader = ArgumentReader(arguments, from: 3)
        while !reader.isAtEnd {
            if reader.takes("redirect", with: 1) {
                guard redirection == 0 else {
                    throw .message("ERR A client can only redirect to a single other client")
                }
                guard let target = server.connections[id: try reader.integer()] else {
                    throw .message("ERR The client ID you want redirect to does not exist")
                }
                redirection = target.id
            } else if reader.takes("bcast") {
                options.insert(.broadcasts)
            } else if reader.takes("optin") {
                options.insert(.optIn)
            } else if reader.takes("optout") {
                options.insert(.optOut)
            } else if reader.takes("noloop") {
                options.insert(.noLoop)
            } else if reader.takes("prefix", with: 1) {
                prefixes.append(reader.next().array)
            } else {
                throw .syntax
            }
        }
        var status = ArgumentReader(arguments, from: 2)
        if try status.either("on", or: "off") {
            try check(options, prefixes, connection.tracker)
            server.tracking.begin(connection, options, redirection: redirection, prefixes: prefixes)
        } else {
            server.tracking.end(connection)
        }
        server.keyspaceListeners.update()
        context.reply.ok()
    }

    /// Whether the options go with one another, and with what the client tracks already.
    private static func check(
        _ options: Tracker.Options, _ prefixes: [[UInt8]], _ tracker: Tracker?
    ) throws(CommandError) {
        let broadcasts = options.contains(.broadcasts)
        if !broadcasts && !prefixes.isEmpty { throw .message("ERR PREFIX option requires BCAST mode to be enabled") }
        if let tracker, tracker.options.contains(.broadcasts) != broadcasts {
            throw .message(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."
            )
        }
        if broadcasts && !options.isDisjoint(with: [.optIn, .optOut]) {
            throw .message("ERR OPTIN and OPTOUT are not compatible with BCAST")
        }
        if options.isSuperset(of: [.optIn, .optOut]) {
            throw .message("ERR You can't specify both OPTIN mode and OPTOUT mode")
        }
        if let tracker,
            options.contains(.optIn) && tracker.options.contains(.optOut)
                || options.contains(.optOut) && tracker.options.contains(.optIn)
        {
            throw .message(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode."
            )
        }
        if broadcasts { try checkOverlaps(of: prefixes, with: tracker?.prefixes ?? PrefixSet()) }
    }

    private static func checkOverlaps(of prefixes: [[UInt8]], with present: PrefixSet) throws(CommandError) {
        func refusal(_ prefix: [UInt8], _ what: String, _ other: [UInt8]) -> CommandError {
            func shown(_ text: [UInt8]) -> [UInt8] { text.withByteSlice { CommandError.shown($0, limit: Int.max) } }
            return .bytes(
                Array("ERR Prefix '".utf8) + shown(prefix) + Array("' overlaps with \(what) '".utf8) + shown(other)
                    + Array("'. Prefixes for a single client must not overlap.".utf8))
        }
        let overlap = PrefixSet.firstOverlap(in: prefixes)
        for (place, prefix) in prefixes.enumerated() {
            if let other = present.firstOverlap(with: prefix) { throw refusal(prefix, "an existing prefix", other) }
            if let overlap, place == overlap.place {
                throw refusal(prefix, "another provided prefix", prefixes[overlap.other])
            }
        }
    }

    @Sendable private static func setCaching(_ context: inout SessionContext, _ arguments: Arguments)
        throws(CommandError)
    {
        guard let tracker = context.connection.tracker else {
            throw .message(
                "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
            )
        }
        var reader = ArgumentReader(arguments, from: 2)
        if try reader.either("yes", or: "no") {
            guard tracker.options.contains(.optIn) else {
                throw .message("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
            }
        } else {
            guard tracker.options.contains(.optOut) else {
                throw .message("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
            }
        }
        tracker.isNextChosen = true
        context.connection.updateGate()
        context.reply.ok()
    }

    // MARK: telling

    @Sendable private static func describeTracking(_ context: inout SessionContext, _ arguments: Arguments)
        throws(CommandError)
    {
        let reply = context.reply
        let tracker = context.connection.tracker
        let options = tracker?.options ?? []
        var flags: [ByteSlice] = [tracker == nil ? "off" : "on"]
        if options.contains(.broadcasts) { flags.append("bcast") }
        if options.contains(.optIn) {
            flags.append("optin")
            if tracker?.isNextChosen == true { flags.append("caching-yes") }
        }
        if options.contains(.optOut) {
            flags.append("optout")
            if tracker?.isNextChosen == true { flags.append("caching-no") }
        }
        if options.contains(.noLoop) { flags.append("noloop") }
        if tracker?.isRedirectionBroken == true { flags.append("broken_redirect") }
        reply.map(3)
        reply.bulkString("flags")
        reply.set(flags.count)
        for flag in flags { reply.bulkString(flag) }
        reply.bulkString("redirect")
        reply.integer(tracker.map { Int($0.redirection) } ?? -1)
        reply.bulkString("prefixes")
        reply.array(tracker?.prefixes.count ?? 0)
        for prefix in tracker?.prefixes ?? PrefixSet() { reply.bulkString(prefix) }
    }
}
