"""respcli against redis-cli: the same arguments and input, the same server, the same output, errors and status.

Each case runs redis-cli first, so that it also tells whether the case itself is sound. Where respcli differs on
purpose the test says so and expects a text.
"""

import re
import socket
import subprocess
import time

import pytest

from cli_support import REFERENCE, RESPCLI, at, environment, fill, run, same, without_numbers

FORMATS = {
    "default": [],
    "raw": ["--raw"],
    "no-raw": ["--no-raw"],
    "csv": ["--csv"],
    "json": ["--json"],
    "quoted-json": ["--quoted-json"],
    "delimiters": ["--raw", "-d", ", ", "-D", ";\n"],
    "terminal-delimiters": ["--no-raw", "-d", ", ", "-D", ";\n"],
    "last-wins": ["--csv", "--json", "--raw", "--no-raw"],
    "faketty": None,
}
PROTOCOLS = {"any": [], "resp2": ["-2"], "resp3": ["-3"]}

NESTED = 'return {1, {}, {"a", {2, {3, "b"}}, false}, {{{"deep"}}}}'
BYTES = 'return {"\\r\\n\\t\\a\\b\\0", "\\"\\\\", "\\127\\128\\255", "caf\\195\\169", ""}'
REPLIES = {
    "string": ["DEBUG", "PROTOCOL", "string"],
    "integer": ["DEBUG", "PROTOCOL", "integer"],
    "double": ["DEBUG", "PROTOCOL", "double"],
    "null": ["DEBUG", "PROTOCOL", "null"],
    "array": ["DEBUG", "PROTOCOL", "array"],
    "set": ["DEBUG", "PROTOCOL", "set"],
    "map": ["DEBUG", "PROTOCOL", "map"],
    "verbatim": ["DEBUG", "PROTOCOL", "verbatim"],
    "true": ["DEBUG", "PROTOCOL", "true"],
    "false": ["DEBUG", "PROTOCOL", "false"],
    "push": ["DEBUG", "PROTOCOL", "push"],
    "status": ["PING"],
    "empty-string": ["ECHO", ""],
    "negative": ["DECRBY", "absent", "9223372036854775807"],
    "error": ["NOSUCH", "a", "b"],
    "wrong-type": ["LPUSH", "text", "x"],
    "missing": ["GET", "absent"],
    "empty-array": ["LRANGE", "absent", "0", "-1"],
    "empty-set": ["SMEMBERS", "absent"],
    "empty-map": ["HGETALL", "absent"],
    "hash": ["HGETALL", "hash"],
    "scores": ["ZRANGE", "ranking", "0", "-1", "WITHSCORES"],
    "infinity": ["ZSCORE", "ranking", "most"],
    "list-of-twelve": ["LRANGE", "twelve", "0", "-1"],
    "nulls": ["MGET", "text", "absent", "text"],
    "nested": ["EVAL", NESTED, "0"],
    "bytes": ["EVAL", BYTES, "0"],
    "error-inside": ["EVAL", 'return {1, redis.error_reply("BAD \\"thing\\""), {redis.status_reply("fine")}}', "0"],
    "map-of-all": ["COMMAND", "DOCS", "SET", "CONFIG", "XADD"],
    "command-info": ["COMMAND", "INFO", "GET", "nosuch"],
    "config": ["CONFIG", "GET", "maxmemory*"],
    "stream": ["XRANGE", "log", "-", "+"],
    "stream-info": ["XINFO", "STREAM", "log", "FULL"],
    "plain-text": ["CLUSTER", "INFO"],
    "plain-text-args": ["MEMORY", "DOCTOR"],
    "lolwut": ["LOLWUT", "VERSION", "0"],
    "time-words": ["OBJECT", "HELP"],
}


# Formats


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_reply_in_every_format(server, format, protocol):
    options, env = (FORMATS[format], {}) if FORMATS[format] is not None else ([], {"FAKETTY": "1"})
    for name, command in REPLIES.items():

        def prepare():
            server.command("FLUSHALL")
            fill(server)

        prepare()
        results = []
        for program in (REFERENCE, RESPCLI):
            if name == "negative":
                server.command("DEL", "absent")
            if name == "stream-info":
                prepare()
            results.append(run(program, at(server, *PROTOCOLS[protocol], *options, *command), env=env))
        assert results[1] == results[0], f"{name}: {command}"
        assert results[0].stdout or name in ("null", "missing"), name


