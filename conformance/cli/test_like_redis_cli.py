"""respcli's modes against those of redis-cli, on redis-server and on resp-server: the same arguments and input, the same output and status.

redis-cli runs first. What differs by nature, such as times and bytes of memory, is taken out of both.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import pytest

from cli_support import (
    REFERENCE,
    RESPCLI,
    RESP_SERVER,
    TIMEOUT,
    ScriptedServer,
    Server,
    at,
    both,
    certificate,
    encode,
    environment,
    read_reply,
    run,
    run_at_terminal,
    same,
    wait_for,
    without_numbers,
)

SERVERS = ["redis-server"] + (["resp-server"] if os.access(RESP_SERVER, os.X_OK) else [])


@pytest.fixture(scope="module", params=SERVERS)
def filled(request):
    server = Server(program=RESP_SERVER if request.param == "resp-server" else "redis-server")
    server.command("SET", "text", "some text")
    server.command("SET", "longer", "x" * 1000)
    server.command("SET", b"bin\xff\n\"q\"", "b")
    server.command("RPUSH", "list", *range(30))
    server.command("SADD", "set", *range(20))
    server.command("HSET", "hash", "f", "v", "g", "w")
    server.command("ZADD", "zset", "1", "a", "2", "b", "3", "c")
    server.command("XADD", "stream", "1-1", "a", "b")
    for number in range(200):
        server.command("SET", f"user:{number}", number)
    yield server
    server.close()


def sorted_lines(output):
    return b"\n".join(sorted(output.split(b"\n")))


# All keys


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--pattern", "user:1*"],
        ["--pattern", "nosuch*"],
        ["--quoted-pattern", '"bin\\xff*"'],
        ["--no-raw"],
        ["--csv"],
        ["--json"],
        ["-3"],
        ["-i", "0.001"],
        ["-n", "3"],
    ],
)
def test_scan(filled, options):
    result = same(at(filled, "--scan", *options))
    assert result.status == 0 and (b"user:1" in result.stdout) == (
        options[:1] not in (["--quoted-pattern"], ["-n"]) and "nosuch*" not in options
    )


def test_scan_at_a_terminal(filled):
    assert run_at_terminal(RESPCLI, at(filled, "--scan")) == run_at_terminal(REFERENCE, at(filled, "--scan"))


def test_scan_by_type_and_count(filled):
    """redis-cli 7.0 has neither --type nor --count."""
    result = run(RESPCLI, at(filled, "--scan", "--type", "hash", "--count", "1000"))
    assert (result.stdout, result.stderr, result.status) == (b"hash\n", b"", 0)
    everything = run(RESPCLI, at(filled, "--scan", "--count", "1"))
    assert sorted_lines(everything.stdout) == sorted_lines(run(REFERENCE, at(filled, "--scan")).stdout)


def test_names_with_zero_bytes_are_whole(filled):
    """redis-cli 7.0 ends a name at its first zero byte."""
    filled.command("SET", b"zero\x00byte", "1")
    try:
        assert run(RESPCLI, at(filled, "--scan", "--pattern", "zero*")).stdout == b"zero\x00byte\n"
    finally:
        filled.command("DEL", b"zero\x00byte")


def test_wrong_quoted_pattern(filled):
    assert same(at(filled, "--scan", "--quoted-pattern", '"open')).status == 1
    assert same(at(filled, "--quoted-pattern", "two words", "--scan")).status == 1


@pytest.mark.parametrize("options", [[], ["--pattern", "user:*"], ["-i", "0.01"], ["-n", "5"], ["-3"]])
def test_bigkeys(filled, options):
    result = same(at(filled, "--bigkeys", *options))
    assert result.status == 0 and b"-------- summary -------" in result.stdout


@pytest.mark.parametrize("options", [["--memkeys"], ["--memkeys-samples", "5"], ["--memkeys", "-n", "4"]])
def test_memkeys(filled, options):
    result = same(at(filled, *options))
    assert result.status == 0 and b" bytes (" in result.stdout


def test_keystats_adds_up(filled):
    """A mode of redis-cli 7.4; its output is respcli's own."""
    result = run(RESPCLI, at(filled, "--keystats", "--top", "2"))
    assert result.status == 0 and result.stderr == b""
    text = result.stdout.decode()
    assert "208 keys sampled (100.00 %)" in text
    assert re.search(r"^list +30 items: \"list\"$", text, re.M)
    assert re.search(r"^string +203 ", text, re.M) and re.search(r"^set +1 +0\.48 ", text, re.M)
    top = text.split("--- Top 2 key sizes ---\n")[1].split("\n\n")[0].splitlines()
    assert len(top) == 2
    sums = [int(line.split()[1]) for line in text.split("Memory up to")[1].split("Name")[0].splitlines()[2:] if line]
    assert sum(sums) == 208


