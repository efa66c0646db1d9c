"""respcli against redis-cli over many commands and long times: pipes, streams of messages, connections that break.

As in test_respcli.py, redis-cli runs first, and where respcli differs on purpose the test says so.
"""

import concurrent.futures
import re
import signal
import socket
import struct
import subprocess
import time

import pytest

from cli_support import (
    REFERENCE,
    RESPCLI,
    TIMEOUT,
    ScriptedServer,
    Server,
    at,
    environment,
    fill,
    read_reply,
    run,
    same,
    wait_for,
    without_numbers,
)

# Commands from a pipe


PIPED = [
    b"PING\nSET a 1\nGET a\n",
    b"PING",
    b"",
    b"\n\n  \n\t\nPING\r\nPING\n",
    b'SET "a key" \'a value\'\nGET "a key"\n',
    b'ECHO "\\x41\\n\\"q\\""\nECHO \'it\\\'s\'\nECHO a"b c"\n',
    b'ECHO "unbalanced\nPING\n',
    b"ECHO 'a'b\nPING\n",
    b'ECHO ""\n"" a\n',
    b"3 INCR n\n0 PING\n-1 PING\n+2 INCR n\n99999999999999999999 PING\n2x PING\n5\n",
    b'" 2" INCR n\n',
    b"NOSUCH\nPING\n",
    b"quit\nPING\n",
    b"EXIT now\nPING\n",
    b"PING\nQUIT\nPING\n",
    b"ECHO \xff\xfe\x80\n",
    b"ECHO a\x00b\nPING\n",
    b"SELECT 3\nSET k v\nSELECT 0\nGET k\nSELECT 99\nSELECT x\n",
    b"MULTI\nSET a 1\nINCR a\nEXEC\n",
    b"MULTI\nSELECT 4\nNOSUCH\nEXEC\nSET where four\n",
    b"MULTI\nSELECT 4\nDISCARD\nSET where zero\n",
    b"INFO nosuch\nCLUSTER INFO\nPING\n",
    b"RESET\nPING\n",
    b"HELLO 3\nHGETALL hash\nHELLO 2\nHGETALL hash\n",
    b"AUTH x\nAUTH default x\nPING\n",
    b"clear\nPING\n",
    b"help get\nhelp config\nhelp @hyperloglog\nhelp nosuch\n? set\nPING\n",
    b"UNSUBSCRIBE\nPING\n",
    b"connect 127.0.0.1 1\nPING\n",
]
# In RESP3 redis-cli 7.0 waits for ever for the answer to UNSUBSCRIBE.
PIPED_CASES = [
    (options, lines)
    for options in ([], ["--no-raw"], ["--json"], ["-3", "--no-raw"], ["-n", "2"])
    for lines in PIPED
    if not (lines.startswith(b"UNSUBSCRIBE") and ("-3" in options or "--json" in options))
]


@pytest.mark.parametrize("options, lines", PIPED_CASES)
def test_piped_commands(server, options, lines):
    def prepare():
        server.command("FLUSHALL")
        fill(server)

    # HELLO tells the connection's number.
    same(
        at(server, *options),
        stdin=lines,
        prepare=prepare,
        view=without_numbers if b"HELLO" in lines else lambda output: output,
    )


def test_unsubscribing_takes_every_confirmation(server):
    """redis-cli 7.0 takes one, and is a reply behind from then on; in RESP3 it waits for ever."""
    for options in ([], ["-3"]):
        result = run(RESPCLI, at(server, *options), stdin=b"UNSUBSCRIBE a b\nPING\nMULTI\nUNSUBSCRIBE x\nEXEC\nPING\n")
        assert result.stdout.startswith(b"unsubscribe\na\n0\nunsubscribe\nb\n0\nPONG\nOK\n")
        assert result.stdout.endswith(b"PONG\n") and result.status == 0


def test_many_piped_commands(server):
    lines = b"".join(b"SET key:%d %s\n" % (number, b"v" * (1 + number % 50)) for number in range(5000))
    assert same(at(server), stdin=lines).stdout == b"OK\n" * 5000


def test_long_piped_line(server):
    assert same(at(server), stdin=b"ECHO " + b"x" * 1_000_000 + b"\nPING\n").stdout.endswith(b"x\nPONG\n")


