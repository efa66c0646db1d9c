// FUNCTION: libraries of server-side functions, of which there are none, for nothing here can load one yet. What empties or lists
// them is there for who starts from a clean server, as test suites do: OK and an empty list are the truth.

import RespCodec
import StoreEngine

enum FunctionCommands {
    static let all: [Command<SessionContext>] = [
        .container(
            "FUNCTION", group: .scripting, since: "7.0.0", summary: "Commands about libraries of functions.",
            subcommands: [
                Command(
                    "FLUSH", group: .scripting, since: "7.0.0", arity: -2, flags: [.write, .noScript],
                    effect: .explicit,
                    tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
                    syntax: "flush-type=[ASYNC | SYNC]",
                    summary: "Removes all libraries. None can be loaded in this version.", complexity: "O(1)",
                    run: flush),
                .help(of: "FUNCTION", group: .scripting, since: "7.0.0", help),
                Command(
                    "LIST", group: .scripting, since: "7.0.0", arity: -2, flags: [.noScript],
                    tips: ["nondeterministic_output_order"], syntax: "[LIBRARYNAME library-name-pattern] [WITHCODE]",
                    summary: "Returns the libraries. None can be loaded in this version.", complexity: "O(1)", run: list
                ),
            ])
    ]

    private static let help = [
        "FLUSH [ASYNC|SYNC]", "    Remove all libraries. None can be loaded in this version.",
        "LIST [LIBRARYNAME PATTERN] [WITHCODE]", "    Return the libraries.",
    ]

    /// Has no effect to tell of: there are no libraries to remove.
    @Sendable private static func flush(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        guard arguments.count <= 3 else { throw .subcommandSyntax(of: "FUNCTION", arguments[1]) }
        var options = ArgumentReader(arguments, from: 2)
        if !options.isAtEnd {
            _ = try options.either(
                "sync", or: "async", otherwise: .message("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"))
        }
        context.reply.ok()
    }

    @Sendable private static func list(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        var (hasPattern, hasCode) = (false, false)
        var options = ArgumentReader(arguments, from: 2)
        while !options.isAtEnd {
            if !hasCode && options.takes("withcode") {
                hasCode = true
            } else if !hasPattern && options.takes("libraryname") {
                guard !options.isAtEnd else { throw .message("ERR library name argument was not given") }
                hasPattern = true
                options.skip()
            } else {
                throw .quoting("ERR Unknown argument ", options.current, "", limit: 128)
            }
        }
        context.reply.array(0)
    }
}