def test_hotkeys(filled):
    result = same(at(filled, "--hotkeys"), view=lambda output: re.sub(rb"(Error: ERR ).*", rb"\1", output))
    assert result.status == 1 and result.stderr.startswith(b"Error: ")


def test_hotkeys_with_counters():
    server = Server("--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0")
    try:
        for number in range(40):
            server.command("SET", f"key:{number}", "x")
            for _ in range(number):
                server.command("GET", f"key:{number}")
        result = same(at(server, "--hotkeys"))
        assert result.status == 0 and result.stdout.count(b"hot key found with counter: ") == 16
    finally:
        server.close()


@pytest.mark.parametrize("mode", ["--scan", "--bigkeys", "--memkeys", "--hotkeys", "--stat", "--latency", "--pipe"])
def test_modes_without_a_server_or_a_right(locked_server, mode):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert same(["-p", port, mode]).status == 1
    assert same(at(locked_server, mode, "-a", "wrong", "--no-auth-warning")).status == 1
    if mode in ("--scan", "--bigkeys", "--memkeys", "--hotkeys", "--stat"):
        assert same(at(locked_server, mode)).status == 1


def test_interrupt_shows_what_was_found():
    server = Server()
    server.command("DEBUG", "POPULATE", "200000", "key", "10")
    try:
        results = []
        for program in (REFERENCE, RESPCLI):
            process = subprocess.Popen(
                [program, "-p", str(server.port), "--bigkeys", "-i", "0.02"],
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
            wait_for(lambda: b"cmd=strlen" in server.command("CLIENT", "LIST"))
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=TIMEOUT)
            assert process.returncode == 0 and errors == b""
            summary = output.split(b"-------- summary -------")[1]
            results.append(re.sub(rb"[\d.]+", b"N", summary).split(b"Biggest")[0])
        assert results[1] == results[0] and b"Sampled N keys" in results[0]
    finally:
        server.close()


# Measuring


