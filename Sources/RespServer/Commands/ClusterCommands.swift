// The commands of clusters, which are refused: this server is no node of one. Clients ask to find that out, and match the text.

import RespCodec
import StoreEngine

enum ClusterCommands {
    static let all: [Command<SessionContext>] =
        [
            .container(
                "CLUSTER", group: .cluster, since: "3.0.0", summary: "Commands about clusters.",
                subcommands: subcommands)
        ]
        + [
            refused(
                "READONLY", since: "3.0.0", flags: [.loading, .stale, .fast], categories: ["connection"],
                summary: "Has a replica of a cluster answer what reads."),
            refused(
                "READWRITE", since: "3.0.0", flags: [.loading, .stale, .fast], categories: ["connection"],
                summary: "Takes back `READONLY`."),
            refused(
                "ASKING", since: "3.0.0", flags: [.fast], categories: ["connection"],
                summary: "Lets the next command through to a node to which its slot is being moved."),
        ]

    private static let changing: CommandFlags = [.admin, .stale, .noAsyncLoading]
    private static let uncertain = ["nondeterministic_output"]

    private static let subcommands: [Command<SessionContext>] =
        [
            refused(
                "ADDSLOTS", arity: -3, flags: changing, syntax: "slot:integer ...",
                summary: "Assigns hash slots to the node."),
            refused(
                "ADDSLOTSRANGE", since: "7.0.0", arity: -4, flags: changing,
                syntax: "range=<start-slot:integer end-slot:integer> ...",
                summary: "Assigns ranges of hash slots to the node."),
            refused("BUMPEPOCH", flags: changing, tips: uncertain, summary: "Advances the epoch of the configuration."),
            refused(
                "COUNT-FAILURE-REPORTS", arity: 3, flags: [.admin, .stale], tips: uncertain, syntax: "node-id",
                summary: "Counts who holds a node to have failed."),
            refused("COUNTKEYSINSLOT", arity: 3, syntax: "slot:integer", summary: "Counts the keys of a hash slot."),
            refused(
                "DELSLOTS", arity: -3, flags: changing, syntax: "slot:integer ...",
                summary: "Takes hash slots from nodes."),
            refused(
                "DELSLOTSRANGE", since: "7.0.0", arity: -4, flags: changing,
                syntax: "range=<start-slot:integer end-slot:integer> ...",
                summary: "Takes ranges of hash slots from nodes."),
            refused(
                "FAILOVER", arity: -2, flags: changing, syntax: "options=[FORCE | TAKEOVER]",
                summary: "Makes a replica take the place of its primary."),
            refused("FLUSHSLOTS", flags: changing, summary: "Takes all hash slots from the node."),
            refused("FORGET", arity: 3, flags: changing, syntax: "node-id", summary: "Removes a node."),
            refused(
                "GETKEYSINSLOT", arity: 4, tips: uncertain, syntax: "slot:integer count",
                summary: "Returns keys of a hash slot."),
            refused(
                "HELP", since: "5.0.0", flags: [.loading, .stale], summary: "Returns a text about the subcommands."),
            refused("INFO", tips: uncertain, summary: "Describes the state of the node."),
            refused("KEYSLOT", arity: 3, syntax: "key:string", summary: "Returns the hash slot of a key."),
            refused("LINKS", since: "7.0.0", tips: uncertain, summary: "Returns the connections to other nodes."),
            refused(
                "MEET", arity: -4, flags: changing, syntax: "ip port:integer [cluster-bus-port:integer]@4.0.0",
                summary: "Introduces another node.", changes: [("4.0.0", "Takes `cluster-bus-port`.")]),
            refused("MYID", summary: "Returns the name of the node."),
            refused("MYSHARDID", since: "7.2.0", tips: uncertain, summary: "Returns the name of the node's shard."),
            refused("NODES", tips: uncertain, summary: "Describes all nodes."),
            refused(
                "REPLICAS", since: "5.0.0", arity: 3, flags: [.admin, .stale], tips: uncertain, syntax: "node-id",
                summary: "Describes the replicas of a node."),
            refused(
                "REPLICATE", arity: 3, flags: changing, syntax: "node-id", summary: "Makes the node a replica."),
            refused(
                "RESET", arity: -2, flags: [.admin, .noScript, .stale], syntax: "reset-type=[HARD | SOFT]",
                summary: "Makes the node a new one."),
            refused("SAVECONFIG", flags: changing, summary: "Writes down the configuration of the cluster."),
            refused(
                "SET-CONFIG-EPOCH", arity: 3, flags: changing, syntax: "config-epoch:integer",
                summary: "Gives a new node an epoch."),
            refused(
                "SETSLOT", arity: -4, flags: changing,
                syntax:
                    "slot:integer subcommand=<IMPORTING importing=node-id | MIGRATING migrating=node-id | NODE node=node-id | STABLE>",
                summary: "Says to which node a hash slot belongs."),
            refused(
                "SHARDS", since: "7.0.0", flags: [.loading, .stale], tips: uncertain,
                summary: "Returns which shard has which hash slots."),
            refused(
                "SLAVES", arity: 3, flags: [.admin, .stale], tips: uncertain, syntax: "node-id",
                summary: "Describes the replicas of a node."
            ).deprecated("5.0.0", replacedBy: "`CLUSTER REPLICAS`"),
            refused(
                "SLOTS", flags: [.loading, .stale], tips: uncertain,
                summary: "Returns which node has which hash slots.",
                changes: [("4.0.0", "Tells the names of nodes."), ("7.0.0", "Tells more about their addresses.")]
            ).deprecated("7.0.0", replacedBy: "`CLUSTER SHARDS`"),
        ]

    private static func refused(
        _ name: String, since: String = "3.0.0", arity: Int = 0, flags: CommandFlags = [.stale],
        categories: [String] = [], tips: [String] = [], syntax: String = "", summary: String,
        changes: [(version: String, text: String)] = []
    ) -> Command<SessionContext> {
        let isCommand = !categories.isEmpty
        var command = Command<SessionContext>(
            name, group: .cluster, since: since, arity: arity != 0 ? arity : isCommand ? 1 : 2, flags: flags,
            categories: categories, tips: tips, syntax: syntax, summary: summary, complexity: "O(1)"
        ) { (_, _) throws(CommandError) in
            throw .message("ERR This instance has cluster support disabled")
        }
        for change in changes { command = command.changed(change.version, change.text) }
        return command.differing("Refused: the server is no node of a cluster.")
    }
}
