// Goal: no setting loses its effect, or is added without one, unnoticed. Method: the settings without effect and those
// that are refused are listed here; every other one names a test that shows its effect.

import Testing

@testable import RespServer

@Suite struct SettingEffectTests {
    /// For each setting that acts, a file with a test of its effect, and the words that begin the test.
    static let proofs: [String: (file: String, test: String)] = [
        "port": ("conformance/server/test_sockets.py", "def test_config_set_bind_and_port_move_the_server"),
        "port-file": ("conformance/server/test_configuration.py", "def test_port_zero_and_port_file"),
        "bind": ("conformance/server/test_sockets.py", "def test_several_addresses"),
        "unixsocket": ("conformance/server/test_sockets.py", "def test_unix_socket("),
        "unixsocketperm": (
            "conformance/server/test_start.py", "def test_the_mode_of_the_socket_file_holds_from_the_beginning"
        ),
        "tcp-backlog": ("conformance/server/test_setting_effects.py", "def test_tcp_backlog"),
        "tcp-keepalive": ("conformance/server/test_sockets.py", "def test_tcp_keepalive_is_set_on_connections"),
        "timeout": ("conformance/server/test_sockets.py", "def test_timeout_closes_who_is_idle"),
        "maxclients": ("conformance/server/test_sockets.py", "def test_maxclients("),
        "proto-max-bulk-len": (
            "conformance/hostile/test_protocol_errors.py", "def test_proto_max_bulk_len_is_a_live_setting"
        ),
        "client-query-buffer-limit": (
            "conformance/server/test_setting_effects.py", "def test_client_query_buffer_limit"
        ),
        "client-output-buffer-limit": ("conformance/hostile/test_resilience.py", "def test_output_buffer_hard_limit"),
        "requirepass": ("conformance/server/test_sockets.py", "def test_password("),
        "protected-mode": ("conformance/server/test_sockets.py", "def test_protected_mode_refuses_outsiders"),
        "enable-debug-command": ("conformance/server/test_setting_effects.py", "def test_enable_debug_command"),
        "enable-protected-configs": ("conformance/server/test_setting_effects.py", "def test_enable_protected_configs"),
        "dir": ("conformance/server/test_setting_effects.py", "def test_dir"),
        "daemonize": ("conformance/server/test_setting_effects.py", "def test_daemonize_and_pidfile"),
        "pidfile": ("conformance/server/test_setting_effects.py", "def test_daemonize_and_pidfile"),
        "supervised": ("conformance/server/test_start.py", "def test_systemd_is_told"),
        "hz": ("conformance/server/test_setting_effects.py", "def test_hz"),
        "loglevel": ("conformance/server/test_logging.py", "def test_levels"),
        "logfile": ("conformance/server/test_logging.py", "def test_logfile("),
        "crash-log-enabled": ("conformance/server/test_crashes.py", "def test_a_crash_is_reported("),
        "log-format": ("conformance/server/test_logging.py", "def test_json"),
        "syslog-enabled": ("conformance/server/test_setting_effects.py", "def test_syslog"),
        "syslog-ident": ("conformance/server/test_setting_effects.py", "def test_syslog"),
        "syslog-facility": ("conformance/server/test_setting_effects.py", "def test_syslog"),
        "databases": ("conformance/server/test_setting_effects.py", "def test_databases"),
        "hash-seed": ("conformance/server/test_setting_effects.py", "def test_hash_seed"),
        "hash-max-listpack-entries": ("conformance/differential/cases/hashes.txt", "hash-max-listpack-entries"),
        "hash-max-listpack-value": ("conformance/differential/cases/hashes.txt", "hash-max-listpack-value"),
        "set-max-intset-entries": ("conformance/differential/cases/sets.txt", "set-max-intset-entries"),
        "set-max-listpack-entries": ("conformance/differential/cases/sets.txt", "set-max-listpack-entries"),
        "set-max-listpack-value": ("conformance/differential/cases/sets.txt", "set-max-listpack-value"),
        "zset-max-listpack-entries": ("conformance/differential/cases/sorted_sets.txt", "zset-max-listpack-entries"),
        "zset-max-listpack-value": ("conformance/differential/cases/sorted_sets.txt", "zset-max-listpack-value"),
        "list-max-listpack-size": ("conformance/differential/cases/lists.txt", "list-max-listpack-size"),
        "list-compress-depth": ("conformance/differential/test_dump.py", "\"list-compress-depth\", 1"),
        "stream-node-max-bytes": ("conformance/differential/cases/streams.txt", "stream-node-max-bytes"),
        "stream-node-max-entries": ("conformance/differential/cases/streams.txt", "stream-node-max-entries"),
        "hll-sparse-max-bytes": ("conformance/differential/cases/hyperloglogs.txt", "hll-sparse-max-bytes"),
        "maxmemory": ("conformance/server/test_eviction.py", "def test_maxmemory("),
        "maxmemory-policy": ("conformance/server/test_eviction.py", "def test_maxmemory_policy("),
        "maxmemory-samples": ("conformance/server/test_eviction.py", "def test_maxmemory_samples("),
        "maxmemory-eviction-tenacity": (
            "conformance/server/test_eviction.py", "def test_maxmemory_eviction_tenacity("
        ),
        "maxmemory-clients": ("conformance/server/test_eviction.py", "def test_clients_that_hold_most_are_closed("),
        "lfu-log-factor": ("conformance/server/test_setting_effects.py", "def test_lfu_log_factor"),
        "lfu-decay-time": (
            "Tests/StoreEngineTests/AccessClock/AccessFrequencyTests.swift", "func theCounterFadesByTheMinutesSet"
        ),
        "enable-module-command": ("conformance/server/test_setting_effects.py", "def test_enable_module_command"),
        "slowlog-log-slower-than": (
            "conformance/differential/test_command_logs.py", "def test_how_long_and_how_many("
        ),
        "slowlog-max-len": ("conformance/differential/test_command_logs.py", "def test_how_long_and_how_many("),
        "commandlog-request-larger-than": ("conformance/differential/test_command_logs.py", "def test_sizes("),
        "commandlog-large-request-max-len": (
            "conformance/differential/test_command_logs.py", "def test_logs_of_sizes_are_kept_short("
        ),
        "commandlog-reply-larger-than": ("conformance/differential/test_command_logs.py", "def test_sizes("),
        "commandlog-large-reply-max-len": (
            "conformance/differential/test_command_logs.py", "def test_logs_of_sizes_are_kept_short("
        ),
        "latency-monitor-threshold": ("conformance/differential/test_latency.py", "def test_spikes("),
        "latency-tracking": ("conformance/differential/test_latency.py", "def test_percentiles("),
        "latency-tracking-info-percentiles": ("conformance/differential/test_latency.py", "def test_percentiles("),
        "notify-keyspace-events": (
            "Tests/RespServerTests/KeyspaceEvents/KeyspaceEventsTests.swift", "func everyClass"
        ),
        "tracking-table-max-keys": ("conformance/differential/test_tracking.py", "def test_tracking_table_max_keys"),
        "save": ("conformance/persistence/test_background.py", "def test_save_points"),
        "stop-writes-on-bgsave-error": (
            "conformance/persistence/test_background.py", "def test_a_save_that_fails_refuses_writes_until_one_succeeds"
        ),
        "rdb-key-save-delay": (
            "conformance/persistence/test_background.py", "def test_commands_while_it_is_saved"
        ),
        "appendonly": ("conformance/persistence/test_append_only.py", "def test_directories_of_ours_load_elsewhere"),
        "appendfsync": ("conformance/persistence/test_append_only.py", "def test_appendfsync("),
        "appendfilename": ("conformance/persistence/test_append_only.py", "def test_names_of_files("),
        "appenddirname": ("conformance/persistence/test_append_only.py", "def test_names_of_files("),
        "no-appendfsync-on-rewrite": (
            "conformance/persistence/test_append_only.py", "def test_no_appendfsync_on_rewrite("
        ),
        "auto-aof-rewrite-percentage": (
            "conformance/persistence/test_append_only.py", "def test_it_is_rewritten_by_itself("
        ),
        "auto-aof-rewrite-min-size": (
            "conformance/persistence/test_append_only.py", "def test_it_is_rewritten_by_itself("
        ),
        "aof-load-truncated": ("conformance/persistence/test_append_only.py", "def test_a_log_that_was_cut("),
        "aof-use-rdb-preamble": ("conformance/persistence/test_command_bases.py", "def test_a_base_of_commands("),
        "aof-timestamp-enabled": ("conformance/persistence/test_append_only.py", "def test_timestamps("),
        "aof-rewrite-incremental-fsync": (
            "conformance/persistence/test_append_only.py", "def test_a_base_is_synced_as_it_grows("
        ),
        "aof-disable-auto-gc": (
            "conformance/persistence/test_append_only.py", "def test_history_is_kept_if_asked_for("
        ),
        "activedefrag": (
            "conformance/server/test_defragmentation.py", "def test_sparse_pages_are_given_back("
        ),
        "active-defrag-ignore-bytes": (
            "conformance/server/test_defragmentation.py", "def test_little_is_not_worth_it("
        ),
        "active-defrag-threshold-lower": (
            "conformance/server/test_defragmentation.py", "def test_little_is_not_worth_it("
        ),
        "active-defrag-threshold-upper": (
            "conformance/server/test_defragmentation.py", "def test_how_much_of_the_time_it_gets("
        ),
        "active-defrag-cycle-min": (
            "conformance/server/test_defragmentation.py", "def test_how_much_of_the_time_it_gets("
        ),
        "active-defrag-cycle-max": (
            "conformance/server/test_defragmentation.py", "def test_how_much_of_the_time_it_gets("
        ),
        "dbfilename": ("conformance/persistence/test_files.py", "def test_settings_of_files"),
        "rdbchecksum": ("conformance/persistence/test_files.py", "def test_settings_of_files"),
        "rdb-save-incremental-fsync": ("conformance/persistence/test_files.py", "def test_settings_of_files"),
        "key-load-delay": ("conformance/persistence/test_files.py", "def test_clients_of_a_server_that_loads"),
        "shutdown-on-sigint": ("conformance/persistence/test_files.py", "def test_a_signal_saves_if_asked_to"),
        "shutdown-on-sigterm": ("conformance/persistence/test_files.py", "def test_a_signal_saves_if_asked_to"),
        "rdbcompression": ("conformance/server/test_setting_effects.py", "def test_rdbcompression"),
        "busy-reply-threshold": (
            "conformance/server/test_busy_scripts.py", "def test_others_are_told_that_a_script_is_busy"
        ),
        "script-kill-after": (
            "conformance/server/test_busy_scripts.py", "def test_script_kill_after_ends_scripts_that_only_read"
        ),
        "script-memory-limit": ("conformance/server/test_busy_scripts.py", "def test_script_memory_limit"),
    ]