def head(program, arguments, count, env=None):
    """The first lines of a program that does not end by itself."""
    process = subprocess.Popen(
        # redis-cli fills a buffer before it writes to a pipe.
        ["stdbuf", "-oL", program, *[str(argument) for argument in arguments]] if program == REFERENCE else
        [program, *[str(argument) for argument in arguments]],
        env=environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        return b"".join(process.stdout.readline() for _ in range(count))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_stat(filled):
    views = [without_numbers(head(program, at(filled, "--stat", "-i", "0.01"), 25)) for program in (REFERENCE, RESPCLI)]
    squeeze = lambda text: re.sub(rb" +", b" ", text)
    assert squeeze(views[1]).replace(b"NM", b"NK") == squeeze(views[0]).replace(b"NM", b"NK")
    assert views[0].count(b"------- data ------") == 2


@pytest.mark.parametrize("options", [[], ["--csv"], ["--raw"], ["--json"]])
def test_latency(filled, options):
    result = same(at(filled, "--latency", "-i", "0.1", *options), view=without_numbers)
    assert result.status == 0 and b"N" in result.stdout


def test_latency_history(filled):
    # The number of lines before a range ends depends on how long the sleeps are.
    for program in (REFERENCE, RESPCLI):
        output = head(program, at(filled, "--latency-history", "-i", "0.05"), 12)
        assert re.search(rb"^\d+ \d+ \d+\.\d\d \d+\n -- 0\.\d\d seconds range\n", output, re.M), program


def test_latency_spectrum(filled):
    pieces = []
    for options in ([], ["--mono"]):
        views = []
        for program in (REFERENCE, RESPCLI):
            output = head(program, at(filled, "--latency-dist", "-i", "0.05", *options), 9)
            views.append(re.sub(rb"48;5;\d+m(?=[^ ])", b"48;5;Nm", output))
        assert views[1] == views[0]
        pieces.append(views[0])
    assert pieces[0] != pieces[1]


def test_intrinsic_latency():
    results = both(lambda program: run(program, ["--intrinsic-latency", "1"]))
    assert [(result.stderr, result.status) for result in results] == [(b"", 0)] * 2
    views = [set(without_numbers(result.stdout).split(b"\n")) for result in results]
    assert views[1] == views[0]


def test_lru_test(filled):
    views = both(lambda program: without_numbers(head(program, at(filled, "-n", "9", "--lru-test", "1000"), 1)))
    assert views[1] == views[0] == b"N Gets/sec | Hits: N (N%) | Misses: N (N%)\n"


def test_a_server_that_is_away_for_a_moment_is_waited_for():
    answered = []

    def behave(connection, number):
        stream = connection.makefile("rb")
        while len(answered) % 3 != 2 or number:
            read_reply(stream)
            answered.append(number)
            connection.sendall(b"+PONG\r\n")

    with ScriptedServer(behave) as scripted:
        process = subprocess.Popen(
            [RESPCLI, "-p", str(scripted.port), "--latency", "--raw", "-i", "1.5"],
            env=environment(),
            stdout=subprocess.PIPE,
        )
        output, _ = process.communicate(timeout=TIMEOUT)
    assert b"Reconnecting... 1\r" in output and process.returncode == 0 and set(answered) == {0, 1}


# Mass insertion


def encoded(*commands):
    parts = []
    for words in commands:
        parts.append(b"*%d\r\n" % len(words))
        for word in map(encode, words):
            parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SET a 1\r\nGET a\r\nNOSUCH\r\nLPUSH a x\r\nLRANGE none 0 -1\r\n",
        encoded(*[("SET", f"pipe:{number}", number) for number in range(20_000)]),
        encoded(("SET", "big", "x" * 3_000_000), ("GET", "big"), ("STRLEN", "big")),
        encoded(("ECHO", "x" * 20), ("PING",), ("COMMAND", "COUNT"), ("HGETALL", "none")),
        b"SET unfinished 1",
    ],
)
def test_pipe(filled, data):
    same(at(filled, "--pipe", "-n", "2"), stdin=data)


def test_pipe_of_what_is_no_request(filled):
    """The server closes the connection behind its error. Whether the clients notice that as an end or as a reset is chance."""
    view = lambda output: re.sub(rb"(Error reading|Error writing|All data transferred).*\n", b"", output)
    result = same(at(filled, "--pipe"), stdin=b"*1\r\n$x\r\n", view=view)
    assert result.status == 1 and result.stderr.startswith(b"ERR Protocol error")


def test_pipe_and_a_server_that_refuses():
    def behave(connection, number):
        # All that is sent is read, so that closing is no reset.
        received = b""
        while b"ECHO\r\n$20\r\n" not in received[:-22]:
            received += connection.recv(65536)
        connection.sendall(b"+OK\r\n-ERR no more\r\n")

    results = []
    for program in (REFERENCE, RESPCLI):
        with ScriptedServer(behave) as scripted:
            results.append(run(program, ["-p", scripted.port, "--pipe"], b"SET a 1\r\nNOSUCH\r\n"))
    assert results[1] == results[0]
    assert results[0].status == 1 and results[0].stderr == b"ERR no more\n"


def test_pipe_tells_why_a_connection_was_reset():
    """What the server has said before it ended the connection is shown, even if sending fails first."""

    def behave(connection, number):
        connection.recv(10)
        connection.sendall(b"-ERR no more\r\n")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    for _ in range(5):
        with ScriptedServer(behave) as scripted:
            result = run(RESPCLI, ["-p", scripted.port, "--pipe"], b"SET a 1\r\n" * 100_000)
        assert (result.stderr, result.status) == (b"ERR no more\n", 1)