def test_long_array_has_wide_numbers(server):
    server.command("RPUSH", "long", *range(1234))
    assert b"\n1234) " in same(at(server, "--no-raw", "LRANGE", "long", "0", "-1")).stdout


def test_large_value(server):
    server.command("SET", "large", "x" * 3_000_000)
    assert len(same(at(server, "GET", "large")).stdout) == 3_000_001


def test_big_numbers_and_attributes_are_printed(server):
    """redis-cli 7.0 gives up on both."""
    digits = b"1234567999999999999999999999999999999"
    for options, expected in (
        (["--no-raw"], b"(big number) " + digits),
        (["--raw"], digits),
        (["--csv"], digits),
        (["--json"], digits),
    ):
        result = run(RESPCLI, at(server, "-3", *options, "DEBUG", "PROTOCOL", "bignum"))
        assert (result.stdout, result.stderr, result.status) == (expected + b"\n", b"", 0)
    result = run(RESPCLI, at(server, "-3", "DEBUG", "PROTOCOL", "attrib"))
    assert (result.stdout, result.status) == (b"Some real reply following the attribute\n", 0)


# Commands from the command line


def test_letters_of_any_case_and_bytes_of_any_value(server):
    same(at(server, "sEt", b"k\xff\xfe", b"\x01\x80 v\n"))
    assert server.command("GET", b"k\xff\xfe") == b"\x01\x80 v\n"
    same(at(server, "--no-raw", "GET", b"k\xff\xfe"))


@pytest.mark.parametrize("count", ["3", "1", "0", "-0", "abc", " 2", "2x"])
def test_repeat(server, count):
    same(at(server, "-r", count, "INCR", "counter"), prepare=lambda: server.command("DEL", "counter"))


def test_interval_is_a_pause_behind_each_command(server):
    for program in (REFERENCE, RESPCLI):
        start = time.monotonic()
        assert run(program, at(server, "-r", "3", "-i", "0.2", "PING")).stdout == b"PONG\n" * 3
        assert 0.6 <= time.monotonic() - start < 5


def test_endless_repeat_prints_each_reply_at_once(server):
    for program in (REFERENCE, RESPCLI):
        server.command("DEL", "counter")
        process = subprocess.Popen(
            [program, "-p", str(server.port), "-r", "-1", "-i", "0.01", "INCR", "counter"],
            stdout=subprocess.PIPE,
            env=environment(),
        )
        lines = [process.stdout.readline() for _ in range(5)]
        process.kill()
        process.wait()
        process.stdout.close()
        assert lines == [b"1\n", b"2\n", b"3\n", b"4\n", b"5\n"]


def test_last_argument_from_standard_input(server):
    data = bytes(range(256)) * 300
    same(at(server, "-x", "SET", "data"), stdin=data)
    assert server.command("GET", "data") == data
    same(at(server, "-x", "SET", "data"), stdin=b"")
    same(at(server, "-x", "ECHO"), stdin=b"with newline\n")
    same(at(server, "-x", "-r", "2", "APPEND", "text"), stdin=b"ab", prepare=lambda: server.command("DEL", "text"))


def test_tagged_argument_from_standard_input(server):
    same(at(server, "-X", "TAG", "SET", "TAG", "value"), stdin=b"a key")
    assert server.command("GET", "a key") == b"value"
    assert same(at(server, "-X", "TAG", "MGET", "a key", "TAG", "TAG"), stdin=b"a key").stdout == b"value\nvalue\n\n"
    result = same(at(server, "-X", "TAG", "SET", "key", "value"), stdin=b"x")
    assert (result.stderr, result.status) == (b"Using -X option but stdin tag not match.\n", 1)


