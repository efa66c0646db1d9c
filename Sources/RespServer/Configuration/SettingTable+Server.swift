// The rows about the server itself: where it listens, its clients, who may do what, the process and its log.

import Glibc

extension SettingTable {
    static let listening: [Setting] = [
        .integer("port", \.port, 0...65535),
        .text("port-file", \.portFile, [.immutable, .repeatable]),
        .own(
            "bind", .addresses, [.multiWord], load: { .words($0.bindAddresses) },
            store: { $0.bindAddresses = $1.wordsValue }),
        .text("unixsocket", \.unixSocket, [.immutable]),
        .integer("unixsocketperm", \.unixSocketPermissions, 0...0o777, in: .octal, [.immutable]),
        .integer("tcp-backlog", \.tcpBacklog, 0...largestInt32, [.immutable]),
        .integer("tcp-keepalive", \.tcpKeepaliveSeconds, 0...largestInt32),
        .text("bind-source-addr"),
        .integer("socket-mark-id", kept: 0, 0...largestUInt32, [.immutable]),
    ]

    static let clients: [Setting] = [
        .integer("timeout", \.timeoutSeconds, 0...largestInt32),
        .integer("maxclients", \.maxClients, 1...largestUInt32, isUnsigned: true),
        .integer("proto-max-bulk-len", \.protoMaxBulkLength, 1 << 20...Int.max, in: .memory, [.engine]),
        .integer(
            "client-query-buffer-limit", \.clientQueryBufferLimit, 1 << 20...Int.max, in: .memory, isUnsigned: true),
        .own(
            "client-output-buffer-limit", .outputBufferLimits, [.multiWord],
            load: { settings in
                let limits = [settings.normalOutputLimit, settings.replicaOutputLimit, settings.pubsubOutputLimit]
                return .integers(limits.flatMap { [$0.hardBytes, $0.softBytes, $0.softSeconds] })
            },
            store: { settings, value in
                let numbers = value.integersValue
                let limits = stride(from: 0, to: 9, by: 3).map {
                    OutputBufferLimit(hardBytes: numbers[$0], softBytes: numbers[$0 + 1], softSeconds: numbers[$0 + 2])
                }
                settings.normalOutputLimit = limits[0]
                settings.replicaOutputLimit = limits[1]
                settings.pubsubOutputLimit = limits[2]
            }),
        .integer("maxmemory-clients", \.maxMemoryClients, -100...Int.max, in: .memoryOrPercent),
        .integer("max-new-connections-per-cycle", kept: 10, 1...1000, isUnsigned: true),
        .integer("tracking-table-max-keys", \.trackingTableMaxKeys, 0...Int.max),
    ]

    static let access: [Setting] = [
        .bytes("requirepass", \.requirePassword, [.sensitive]),
        .boolean("protected-mode", \.protectedMode),
        .choice("enable-debug-command", \.enableDebugCommand, [.immutable]),
        .choice("enable-protected-configs", \.enableProtectedConfigs, [.immutable]),
        .choice("enable-module-command", \.enableModuleCommand, [.immutable]),
        .text(
            "aclfile", kept: "", [.immutable, .refused],
            check: { $0 == .text("") ? nil : unsupportedText("access control lists are") }),
        .integer("acllog-max-len", kept: 128, 0...Int.max),
        .choice("acl-pubsub-default", kept: "resetchannels", of: ["allchannels", "resetchannels"]),
    ]

    static let process: [Setting] = [
        .own(
            "dir", .directory, [.protected, .deniedWhileLoading], load: { .text($0.directory) },
            store: { settings, value in
                settings.directory = value.textValue
                settings.givesDirectory = true
            }),
        .boolean("daemonize", \.daemonize, [.immutable]),
        .text("pidfile", \.pidFile, [.immutable]),
        .choice("supervised", \.supervision, [.immutable]),
        .integer("hz", \.hz, 0...largestInt32, clamp: 1...500),
        .boolean("dynamic-hz", \.dynamicHz, [.inert]).always(like: .boolean(false)),
        .integer("shutdown-timeout", \.shutdownTimeoutSeconds, 0...largestInt32, [.inert]).always(like: .integer(0)),
        .flags("shutdown-on-sigint", \.shutdownOnSIGINT, ShutdownOptions.words, [], check: shutdownOptionsFit),
        .flags("shutdown-on-sigterm", \.shutdownOnSIGTERM, ShutdownOptions.words, [], check: shutdownOptionsFit),
        .boolean("set-proc-title", kept: true, [.immutable]).always(like: .boolean(false)),
        .text(
            "proc-title-template", kept: "{title} {listen-addr} {server-mode}",
            check: {
                ProcessTitle.isValid($0.textValue)
                    ? nil : "template format is invalid or contains unknown variables"
            }),
        .boolean("always-show-logo", kept: false, [.immutable]),
        .boolean("crash-log-enabled", \.logsCrashes),
        .boolean("crash-memcheck-enabled", kept: true).always(like: .boolean(false)),
        .boolean("use-exit-on-panic", kept: false, [.hidden]),
        .integer("watchdog-period", kept: 0, 0...largestInt32, [.hidden]),
        .text("ignore-warnings"),
        .text(
            "locale-collate",
            check: { value in
                guard let locale = unsafe newlocale(LC_COLLATE_MASK, value.textValue, nil) else {
                    return "Invalid locale name"
                }
                unsafe freelocale(locale)
                return nil
            }),
    ]

    static let log: [Setting] = [
        .choice("loglevel", \.logLevel),
        .text("logfile", \.logFile, [.immutable]),
        .boolean("hide-user-data-from-log", kept: false),
        .choice("log-format", \.logFormat),
        .boolean("syslog-enabled", \.syslogEnabled, [.immutable]),
        .text("syslog-ident", \.syslogIdentity, [.immutable]),
        .choice("syslog-facility", \.syslogFacility, [.immutable]),
    ]

    private static let shutdownOptionsFit: @Sendable (SettingValue) -> String? = { value in
        guard case .choice(let bits) = value else { return nil }
        let options = ShutdownOptions(rawValue: bits)
        return options.isSuperset(of: [.save, .noSave])
            ? "shutdown options SAVE and NOSAVE can't be used simultaneously" : nil
    }
}