def test_pipe_gives_up():
    def behave(connection, number):
        while connection.recv(65536):
            pass

    def once(program):
        with ScriptedServer(behave) as scripted:
            return run(program, ["-p", scripted.port, "--pipe", "--pipe-timeout", "1"], b"PING\r\n")

    results = both(once)
    assert results[1] == results[0]
    assert results[0].status == 1 and b"No replies for 1 seconds" in results[0].stderr


def test_pipe_and_a_server_that_closes():
    def behave(connection, number):
        connection.recv(65536)

    with ScriptedServer(behave) as scripted:
        result = run(RESPCLI, ["-p", scripted.port, "--pipe"], b"PING\r\n" * 100_000)
    assert result.status == 1 and result.stderr.startswith(b"Error ")


# Scripts


@pytest.fixture
def script():
    with tempfile.NamedTemporaryFile(suffix=".lua") as file:
        file.write(b"return {KEYS, ARGV, #KEYS}")
        file.flush()
        yield file.name


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["k1"],
        ["k1", "k2", ",", "a1", "a2"],
        [",", "a1"],
        ["k1", ",", ",", "a"],
        ["k1,", "a"],
        ["--raw", "-p"],
    ],
)
def test_eval(filled, script, arguments):
    for options in ([], ["--no-raw"], ["--json"], ["-r", "2"], ["-3"]):
        same(at(filled, *options, "--eval", script, *arguments))


def test_eval_of_what_cannot_be_read(filled, script):
    assert same(at(filled, "--eval", "/nonexistent.lua")).status == 1
    # redis-cli takes a folder for an empty script.
    assert run(RESPCLI, at(filled, "--eval", "/tmp")).stderr == b"Can't open file '/tmp': Is a directory\n"
    with open(script, "w") as file:
        file.write("this is no Lua")
    shorter = lambda output: output[:20]
    same(at(filled, "--eval", script), view=shorter)
    assert same(at(filled, "-e", "--eval", script), view=shorter).status == 1


# Snapshots and replication


def rdb(program, server, *options):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "copy.rdb")
        result = run(program, at(server, *options, path))
        result.stderr = without_numbers(result.stderr.replace(path.encode(), b"PATH"))
        data = pathlib.Path(path).read_bytes() if os.path.exists(path) else None
        return result, data


@pytest.mark.parametrize("option", ["--rdb", "--functions-rdb"])
def test_snapshot(option):
    server = Server("--repl-diskless-sync-delay", "0")
    try:
        server.command("SET", "a", "1")
        results = [rdb(program, server, option) for program in (REFERENCE, RESPCLI)]
        assert results[1][0] == results[0][0]
        assert results[0][0].status == 0
        for _, data in results:
            assert data.startswith(b"REDIS00") and data[-9] == 0xFF
            assert (b"\x01a" in data) == (option == "--rdb")
        assert len(results[0][1]) == len(results[1][1])
        piped = run(RESPCLI, at(server, option, "-"))
        assert piped.status == 0 and len(piped.stdout) == len(results[1][1])
    finally:
        server.close()


def test_snapshot_that_cannot_be_written():
    server = Server("--repl-diskless-sync-delay", "0")
    try:
        view = without_numbers
        assert same(at(server, "--rdb", "/nonexistent/x.rdb"), view=view).status == 1
        assert same(at(server, "--rdb", "a", "--functions-rdb", "b")).status == 1
    finally:
        server.close()


def test_snapshot_of_a_known_length():
    """As servers before version 4, and every one that writes a file first, send it."""

    def behave(connection, number):
        stream = connection.makefile("rb")
        for _ in range(2):
            read_reply(stream)
            connection.sendall(b"-ERR no\r\n")
        stream.readline()
        connection.sendall(b"\n\n$10\r\nabcdefghij")
        stream.read(1)

    results = []
    for program in (REFERENCE, RESPCLI):
        with ScriptedServer(behave) as scripted:
            results.append(rdb(program, type("at", (), {"port": scripted.port}), "--rdb"))
    assert results[1][0] == results[0][0]
    assert results[1][1] == results[0][1] == b"abcdefghij"