    /// Checked, kept and returned; the log warns when one is set.
    static let inert: Set<String> = [
        "acl-pubsub-default", "acllog-max-len", "active-defrag-max-scan-fields", "active-expire-effort",
        "activerehashing",
        "always-show-logo", "aof-rewrite-cpulist",
        "bgsave-cpulist", "bind-source-addr", "bio-cpulist",
        "cluster-allow-pubsubshard-when-down", "cluster-allow-reads-when-down",
        "cluster-allow-replica-migration", "cluster-announce-bus-port", "cluster-announce-hostname",
        "cluster-announce-human-nodename", "cluster-announce-ip", "cluster-announce-port",
        "cluster-announce-tls-port", "cluster-compatibility-sample-ratio", "cluster-config-file",
        "cluster-link-sendbuf-limit", "cluster-migration-barrier", "cluster-node-timeout",
        "cluster-ping-interval", "cluster-port", "cluster-preferred-endpoint-type",
        "cluster-replica-no-failover", "cluster-replica-validity-factor",
        "cluster-require-full-coverage", "cluster-slot-stats-enabled",
        "crash-memcheck-enabled", "disable-thp", "dynamic-hz",
        "hide-user-data-from-log", "ignore-warnings", "io-threads", "io-threads-do-reads",
        "jemalloc-bg-thread", "lazyfree-lazy-eviction", "lazyfree-lazy-expire",
        "lazyfree-lazy-server-del", "lazyfree-lazy-user-del", "lazyfree-lazy-user-flush",
        "loading-process-events-interval-bytes", "locale-collate", "masterauth", "masteruser",
        "max-new-connections-per-cycle", "max-new-tls-connections-per-cycle",
        "min-replicas-max-lag", "oom-score-adj",
        "oom-score-adj-values", "proc-title-template", "propagation-error-behavior",
        "rdb-del-sync-files",
        "repl-backlog-size", "repl-backlog-ttl", "repl-disable-tcp-nodelay", "repl-diskless-load",
        "repl-diskless-sync", "repl-diskless-sync-delay", "repl-diskless-sync-max-replicas",
        "repl-ping-replica-period", "repl-timeout", "replica-announce-ip", "replica-announce-port",
        "replica-announced", "replica-full-sync-buffer-limit", "replica-ignore-disk-write-errors",
        "replica-ignore-maxmemory", "replica-lazy-flush", "replica-priority", "replica-read-only",
        "replica-serve-stale-data", "sanitize-dump-payload", "server-cpulist", "set-proc-title",
        "shutdown-timeout", "socket-mark-id",
        "tls-auth-clients", "tls-ca-cert-dir", "tls-ca-cert-file",
        "tls-cert-file", "tls-ciphers", "tls-ciphersuites", "tls-client-cert-file",
        "tls-client-key-file", "tls-client-key-file-pass", "tls-dh-params-file", "tls-key-file",
        "tls-key-file-pass", "tls-prefer-server-ciphers", "tls-protocols", "tls-session-cache-size",
        "tls-session-cache-timeout", "tls-session-caching",
        "use-exit-on-panic", "vset-force-single-threaded-execution", "watchdog-period",
    ]

