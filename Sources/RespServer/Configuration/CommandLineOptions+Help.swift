// What the command line takes, once: `--help` and the manual page are made from these rows.

extension CommandLineOptions {
    static let versionText = "\(Product.title)\n"

    /// A line of the usage, behind the name of the program.
    static let usages = [
        "[FILE] [--NAME VALUE ...] [-]", "--check-config [FILE] [--NAME VALUE ...] [-]",
        "--check [--fix | --truncate-to-timestamp SECONDS] FILE",
    ]

    /// How an argument is written, and what it does.
    static let rows: [(notation: String, help: [String])] = [
        ("FILE", ["configuration file in the syntax of redis.conf"]),
        ("-", ["also read a configuration from standard input, as first or last argument"]),
        ("--NAME VALUE", ["any setting of the file; the command line has the last word"]),
        ("--check-config", ["load the configuration, report the first error, and do not start"]),
        (
            "--check",
            [
                "examine a snapshot, an append-only file, its manifest or its directory, as redis-check-rdb and",
                "redis-check-aof do, which names the program may have, too. --fix cuts off what is damaged",
                "at the end of an append-only file, --truncate-to-timestamp what was written to it later",
            ]
        ),
        ("--commands", ["print what commands there are, as docs/COMMANDS.md"]),
        ("--man", ["print the manual page: \(Product.name) --man | man -l -"]),
        ("-v, --version", ["print the version"]),
        ("-h, --help", ["print this text"]),
    ]

    /// Settings that are often given as options.
    private static let commonSettings: [(notation: String, help: String)] = [
        ("--port 6379", "TCP port; 0 opens none, or with --port-file any free one"),
        ("--port-file PATH", "write the port here once clients can connect"),
        ("--bind \"127.0.0.1 ::1\"", "addresses to listen on"), ("--unixsocket PATH", "listen on a socket file too"),
        ("--unixsocketperm 770", "its mode"),
        ("--requirepass PASSWORD", "ask clients for a password (better: RESP_REQUIREPASS_FILE)"),
        ("--protected-mode yes", "without a password serve this machine only"),
        ("--maxclients 10000", "connections at a time"),
        ("--timeout 0", "close clients that are idle for this many seconds"), ("--databases 16", "number of databases"),
        ("--maxmemory 0", "bytes that may be in use, such as 2gb; 0 is no limit"),
        ("--maxmemory-policy noeviction", "which keys are evicted then, such as allkeys-lru"),
        ("--save \"3600 1 300 100\"", "save after 3600 seconds with 1 change, and so on; \"\" never does"),
        ("--appendonly no", "log every write to an append-only file"),
        ("--dir PATH", "directory to run in"), ("--daemonize no", "run in the background"),
        ("--supervised no", "tell systemd or upstart when clients can connect"),
        ("--loglevel notice", "debug, verbose, notice, warning or nothing"),
        ("--logfile PATH", "log to a file instead of standard output"), ("--log-format text", "text or json"),
    ]

    static let environmentText = [
        "Every setting can also come from the environment: RESP_MAXCLIENTS=500, or RESP_REQUIREPASS_FILE=/run/secret to",
        "read the value from a file. The command line wins over the environment, the environment over the file.",
    ]

    static let examples = [
        "\(Product.name) --port 7000 --loglevel verbose",
        "\(Product.name) /etc/\(Product.name).conf --requirepass secret",
        "echo \"maxclients 100\" | \(Product.name) -",
    ]

    static var helpText: String {
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(1, width - text.utf8.count))
        }
        var text = "\(Product.title), an in-memory store that Redis clients can use\n\n"
        for (index, usage) in usages.enumerated() {
            text += "\(index == 0 ? "Usage: " : "       ")\(Product.name) \(usage)\n"
        }
        text += "\n"
        for row in rows {
            for (index, line) in row.help.enumerated() {
                text += "  " + padded(index == 0 ? row.notation : "", 16) + line + "\n"
            }
        }
        text += "\nSettings that are often given here:\n"
        for row in commonSettings { text += "  " + padded(row.notation, 32) + row.help + "\n" }
        text += "\n" + environmentText.joined(separator: "\n") + "\n\nExamples:\n"
        return text + examples.map { "  \($0)\n" }.joined()
    }
}
