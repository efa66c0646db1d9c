// MIGRATE: its arguments. `Migration/Migration.swift` moves the keys.

import RespCodec
import StoreEngine

enum MigrateCommand {
    static let all: [Command<SessionContext>] = [
        Command(
            "MIGRATE", group: .generic, since: "2.6.0", arity: -6, flags: [.write, .movableKeys, .suspends],
            effect: .explicit,
            keys: [
                KeySpec([.rw, .access, .delete], begin: .index(3)),
                KeySpec(
                    [.rw, .access, .delete, .incomplete], begin: .keyword("KEYS", from: -2),
                    find: .range(last: -1, step: 1, limit: 0)
                ).findingAll(keys),
            ],
            categories: ["dangerous"], tips: ["nondeterministic_output"],
            syntax:
                "host port:integer key-selector=<key | empty-string=\"\"> destination-db timeout [COPY]@3.0.0 [REPLACE]@3.0.0 authentication=[AUTH@4.0.7 auth=password | AUTH2@6.0.0 username password] [KEYS@3.0.6 keys=key ...]",
            summary: "Moves keys to another server.",
            complexity: "That of DUMP and DEL here and of RESTORE there, and O(N) in the bytes of the values",
            run: migrate
        )
        .hiding(
            .options(
                from: 6,
                [
                    .init("COPY", operands: 0, isSecret: false), .init("REPLACE", operands: 0, isSecret: false),
                    .init("AUTH", operands: 1, isSecret: true), .init("AUTH2", operands: 2, isSecret: true),
                ])
        )
        .changed("3.0.0", "Takes `COPY` and `REPLACE`.")
        .changed("3.0.6", "Takes `KEYS`.")
        .changed("4.0.7", "Takes `AUTH`.")
        .changed("6.0.0", "Takes `AUTH2`.")
        .differing(
            "Other clients are served meanwhile; their writes wait until it is over. Nothing is sent of the keys before the database there is selected."
        )
    ]

    private struct Options {
        var keepsKeys = false
        var replaces = false
        var username: [UInt8]?
        var password: [UInt8]?
        /// Which arguments name keys.
        var keys = 3..<4

        init(_ arguments: Arguments) throws(CommandError) {
            var options = ArgumentReader(arguments, from: 6)
            while !options.isAtEnd {
                if options.takes("copy") {
                    keepsKeys = true
                } else if options.takes("replace") {
                    replaces = true
                } else if options.takes("auth", with: 1) {
                    password = options.next().array
                } else if options.takes("auth2", with: 2) {
                    username = options.next().array
                    password = options.next().array
                } else if options.takes("keys") {
                    guard arguments[3].isEmpty else {
                        throw .message(
                            "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string")
                    }
                    keys = options.index..<arguments.count
                    return
                } else {
                    throw .syntax
                }
            }
        }

        var login: [[UInt8]] {
            guard let password else { return [] }
            return [Array("AUTH".utf8)] + (username.map { [$0] } ?? []) + [password]
        }
    }

    /// Which arguments of a request are keys; empty if it names some in both ways.
    @Sendable private static func keys(_ arguments: Arguments) -> Range<Int> {
        var options = ArgumentReader(arguments, from: 6)
        while !options.isAtEnd {
            if options.takes("keys") { return arguments[3].isEmpty ? options.index..<arguments.count : 0..<0 }
            let operands = options.isAt("auth") ? 1 : options.isAt("auth2") ? 2 : 0
            options.skip(1 + operands)
        }
        return 3..<4
    }

    @Sendable private static func migrate(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError)
    {
        let server = context.server
        let connection = context.connection
        let migration = server.migration
        if let waiter = connection.waiting {
            guard let outgoing = migration.current, outgoing.waiter === waiter, outgoing.isOver else {
                return server.engine.requestWait(waiter.wait)
            }
            return migration.conclude(outgoing, context.reply)
        }
        let options = try Options(arguments)
        var numbers = ArgumentReader(arguments, from: 5)
        let timeout = try numbers.integer()
        numbers = ArgumentReader(arguments, from: 4)
        let database = try numbers.integer()
        let keys = server.engine.presentKeys(
            of: arguments, in: options.keys, database: connection.database, reply: context.reply,
            options: connection.isNoTouch ? .leavesAccessTimes : [])
        guard !keys.isEmpty else { return context.reply.status("NOKEY") }
        let owned = OwnedArguments(arguments)
        let target = KeyTransfer.Target(
            host: arguments[1].array, port: arguments[2].array, database: database,
            timeoutMilliseconds: timeout > 0 ? timeout : 1000, login: options.login)
        let outgoing: OutgoingKeys
        do throws(SyscallError) {
            outgoing = try migration.begin(
                keys, of: owned, database: connection.database, keepsKeys: options.keepsKeys,
                replaces: options.replaces, to: target, on: server.loop)
        } catch {
            throw .message("IOERR error or timeout connecting to the client")
        }
        guard !context.isNested, let command = connection.lastCommand else {
            migration.wait(for: outgoing)
            return migration.conclude(outgoing, context.reply)
        }
        server.holdWrites()
        let wait = Wait(until: nil)
        let waiter = WaitingCommand(connection: connection, record: command.record, arguments: owned, wait: wait)
        outgoing.waiter = waiter
        server.suspend(waiter)
        server.engine.requestWait(wait)
    }
}