def test_bounds_of_numbers_are_no_problem(server):
    most = 2**63 - 1
    result = run(RESPCLI, at(server, "--pipe", "--pipe-timeout", most), b"PING\r\n")
    assert result.status == 0 and result.stdout.endswith(b"errors: 0, replies: 1\n")
    with subprocess.Popen(
        [RESPCLI, *map(str, at(server, "--lru-test", most))], stdout=subprocess.PIPE, env=environment()
    ) as process:
        assert b"Gets/sec" in process.stdout.readline()
        process.kill()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_standard_descriptors_may_be_missing(server, closed):
    """The connection does not take the number of one."""
    where = at(server)
    for arguments, stdin in (([*where, "append", "a", "x"], b""), (where, b"append a x\n")):
        server.command("DEL", "a")
        server.command("CONFIG", "RESETSTAT")
        script = f'exec "$0" "$@" {closed}'
        result = run("sh", ["-c", script, RESPCLI, *arguments], stdin)
        # Nothing that is printed is taken for a command.
        assert b"total_error_replies:0\r\n" in server.command("INFO", "STATS")
        runs = "append" in arguments or "<&-" not in closed
        assert server.command("STRLEN", "a") == (1 if runs else 0)
        if runs:
            assert (result.stdout, result.stderr, result.status) == (b"" if " >&-" in " " + closed else b"1\n", b"", 0)


def test_dump_and_restore_through_pipes(server):
    server.command("RPUSH", "list", "a", "b", "\x00")
    for program in (REFERENCE, RESPCLI):
        dump = run(program, at(server, "-D", "", "--raw", "DUMP", "list")).stdout
        assert dump == server.command("DUMP", "list")
        assert (
            run(program, at(server, "-X", "dump", "RESTORE", "copy", "0", "dump", "REPLACE"), stdin=dump).stdout
            == b"OK\n"
        )
        assert server.command("LRANGE", "copy", "0", "-1") == [b"a", b"b", b"\x00"]


@pytest.mark.parametrize(
    "argument",
    [
        '"a\\x00b\\n"',
        "'single \\' quote'",
        "plain",
        'a"b"',
        '""',
        '"caf\\xc3\\xa9"',
        '"\\q\\a\\b\\t\\r\\""',
        '"\\x4"',
        '"\\xzz"',
        '"unbalanced',
        "'unbalanced",
        "two words",
        '"a"b',
        "",
        "   ",
        "\\x41",
        '"ends with backslash\\',
    ],
)
def test_quoted_input(server, argument):
    same(at(server, "--quoted-input", "--no-raw", "ECHO", argument))
    same(at(server, "--no-raw", "ECHO", argument))


@pytest.mark.parametrize(
    "arguments",
    [
        ["-e", "NOSUCH"],
        ["-e", "PING"],
        ["NOSUCH"],
        ["-e", "--csv", "GET"],
        ["-e", "-r", "3", "NOSUCH"],
        ["-e", "--json", "EVAL", "return {redis.error_reply('inside')}", "0"],
        ["-e", "-n", "99", "GET", "x"],
    ],
)
def test_exit_status_of_errors(server, arguments):
    same(at(server, *arguments))


def test_error_status_is_one_only_if_asked(server):
    assert same(at(server, "NOSUCH")).status == 0
    failed = same(at(server, "-e", "NOSUCH"))
    assert failed.status == 1 and failed.stdout == b"" and failed.stderr.startswith(b"ERR unknown command")


# Where and who


def test_databases(server):
    same(at(server, "-n", "3", "SET", "key", "three"))
    assert same(at(server, "-n", "3", "GET", "key")).stdout == b"three\n"
    same(at(server, "-n", "0", "GET", "key"))
    same(at(server, "-n", "abc", "GET", "key"))
    assert b"SELECT 99 failed" in same(at(server, "-n", "99", "GET", "key")).stderr
    same(at(server, "-n", "-1", "GET", "key"))


def test_unix_socket(server):
    assert same(["-s", server.socket_path, "PING"]).stdout == b"PONG\n"
    assert same(["-s", "/nonexistent/socket", "PING"]).status == 1
    assert same(["-s", "/nonexistent/socket"], stdin=b"PING\nPING\n").status == 0


def test_addresses(server):
    assert same(["-h", "localhost", "-p", server.port, "PING"]).stdout == b"PONG\n"
    assert same(["-h", "::1", "-p", server.port, "PING"]).stdout == b"PONG\n"


def test_refused_connection():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    result = same(["-p", port, "PING"])
    assert result.stderr == b"Could not connect to Redis at 127.0.0.1:%d: Connection refused\n" % port
    assert (result.stdout, result.status) == (b"", 1)
    same(["-p", port, "-n", "3", "-a", "x", "-3", "PING"])
    same(["-p", port], stdin=b"PING\nGET x\n\nPING\n")
    same(["-h", "::1", "-p", port, "PING"])
    same(["-p", port, "-e", "--json", "PING"])
    same(["-p", port, "-x", "ECHO"], stdin=b"x")