def test_slow_commands_tell_their_time():
    def behave(connection, number):
        stream = connection.makefile("rb")
        while True:
            # redis-cli asks for the descriptions of commands first.
            request = read_reply(stream)
            time.sleep(0.6 if request == [b"WAIT"] else 0)
            connection.sendall(b"*0\r\n" if request[0] == b"COMMAND" else b"+OK\r\n")

    def once(case):
        program, options = case
        with ScriptedServer(behave) as scripted:
            return run(program, ["-p", scripted.port, *options], stdin=b"WAIT\nPING\n")

    formats = (["--no-raw"], [], ["--csv"])
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        results = list(pool.map(once, [(program, options) for options in formats for program in (REFERENCE, RESPCLI)]))
    for result in results:
        result.stdout = re.sub(rb"\(0\.6\d?s\)", b"(0.6s)", result.stdout)
    assert results[1::2] == results[::2]
    assert results[0].stdout == b"OK\n(0.6s)\nOK\n" and results[2].stdout == b"OK\nOK\n"


def test_another_server_by_connect(server, locked_server):
    lines = b"SET a 1\nconnect 127.0.0.1 %d\nGET a\nconnect 127.0.0.1 %d\nGET a\n" % (locked_server.port, server.port)
    same(at(server, "-n", "2"), stdin=lines)


# Pushes, messages, monitoring


def test_pushed_data_is_printed_if_asked(server):
    lines = b"CLIENT TRACKING ON\nGET a\nSET a 1\nGET a\nMSET a 2 b 3\nFLUSHALL\nPING\nGET a\n"
    for options in ([], ["--no-raw"], ["--csv"], ["--json"]):
        for pushes in ([], ["--show-pushes", "yes"], ["--show-pushes", "no"]):
            same(at(server, "-3", *options, *pushes), stdin=lines)
    shown = run(RESPCLI, at(server, "-3", "--no-raw", "--show-pushes", "yes"), stdin=lines)
    assert b"-> invalidate: 'a'\n" in shown.stdout


