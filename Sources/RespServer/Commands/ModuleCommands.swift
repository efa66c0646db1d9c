// MODULE: there are none, and none can be loaded. Programs ask which there are.

import RespCodec
import StoreEngine

enum ModuleCommands {
    static let all: [Command<SessionContext>] = [
        .container(
            "MODULE", group: .server, since: "4.0.0", summary: "Commands about modules.",
            subcommands: [
                .help(
                    of: "MODULE", group: .server, since: "5.0.0",
                    [
                        "LIST", "    Return the modules. There are none: this server has no modules.",
                        "LOAD <path> [<arg> ...]", "    Refused.",
                        "LOADEX <path> [CONFIG NAME VALUE] [ARGS ...]", "    Refused.",
                        "UNLOAD <name>", "    Refused.",
                    ]),
                Command(
                    "LIST", group: .server, since: "4.0.0", arity: 2, flags: [.admin, .noScript],
                    tips: ["nondeterministic_output_order"], syntax: "", summary: "Returns the modules: none.",
                    complexity: "O(1)"
                ) { (context, _) throws(CommandError) in context.reply.array(0) },
                loading("LOAD", since: "4.0.0", syntax: "path:string [arg ...]"),
                loading(
                    "LOADEX", since: "7.0.0",
                    syntax: "path:string [configs=CONFIG name value [configs=CONFIG name value ...]] [ARGS args ...]"),
                Command(
                    "UNLOAD", group: .server, since: "4.0.0", arity: 3, flags: protected, syntax: "name",
                    summary: "Ends a module. There are none.", complexity: "O(1)"
                ) { (context, _) throws(CommandError) in
                    try checkAccess(context)
                    throw .message("ERR Error unloading module: no such module with that name")
                }
                .differing("There are no modules."),
            ])
    ]

    private static let protected: CommandFlags = [.admin, .noScript, .noAsyncLoading]

    private static func loading(_ name: String, since: String, syntax: String) -> Command<SessionContext> {
        Command(
            name, group: .server, since: since, arity: -3, flags: protected, syntax: syntax,
            summary: "Would load a module. There are no modules.", complexity: "O(1)"
        ) { (context, arguments) throws(CommandError) in
            try checkAccess(context)
            context.server.log.warning(
                "Module \(arguments[2].description) was not loaded: \(Product.name) has no modules")
            throw .message("ERR Error loading the extension. Please check the server logs.")
        }
        .differing("There are no modules.")
    }

    private static func checkAccess(_ context: SessionContext) throws(CommandError) {
        guard context.server.allows(context.server.configuration.settings.enableModuleCommand, context.connection)
        else {
            throw .message(
                "ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server."
            )
        }
    }
}