def test_unknown_host():
    result = same(["-h", "no-such-host.invalid", "PING"])
    assert result.status == 1 and result.stderr.startswith(b"Could not connect to Redis at no-such-host.invalid:6379: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["-a", "secret", "PING"],
        ["--pass", "secret", "PING"],
        ["-a", "secret", "--no-auth-warning", "PING"],
        ["--no-auth-warning", "-a", "wrong", "PING"],
        ["-a", "wrong", "-e", "PING"],
        ["PING"],
        ["-e", "PING"],
        ["--user", "alice", "-a", "wonder", "--no-auth-warning", "ACL", "WHOAMI"],
        ["--user", "alice", "-a", "wrong", "ACL", "WHOAMI"],
        ["--user", "alice", "PING"],
        ["-3", "PING"],
        ["--json", "PING"],
        ["-2", "PING"],
        ["-n", "2", "PING"],
        ["-a", "secret", "-n", "2", "-3", "CLIENT", "GETNAME"],
    ],
)
def test_passwords(locked_server, arguments):
    same(at(locked_server, *arguments))
    same(at(locked_server, *arguments), env={"REDISCLI_AUTH": "secret"})
    same(at(locked_server, *arguments), env={"REDISCLI_AUTH": "wrong"})


def test_asked_password_from_a_pipe(locked_server):
    assert same(at(locked_server, "--askpass"), stdin=b"secret\nPING\n").stdout == b"PONG\n"
    same(at(locked_server, "--askpass"), stdin=b"wrong\nPING\n")
    same(at(locked_server, "--askpass", "PING"), stdin=b"secret")


@pytest.mark.parametrize(
    "uri",
    [
        "redis://127.0.0.1:{port}",
        "redis://default:secret@127.0.0.1:{port}/3",
        "redis://secret@127.0.0.1:{port}",
        "REDIS://alice:%77onder@127.0.0.1:{port}/0",
        "redis://alice:wrong@127.0.0.1:{port}",
        "redis://127.0.0.1:{port}/99",
        "redis://localhost:{port}/2",
        "http://127.0.0.1:{port}",
        "redis://a%zz:b@127.0.0.1:{port}",
        "redis:",
        "127.0.0.1:{port}",
    ],
)
def test_uris(locked_server, uri):
    uri = uri.format(port=locked_server.port)
    same(["-u", uri, "CLIENT", "INFO"], view=without_numbers)
    same(["-u", uri, "--no-auth-warning", "SET", "key", "value"])


def test_uri_with_a_password_and_no_user(locked_server):
    """redis-cli 7.0 authenticates as the user of no name, which never works."""
    result = run(
        RESPCLI, ["--no-auth-warning", "-u", f"redis://:secret@127.0.0.1:{locked_server.port}", "ACL", "WHOAMI"]
    )
    assert (result.stdout, result.stderr, result.status) == (b"default\n", b"", 0)


def test_uri_with_an_ipv6_address(server):
    """redis-cli 7.0 takes the first colon for the one before the port."""
    assert run(RESPCLI, ["-u", f"redis://[::1]:{server.port}/1", "PING"]).stdout == b"PONG\n"


# Options


@pytest.mark.parametrize(
    "arguments",
    [
        ["-p"],
        ["--nosuch"],
        ["-n"],
        ["-q", "PING"],
        ["--raw", "-zz"],
        ["-2", "-3", "PING"],
        ["-3", "--json", "-2", "PING"],
        ["-x", "-X", "t", "PING"],
        ["-a"],
        ["--show-pushes"],
        ["--show-pushes", "maybe", "PING"],
        ["--show-pushes", "No", "PING"],
        ["PING", "-p", "1"],
        ["-u", "http://x", "PING"],
        ["--user"],
        ["-a", "x", "--nosuch"],
        ["-"],
        ["--"],
    ],
)
def test_command_line_errors(server, arguments):
    same(at(server, *arguments))


def test_ports_are_checked():
    """redis-cli 7.0 cuts them to 16 bits."""
    for port in ("70000", "-1"):
        result = run(RESPCLI, ["-p", port, "PING"])
        assert (result.stderr, result.status) == (b"Invalid server port.\n", 1)
    assert run(RESPCLI, ["-u", "redis://localhost:70000", "PING"]).stderr == b"Invalid server port.\n"


