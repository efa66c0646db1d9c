"""prometheus-redis-exporter of Debian scrapes the server: without an error, and with every metric that it finds in redis-server, too."""
import re
import shutil
import subprocess
import time
import urllib.request

import pytest

from support import server as servers
from support.resp import eventually

EXPORTER = shutil.which("prometheus-redis-exporter")

pytestmark = pytest.mark.skipif(EXPORTER is None, reason="prometheus-redis-exporter is not installed")

# What is not told: of the last of something that was never done there is no status and no time.
UNTOLD = {"redis_rdb_last_bgsave_status", "redis_aof_last_bgrewrite_status", "redis_aof_last_write_status",
          # The server has no such buffers to shrink, and counts no such things.
          "redis_expire_cycle_cpu_milliseconds", "redis_dump_payload_sanitizations"}

WORKLOAD = [("SET", "k", "v"), ("SET", "n", "1"), ("INCR", "n"), ("GET", "k"), ("GET", "k"), ("GET", "absent"), ("LPUSH", "k", "x"),
            ("LPUSH", "l", "a", "b"), ("SET", "t", "v", "EX", "1000"), ("HSET", "h", "f", "v"), ("NOSUCH",), ("GET",), ("MULTI",), ("EXEC",),
            ("CONFIG", "SET", "slowlog-log-slower-than", "200000"), ("DEBUG", "SLEEP", "0.25"), ("SELECT", "1"), ("SET", "other", "v"),
            ("CONFIG", "SET", "latency-monitor-threshold", "200"), ("DEBUG", "SLEEP", "0.25"), ("CLIENT", "SETNAME", "worker")]

# Of these the values are the same after the same commands, for all labels.
SAME = """redis_up redis_exporter_last_scrape_error redis_db_keys redis_db_keys_expiring redis_commands_total redis_commands_failed_calls_total
    redis_commands_rejected_calls_total redis_errors_total redis_keyspace_hits_total redis_keyspace_misses_total redis_connected_clients
    redis_blocked_clients redis_slowlog_length redis_memory_max_bytes redis_config_maxmemory redis_config_maxclients redis_connected_slaves
    redis_cluster_enabled redis_loading_dump_file redis_evicted_keys_total redis_expired_keys_total redis_rejected_connections_total
    redis_pubsub_channels redis_pubsub_patterns redis_rdb_bgsave_in_progress redis_aof_enabled redis_aof_rewrite_in_progress
    redis_replication_backlog_bytes redis_master_repl_offset redis_slave_expires_tracked_keys redis_tracking_clients
    redis_total_error_replies redis_commands_latencies_usec_count redis_latency_percentiles_usec_count""".split()


class Exporter:
    def __init__(self, server, *options):
        self.port = servers.free_port()
        self.log = server.directory / "exporter.log"
        self.process = subprocess.Popen(
            [EXPORTER, "--redis.addr", f"redis://127.0.0.1:{server.port}", "--web.listen-address", f"127.0.0.1:{self.port}", *options],
            stdout=open(self.log, "wb"), stderr=subprocess.STDOUT)

    def scrape(self):
        """{(name, labels): value}"""
        text = []

        def answers():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=20) as answer:
                    text.append(answer.read().decode())
                return True
            except OSError:
                return False
        assert eventually(answers), self.log.read_text()
        return {(match[1], match[2] or ""): float(match[3])
                for match in re.finditer(r"^(redis_\w+)(?:\{(.*)\})? (\S+)$", text[-1], re.MULTILINE)}

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def metrics(start, binary, *options):
    server = start(binary=binary)
    with server.connect() as client:
        for command in WORKLOAD:
            client(*command)
        exporter = Exporter(server, *options)
        try:
            exporter.scrape()
            return exporter.scrape(), exporter.log.read_text(), client
        finally:
            exporter.stop()


def without_values(found):
    """Names with the names of their labels; of labels that name a command, an error or a database the values, too."""
    kept = re.compile(r'(?:cmd|err|db|event_name)="[^"]*"')
    return {(name, tuple(kept.findall(labels)), tuple(re.findall(r"(\w+)=", labels))) for name, labels in found}


def test_every_metric_is_there(start):
    (theirs, their_log, _), (ours, our_log, _) = (metrics(start, binary) for binary in (servers.reference(), servers.under_test()))
    for found, log in ((theirs, their_log), (ours, our_log)):
        assert found["redis_up", ""] == 1 and found["redis_exporter_last_scrape_error", 'err=""'] == 0
        assert not re.search(r"level=(error|warning)", log), log
    missing = {entry for entry in without_values(theirs) - without_values(ours) if entry[0] not in UNTOLD}
    assert not missing
    for key, value in theirs.items():
        if key[0] in SAME:
            assert ours.get(key) == value, key
    assert {name for name, _ in theirs} & set(SAME), "nothing was compared"


def test_values_are_right(start):
    before = time.time()
    for binary in (servers.reference(), servers.under_test()):
        found, _, _ = metrics(start, binary)
        def value(name, labels=""):
            return found[name, labels]
        assert value("redis_db_keys", 'db="db0"') == 5 and value("redis_db_keys", 'db="db1"') == 1
        assert value("redis_commands_total", 'cmd="get"') == 3 and value("redis_commands_total", 'cmd="set"') == 4
        assert value("redis_slowlog_length") == 2 and value("redis_slowlog_last_id") == 1
        assert 0.25 <= value("redis_last_slow_execution_duration_seconds") < 3
        assert value("redis_latency_spike_duration_seconds", 'event_name="command"') >= 0.25
        assert before - 10 < value("redis_latency_spike_last", 'event_name="command"') < before + 60
        assert 0.5 <= value("redis_commands_duration_seconds_total", 'cmd="debug"') < 6
        assert value("redis_memory_used_bytes") > 100_000 and value("redis_process_id") > 1