    /// Only values that ask for nothing are taken.
    static let refused: Set<String> = [
        "aclfile", "cluster-enabled", "min-replicas-to-write", "replicaof",
        "tls-cluster", "tls-port", "tls-replication",
    ]

    private func names(_ effect: SettingEffect) -> Set<String> {
        Set(SettingTable.shared.settings.filter { $0.effect == effect }.map(\.name))
    }

    @Test func everySettingHasTheEffectThatIsListed() {
        #expect(names(.acts) == Set(Self.proofs.keys))
        #expect(names(.inert) == Self.inert)
        #expect(names(.refused) == Self.refused)
    }

    @Test func everyEffectHasAProof() throws {
        let root = "/" + #filePath.split(separator: "/").dropLast(4).joined(separator: "/") + "/"
        var contents: [String: String] = [:]
        for (name, proof) in Self.proofs {
            if contents[proof.file] == nil { contents[proof.file] = text(try FileAccess.read(root + proof.file).get()) }
            #expect(contents[proof.file]!.contains(proof.test), "\(name): \(proof.file) has no \(proof.test)")
        }
    }

    /// A value that asks for something is refused; the default is taken.
    @Test(arguments: [
        ("aclfile", "/etc/users.acl"), ("cluster-enabled", "yes"), ("min-replicas-to-write", "1"),
        ("replicaof", "host 6379"),
        ("tls-cluster", "yes"), ("tls-port", "6380"), ("tls-replication", "yes"),
    ])
    func whatIsRefusedIsRefused(name: String, value: String) throws {
        var settings = Settings()
        let setting = try #require(SettingTable.shared.setting(bytes(name)))
        #expect(Self.refused.contains(name) && setting.effect == .refused)
        let words = value.split(separator: " ").map { bytes(String($0)) }
        #expect(throws: SettingError.self) { try setting.assign(words, to: &settings) }
        #expect(setting.load(settings) == setting.load(Settings()))
    }
}