def test_replica_shows_writes():
    server = Server("--repl-diskless-sync-delay", "0")
    results = []
    try:
        for program in (REFERENCE, RESPCLI):
            process = subprocess.Popen(
                ["stdbuf", "-oL", program, "-p", str(server.port), "--replica"] if program == REFERENCE else
                [program, "-p", str(server.port), "--replica"],
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            wait_for(lambda: b"state=online" in server.command("INFO", "REPLICATION"))
            server.command("SET", "key", 'va"lue')
            received = b""
            while b"lue" not in received:
                received += process.stdout.readline()
            process.kill()
            process.wait()
            # SELECT is sent once to all replicas.
            received = received.replace(b'"ping"\n', b"").replace(b'"SELECT","0"\n', b"")
            results.append((received, without_numbers(process.stderr.read())))
            process.stdout.close()
            process.stderr.close()
        assert results[1] == results[0]
        assert b'"SET","key","va\\"lue"' in results[0][0]
    finally:
        server.close()


# Redirections


def test_redirections_are_followed():
    requests = []

    def target(connection, number):
        stream = connection.makefile("rb")
        while True:
            request = read_reply(stream)
            requests.append(request)
            connection.sendall(b"+there\r\n" if request[0] != b"ASKING" else b"+OK\r\n")

    for word, expected in ((b"MOVED", [[b"GET", b"x"]]), (b"ASK", [[b"ASKING"], [b"GET", b"x"]])):
        results = []
        for program in (REFERENCE, RESPCLI):
            for arguments, stdin in ((["-c", "GET", "x"], b""), (["-c"], b"GET x\nGET x\n"), (["GET", "x"], b"")):
                requests.clear()
                with ScriptedServer(target) as there:

                    def source(connection, number):
                        stream = connection.makefile("rb")
                        while read_reply(stream):
                            connection.sendall(b"-%s 3999 127.0.0.1:%d\r\n" % (word, there.port))

                    with ScriptedServer(source) as here:
                        result = run(program, ["-p", here.port, *arguments], stdin)
                        result.stdout = result.stdout.replace(b"%d" % there.port, b"PORT")
                    results.append((result, list(requests)))
        half = len(results) // 2
        assert results[half:] == results[:half]
        assert results[0][1] == expected and results[2][1] == []


# Options


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "-s", "/tmp/x", "PING"],
        ["--pattern"],
        ["--pipe-timeout"],
        ["--eval"],
        ["--rdb"],
        ["--intrinsic-latency"],
        ["--lru-test"],
        ["-i", "x", "PING"],
        ["--verbose", "--nosuch"],
        ["--functions-rdb"],
        ["--tls-ciphers"],
        ["--count"],
    ],
)
def test_wrong_command_lines(filled, arguments):
    result = same(at(filled, *arguments))
    assert result.status == 0 or result.stderr


def test_options_that_are_refused_say_why(filled):
    for option in ("--cluster", "--ldb", "--ldb-sync-mode"):
        result = run(RESPCLI, at(filled, option, "info"))
        assert result.status == 1 and result.stderr.startswith(option.encode() + b": ") and result.stdout == b""


def test_verbose_tells_what_is_done(filled):
    result = run(RESPCLI, at(filled, "--verbose", "-n", "2", "-3", "PING"))
    assert result.stdout == b"PONG\n" and result.status == 0
    assert result.stderr == (
        b"respcli: connected to 127.0.0.1:%d\nrespcli: selected database 2\nrespcli: speaking RESP3\n" % filled.port
    ).replace(b"respcli", b"redis-cli")