def test_help_and_version():
    for arguments in (["--help"], ["-h"], ["--raw", "--help", "--nosuch"]):
        result = run(RESPCLI, arguments)
        assert result.status == 0 and b"Usage:" in result.stdout and result.stderr == b""
    for arguments in (["--version"], ["-v", "--nosuch"]):
        assert re.fullmatch(rb"redis-cli \d+\.\d+\.\d+\n", run(RESPCLI, arguments).stdout)
    # Every option that the help names is one.
    for option in re.findall(rb"^  (--?[\w-]+)", run(RESPCLI, ["--help"]).stdout, re.M):
        assert b"Unrecognized" not in run(RESPCLI, [option, "1", "--version"]).stderr, option


# Hints without a prompt, as redis-cli has them from 7.2 on


HINTS = b"""# A comment, an empty line, and one whose quotes do not balance:

"SET " "unbalanced

"SET " "key value [NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]"
"SET key value EX " "seconds [NX|XX] [GET]"
"SET key value EX" "[NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]"
"SET key value FOOBAR " ""
"BITFIELD_RO k GET " "encoding offset [GET encoding offset ...]]"
"BITFIELD_RO k GET xyz " "offset [GET encoding offset ...]]"
"CONFIG SET param val " "[parameter value ...]"
"ZADD key CH LT " "[NX|XX] [INCR] score member [score member ...]"
"""


@pytest.fixture
def hints(tmp_path):
    path = tmp_path / "hints"
    path.write_bytes(HINTS)
    return path


def test_hint_of_a_line(server):
    for line, hint in (("GET ", b"key"), ("get a ", b""), ("nosuch ", b""), ("XRANGE k - + COUNT ", b"count")):
        assert run(RESPCLI, at(server, "--test_hint", line)).stdout == hint + b"\n"


def test_hints_of_a_file(server, hints):
    result = run(RESPCLI, at(server, "--test_hint_file", hints))
    assert (result.stdout, result.stderr, result.status) == (b"SUCCESS: 8/8 passed\n", b"", 0)
    hints.write_bytes(HINTS + b'"GET " "no key"\n')
    result = run(RESPCLI, at(server, "--test_hint_file", hints))
    assert result.stdout == b"'GET ' has the hint 'key', not 'no key'\nFAILURE: 8/9 passed\n" and result.status == 1
    hints.write_bytes(b'"GET "\n')
    assert run(RESPCLI, at(server, "--test_hint_file", hints)).status == 1
    assert run(RESPCLI, at(server, "--test_hint_file", "/nonexistent")).stderr == (
        b"Can't open file '/nonexistent': No such file or directory\n")


def test_commands_are_remembered_for_servers_that_do_not_tell(server, hints, tmp_path):
    """What a server has told is used where one cannot be reached or does not grant COMMAND DOCS, as those before 7.0 do not have it."""
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    away = ["-p", "1", "--test_hint_file", hints]
    assert run(RESPCLI, away, env=env).status == 1
    assert run(RESPCLI, at(server, "--test_hint_file", hints), env=env).status == 0
    file = tmp_path / "cache" / "respcli" / "commands"
    assert file.stat().st_mode & 0o777 == 0o600 and len(list(file.parent.iterdir())) == 1
    assert run(RESPCLI, away, env=env).stdout == b"SUCCESS: 8/8 passed\n"
    server.command("ACL", "SETUSER", "old", "on", "nopass", "~*", "+@all", "-command|docs")
    try:
        old = ["--user", "old", "-a", "any", "--no-auth-warning", "--test_hint_file", hints]
        assert run(RESPCLI, at(server, *old), env=env).stdout == b"SUCCESS: 8/8 passed\n"
        assert run(RESPCLI, at(server, *old)).stdout.startswith(b"'SET ' has the hint ''")
    finally:
        server.command("ACL", "DELUSER", "old")
    for noise in (b"", b"*3\r\n$3\r\nSET", b"HTTP/1.1 200 OK\r\n\r\n", b"*1\r\n:1\r\n"):
        file.write_bytes(noise)
        assert run(RESPCLI, away, env=env).stdout.endswith(b"FAILURE: 1/8 passed\n")