@pytest.mark.parametrize("options", [[], ["-3"], ["--no-raw"], ["--csv"], ["--json"], ["-3", "--no-raw"]])
@pytest.mark.parametrize("piped", [False, True])
def test_subscriptions_stream_until_the_connection_ends(server, options, piped):
    results = []
    for program in (REFERENCE, RESPCLI):
        command = ["subscribe", "news", "sport"]
        process = subprocess.Popen(
            [program, "-p", str(server.port), *options, *([] if piped else command)],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if piped:
            process.stdin.write(" ".join(command).encode() + b"\n")
            process.stdin.close()
        wait_for(lambda: server.command("PUBSUB", "NUMSUB", "sport")[1] == 1)
        server.command("PUBLISH", "news", "one\ntwo \x00")
        server.command("PUBLISH", "sport", "")
        # What has been sent is printed at once, not when the program ends.
        received = b""
        while b"sport" not in received or b"two" not in received:
            chunk = process.stdout.read1()
            assert chunk, received
            received += chunk
        server.command("CLIENT", "KILL", "TYPE", "pubsub")
        received += process.stdout.read()
        errors = process.stderr.read()
        results.append((received, errors, process.wait(TIMEOUT)))
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
    assert results[1] == results[0]
    assert results[0][1:] == (b"Error: Server closed the connection\n", 1)


def test_refused_subscription_ends(server):
    same(at(server, "SUBSCRIBE"))
    same(at(server, "-r", "2", "--no-raw", "PSUBSCRIBE"))
    same(at(server), stdin=b"SUBSCRIBE\nPING\n")


@pytest.mark.parametrize("options", [[], ["--no-raw"], ["-3"]])
def test_monitor_streams_until_the_connection_ends(server, options):
    results = []
    for program in (REFERENCE, RESPCLI):
        process = subprocess.Popen(
            [program, "-p", str(server.port), *options, "MONITOR"],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        received = process.stdout.readline()
        server.command("SET", "key", 'va"lue\x01')
        received += process.stdout.readline()
        server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        received += process.stdout.read()
        results.append((without_numbers(received), process.stderr.read(), process.wait(TIMEOUT)))
        process.stdout.close()
        process.stderr.close()
    assert results[1] == results[0]
    assert b'"SET" "key"' in results[0][0] and results[0][2] == 1


def test_refused_monitor_ends(locked_server):
    same(at(locked_server, "MONITOR"))
    same(at(locked_server), stdin=b"MONITOR\nPING\n")


# Servers that go away


def answer(connection, replies):
    """Reads requests and answers them one by one, then lets go."""
    stream = connection.makefile("rb")
    for reply in replies:
        read_reply(stream)
        connection.sendall(reply)
    return stream


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closes_after(count):
    def behave(connection, number):
        stream = answer(connection, [b"+reply %d\r\n" % index for index in range(count)])
        read_reply(stream)

    return behave


def resets_after_a_request(connection, number):
    answer(connection, [b""])
    reset(connection)


@pytest.mark.parametrize(
    "behave, arguments, lines",
    [
        (closes_after(0), ["PING"], b""),
        (closes_after(0), ["-e", "PING"], b""),
        (closes_after(2), ["-r", "5", "PING"], b""),
        (resets_after_a_request, ["PING"], b""),
        (closes_after(0), ["-a", "x", "--no-auth-warning", "PING"], b""),
        (closes_after(0), ["-n", "3", "PING"], b""),
        (closes_after(0), ["-3", "PING"], b""),
        (lambda connection, number: answer(connection, [b"HTTP/1.1 400 Bad Request\r\n\r\n"]), ["PING"], b""),
        (lambda connection, number: answer(connection, [b"\r\n"]), ["PING"], b""),
        (lambda connection, number: answer(connection, [b":abc\r\n"]), ["PING"], b""),
        (lambda connection, number: answer(connection, [b"*1\r\n$x\r\n"]), ["PING"], b""),
        (lambda connection, number: answer(connection, [b"*1\r\n@1\r\n"]), ["--json", "-2", "PING"], b""),
        (lambda connection, number: answer(connection, [b",1.x\r\n"]), ["PING"], b""),
        (lambda connection, number: answer(connection, [b"*2\r\n:1\r\n"]), ["PING"], b""),
        (lambda connection, number: answer(connection, [b"$10\r\nabc"]), ["PING"], b""),
        (lambda connection, number: answer(connection, [b"+late"]), ["PING"], b""),
    ],
)
def test_broken_connections(behave, arguments, lines):
    def once(program):
        with ScriptedServer(behave) as scripted:
            return run(program, ["-p", scripted.port, *arguments], lines)

    reference, own = once(REFERENCE), once(RESPCLI)
    assert own == reference
    assert reference.status == 1 and reference.stderr


def test_replies_in_pieces():
    wire = b"*3\r\n$5\r\nhello\r\n%1\r\n+k\r\n:12\r\n$-1\r\n"

    def drip(connection, number):
        stream = connection.makefile("rb")
        read_reply(stream)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in wire:
            connection.sendall(bytes([byte]))
            time.sleep(0.001)

    results = []
    for program in (REFERENCE, RESPCLI):
        with ScriptedServer(drip) as scripted:
            results.append(run(program, ["-p", scripted.port, "--no-raw", "GET"]))
    assert results[1] == results[0]
    assert results[0].stdout == b'1) "hello"\n2) 1# k => (integer) 12\n3) (nil)\n'


@pytest.mark.parametrize("options", [["--no-raw"], ["--raw"], ["--csv"], ["--json", "-2"]])
def test_deeply_nested_replies(options):
    def once(program):
        with ScriptedServer(lambda connection, number: answer(connection, [b"*1\r\n" * 1000 + b"$4\r\ndeep\r\n"])) as scripted:
            return run(program, ["-p", scripted.port, *options, "GET", "x"])

    reference, own = once(REFERENCE), once(RESPCLI)
    assert own == reference
    assert reference.status == 0 and b"deep" in reference.stdout


def test_replies_without_end_of_nesting_are_refused():
    """redis-cli takes whatever comes, until it has no more memory."""
    with ScriptedServer(lambda connection, number: answer(connection, [b"*1\r\n" * 100_000])) as scripted:
        result = run(RESPCLI, ["-p", scripted.port, "GET", "x"])
    assert (result.stdout, result.stderr, result.status) == (b"", b"Error: Reply nested too deeply\n", 1)


def test_piped_commands_go_on_after_the_server_closes():
    """Commands that the closed connection took are lost, the others go through a new one."""

    def once(program):
        with ScriptedServer(closes_after(2)) as scripted:
            result = run(program, ["-p", scripted.port], b"A\nB\nC\nD\nE\nF\nG\n")
            return result

    own = once(RESPCLI)
    assert own.stdout == b"reply 0\nreply 1\n" * 2 + b"reply 0\n"
    assert own.stderr == b"Error: Server closed the connection\n" * 2
    assert own.status == 0


def test_new_connections_are_set_up_like_the_first():
    """redis-cli 7.0 does not select the database again and writes to the wrong one from then on."""
    requests = []

    def record(connection, number):
        stream = connection.makefile("rb")
        while True:
            request = read_reply(stream)
            requests.append((number, b" ".join(request)))
            if request == [b"DROP"]:
                return
            connection.sendall(b"+OK\r\n")

    with ScriptedServer(record) as scripted:
        run(RESPCLI, ["-p", scripted.port, "-n", "3", "-a", "x", "-3"], b"A\nSELECT 5\nMULTI\nDROP\nB\n")
    assert requests == [
        (0, b"AUTH x"),
        (0, b"SELECT 3"),
        (0, b"HELLO 3"),
        (0, b"A"),
        (0, b"SELECT 5"),
        (0, b"MULTI"),
        (0, b"DROP"),
        (1, b"AUTH x"),
        (1, b"SELECT 5"),
        (1, b"HELLO 3"),
        (1, b"B"),
    ]


def test_replication_streams_are_shown():
    """As a command, SYNC does what --replica does."""
    server = Server("--repl-diskless-sync-delay", "0")
    try:
        for command in (["SYNC"], ["PSYNC", "?", "-1"]):
            process = subprocess.Popen(
                [RESPCLI, "-p", str(server.port), *command], env=environment(), stdout=subprocess.PIPE,
                stderr=subprocess.PIPE
            )
            wait_for(lambda: b"state=online" in server.command("INFO", "REPLICATION"))
            server.command("SET", "key", "value")
            received = b""
            while b'"SET","key","value"' not in received:
                received += process.stdout.readline()
            process.kill()
            process.wait()
            assert received.startswith(b"Entering replica output mode...  (press Ctrl-C to quit)\n")
            assert (b"PSYNC replied +FULLRESYNC" in process.stderr.read()) == (command[0] == "PSYNC")
            process.stdout.close()
            process.stderr.close()
            server.command("CLIENT", "KILL", "TYPE", "replica")
    finally:
        server.close()


@pytest.mark.parametrize(
    "arguments, lines", [(["SHUTDOWN", "NOSAVE"], b""), ([], b"SHUTDOWN NOSAVE\n"), ([], b"PING\nshutdown\n")]
)
def test_shutdown_is_no_error(arguments, lines):
    results = []
    for program in (REFERENCE, RESPCLI):
        server = Server()
        try:
            results.append(run(program, at(server, *arguments), lines))
            server.process.wait(TIMEOUT)
        finally:
            server.close()
    assert results[1] == results[0]
    assert results[0].status == 0 and results[0].stderr == b""


def test_reader_that_goes_away_ends_the_program(server):
    server.command("SET", "large", "x" * 1_000_000)
    for program in (REFERENCE, RESPCLI):
        process = subprocess.Popen(
            [program, "-p", str(server.port), "-r", "-1", "GET", "large"],
            stdout=subprocess.PIPE,
            env=environment(),
            restore_signals=True,
        )
        process.stdout.read(1000)
        process.stdout.close()
        assert process.wait(TIMEOUT) == -signal.SIGPIPE


def test_full_disk_is_an_error(server):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [RESPCLI, "-p", str(server.port), "PING"], stdout=full, stderr=subprocess.PIPE, env=environment()
        )
    assert done.returncode == 1 and done.stderr == b"Error writing to standard output: No space left on device\n"


def test_interrupt_ends_a_command(server):
    for program in (REFERENCE, RESPCLI):
        process = subprocess.Popen(
            [program, "-p", str(server.port), "BLPOP", "absent", "0"],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A suite that a shell runs in the background is started with the signal ignored, and so are its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        wait_for(lambda: b"cmd=blpop" in server.command("CLIENT", "LIST"))
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=TIMEOUT)
        assert (output, errors, process.returncode) == (b"", b"", -signal.SIGINT)


def test_commands_run_while_subscribed(server):
    """As in redis-cli from 7.2 on; 7.0 runs none of them."""
    for options in ([], ["-3"]):
        process = subprocess.Popen(
            [RESPCLI, "-p", str(server.port), *options], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, bufsize=0,
        )

        def expect(*lines):
            assert [process.stdout.readline() for _ in lines] == [line.encode() + b"\n" for line in lines]

        process.stdin.write(b"subscribe a b\n")
        expect("subscribe", "a", "1", "subscribe", "b", "2")
        server.command("PUBLISH", "b", "text")
        expect("message", "b", "text")
        process.stdin.write(b"unsubscribe a\nping\n")
        expect("unsubscribe", "a", "1", *(["PONG"] if options else ["pong", ""]))
        process.stdin.write(b"unsubscribe\nget absent\nsubscribe c\nreset\nping\n")
        expect("unsubscribe", "b", "0", "", "subscribe", "c", "1", "RESET", "PONG")
        process.stdin.close()
        assert process.wait(TIMEOUT) == 0
        process.stdout.close()
        process.stderr.close()