def test_connect_timeout():
    """An option of redis-cli 7.4. The backlog of this listener is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = []
        try:
            for _ in range(8):
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
                waiting.append(client)
            start = time.monotonic()
            result = run(RESPCLI, ["-p", port, "-t", "0.2", "PING"])
            assert result.status == 1 and b"Connection timed out" in result.stderr
            assert time.monotonic() - start < 10
        finally:
            for client in waiting:
                client.close()
    assert run(RESPCLI, ["-t", "-1", "PING"]).stderr == b"Invalid connection timeout for -t.\n"


def test_socket_uri(filled):
    result = run(RESPCLI, ["-u", f"unix://{filled.socket_path}?db=3", "CLIENT", "INFO"])
    assert result.status == 0 and b" db=3 " in result.stdout


# Errors of servers


@pytest.mark.parametrize("reply", [b"-LOADING Redis is loading the dataset in memory\r\n", b"-NOAUTH Authentication required.\r\n", b"-BUSY x\r\n", b"-ERR unknown command\r\n"])
@pytest.mark.parametrize("arguments", [["GET", "x"], ["-e", "GET", "x"], ["-n", "3", "GET", "x"], ["-3", "GET", "x"], ["-a", "w", "--no-auth-warning", "GET", "x"], ["--scan"], ["--bigkeys"], ["--stat"], ["--rdb", "/dev/null"]])
def test_refusals(reply, arguments):
    def behave(connection, number):
        stream = connection.makefile("rb")
        while True:
            line = stream.readline()
            if not line:
                return
            if line.startswith(b"*"):
                for _ in range(int(line[1:])):
                    stream.read(int(stream.readline()[1:]) + 2)
            connection.sendall(reply)

    results = []
    for program in (REFERENCE, RESPCLI):
        with ScriptedServer(behave) as scripted:
            results.append(run(program, ["-p", scripted.port, *arguments]))
    assert results[1] == results[0]


@pytest.fixture(scope="module")
def encrypted():
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    with certificate() as made:
        yield made


@pytest.mark.parametrize("program", [REFERENCE, RESPCLI])
def test_encrypted_connection(program, encrypted):
    key, authority, port, plain = encrypted
    trust = ["--cacert", authority]
    run(program, ["--tls", *trust, "-p", port, "SET", "big", "x" * 100_000])
    assert run(program, ["--tls", *trust, "-p", port, "STRLEN", "big"]).stdout == b"100000\n"
    assert run(program, ["-u", f"rediss://127.0.0.1:{port}/2", *trust, "PING"]).stdout == b"PONG\n"
    assert run(program, ["--tls", "--insecure", "--sni", "localhost", "-p", port, "GET", "big"]).stdout == b"x" * 100_000 + b"\n"
    assert run(program, ["--tls", *trust, "--cert", authority, "--key", key, "-p", port, "PING"]).stdout == b"PONG\n"
    piped = run(program, ["--tls", *trust, "-p", port, "--pipe"], b"SET a 1\r\n" * 50_000)
    assert piped.status == 0 and b"errors: 0, replies: 50000" in piped.stdout
    untrusted = run(program, ["--tls", "-p", port, "PING"])
    assert untrusted.status == 1 and b"verify failed" in untrusted.stderr, untrusted
    if program == RESPCLI:  # redis-cli waits for ever
        assert run(program, ["--tls", "-t", "0.5", "-p", plain, "PING"]).status == 1
    assert run(program, ["--tls", "--cacert", "/nonexistent", "-p", port, "PING"]).status == 1


def test_the_name_of_an_encrypted_server_is_checked_on_request(encrypted):
    """redis-cli takes a certificate of any name from whom it trusts. This one is of localhost and ::1."""
    _, authority, port, _ = encrypted
    common = ["--tls", "--cacert", authority, "-p", port, "--verify-host"]
    for host in ("localhost", "::1"):
        assert run(RESPCLI, [*common, "-h", host, "PING"]).stdout == b"PONG\n"
    for host, cause in (("127.0.0.1", b"IP address mismatch"), ("127.1", b"ostname mismatch")):
        refused = run(RESPCLI, [*common, "-h", host, "PING"])
        assert refused.status == 1 and cause in refused.stderr, refused
        assert run(RESPCLI, [*common[:-1], "-h", host, "PING"]).stdout == b"PONG\n"
    assert run(RESPCLI, [*common, "--sni", "localhost", "PING"]).stdout == b"PONG\n"
    assert run(RESPCLI, [*common, "--sni", "other.example", "PING"]).status == 1


def test_errors_of_encrypted_connections_say_what_to_try(encrypted):
    _, authority, port, plain = encrypted
    refused = run(RESPCLI, ["--tls", "-p", port, "PING"]).stderr
    assert b"127.0.0.1:%d" % port in refused and b"self-signed certificate (--cacert names whom to trust" in refused
    result = run(RESPCLI, ["bench", "--tls", "--cacert", authority, "-p", port, "-t", "get", "-n", "100", "-k", "0", "-q"])
    assert result.status == 0 and b"requests per second" in result.stdout
