"""Where settings come from: a file, flags, standard input, the environment; errors; CONFIG REWRITE."""
import os
import pathlib
import stat
import subprocess

import pytest

from support import server as servers
from support.resp import eventually

# The directives of Debian's default redis.conf with their values, less those that name its directories.
DEBIAN = "\n".join(line for line in (pathlib.Path(servers.__file__).parent / "debian-redis.conf").read_text().splitlines()
                   if line.split(" ")[0] not in ("#", "port", "daemonize", "pidfile")) + """
daemonize no
pidfile ./server.pid
logfile ""
dir ./
"""
# As CONFIG GET tells them, where that is not the text of the file.
TOLD = {
    "auto-aof-rewrite-min-size": "67108864",
    "client-output-buffer-limit": "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    "dir": None, "pidfile": None,
}


def setting(server, name):
    with server.connect() as client:
        pairs = client("CONFIG", "GET", name).as_pairs()
    assert len(pairs) <= 1
    return pairs[name.encode()].decode() if pairs else None


def failure(*arguments, stdin=None, environment=None, directory=None):
    """Standard output and error of a server that does not start."""
    result = subprocess.run([servers.under_test(), *map(str, arguments)], input=stdin or b"", capture_output=True, timeout=20,
                            cwd=directory, env={**os.environ, **(environment or {})})
    assert result.returncode == 1, result
    return (result.stdout + result.stderr).decode()


@pytest.fixture
def file(tmp_path):
    def write(text, name="server.conf"):
        path = tmp_path / name
        path.write_text(text)
        return path
    return write


# --- files -------------------------------------------------------------------------------------------------------------------------


def test_syntax_of_files(start, file):
    server = start(file("""
# a comment
   # an indented comment
timeout 7
TIMEOUT 8
\ttcp-keepalive\t  60
maxmemory 100mb
requirepass "a \\"quoted\\" \\x70ass\\tword"
maxmemory-policy 'allkeys-lru'
hash-max-ziplist-entries 99

port 1
"""))
    with server.connect(password='a "quoted" pass\tword') as client:
        told = {name: value for name in ("timeout", "tcp-keepalive", "maxmemory", "maxmemory-policy", "hash-max-listpack-entries")
                for value in client("CONFIG", "GET", name).as_pairs().values()}
    assert told == {"timeout": b"8", "tcp-keepalive": b"60", "maxmemory": b"104857600", "maxmemory-policy": b"allkeys-lru",
                    "hash-max-listpack-entries": b"99"}


def test_debian_default_file(start, file):
    server = start(file(DEBIAN), test_flags=False)
    with server.connect() as client:
        for line in DEBIAN.split("\n"):
            if line:
                name, value = line.split(" ", 1)
                if name != "jemalloc-bg-thread":
                    told = client("CONFIG", "GET", name).as_pairs()
                    wanted = TOLD.get(name, value.strip('"'))
                    assert list(told) == [name.encode()], f"CONFIG GET {name}"
                    assert wanted is None or told[name.encode()].decode() == wanted


def test_include(start, file, tmp_path):
    file("timeout 11\nmaxclients 500\n", "inner.conf")
    file("tcp-keepalive 12\n", "more-1.conf")
    file("databases 20\n", "more-2.conf")
    server = start(file(f"timeout 10\ninclude {tmp_path}/inner.conf\ninclude {tmp_path}/more-*.conf\nmaxclients 600\n"))
    assert [setting(server, name) for name in ("timeout", "maxclients", "tcp-keepalive", "databases")] == ["11", "600", "12", "20"]


def test_flags(start):
    server = start("--timeout", "5", "--maxmemory", "1gb", "--client-output-buffer-limit", "normal 1mb 2mb 3",
                   "--hash-max-listpack-entries", "7")
    assert setting(server, "timeout") == "5" and setting(server, "maxmemory") == "1073741824"
    assert setting(server, "client-output-buffer-limit").startswith("normal 1048576 2097152 3 ")
    assert setting(server, "hash-max-listpack-entries") == "7"


def test_flags_win_over_the_file(start, file):
    server = start(file("timeout 5\ntcp-keepalive 6\n"), "--timeout", "7")
    assert (setting(server, "timeout"), setting(server, "tcp-keepalive")) == ("7", "6")


def test_standard_input(start):
    server = start("-", stdin=b"timeout 33\n# comment\nmaxclients 321\n")
    assert (setting(server, "timeout"), setting(server, "maxclients")) == ("33", "321")


def test_standard_input_after_a_file(start, file):
    port = servers.free_port()
    server = start(file(f"port {port}\ntimeout 5\ntcp-keepalive 6\n"), "-", stdin=b"timeout 34\n", test_flags=False, add_port=False, port=port)
    assert (setting(server, "timeout"), setting(server, "tcp-keepalive")) == ("34", "6")


# --- errors ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line, message", [
    ("nosuch 1", "Bad directive or wrong number of arguments"),
    ("timeout", "wrong number of arguments"),
    ("timeout x", "argument couldn't be parsed into an integer"),
    ("timeout -5", "argument must be between 0 and 2147483647 inclusive"),
    ("protected-mode maybe", "argument must be 'yes' or 'no'"),
    ("maxmemory 10xb", "argument must be a memory value"),
    ("loglevel loud", "argument(s) must be one of the following: debug, verbose, notice, warning"),
    ("client-output-buffer-limit normal 1 2", "Wrong number of arguments in buffer limit configuration."),
    ("client-output-buffer-limit nosuch 1 2 3", "Invalid client class specified in buffer limit configuration."),
    ('requirepass "open', "Unbalanced quotes in configuration line"),
])
def test_errors_in_a_file_name_the_line(line, message, file):
    text = failure(file(f"timeout 5\n\n# comment\n{line}\n"))
    assert "*** FATAL CONFIG FILE ERROR" in text
    assert "at line 4" in text and f">>> '{line}'" in text and message in text


@pytest.mark.ours
def test_errors_name_the_file_that_is_included(file, tmp_path):
    file("timeout 5\nnosuch 1\n", "inner.conf")
    outer = file(f"include {tmp_path}/inner.conf\n", "outer.conf")
    text = failure(outer)
    assert "at line 2" in text and "inner.conf" in text


def test_file_that_is_not_there(tmp_path):
    text = failure(tmp_path / "absent.conf")
    assert "absent.conf" in text and "No such file or directory" in text


def test_error_in_flags():
    text = failure("--timeout", "abc")
    assert "timeout" in text and "argument couldn't be parsed into an integer" in text
    assert "Bad directive" in failure("--nosuch", "1")


def test_error_in_standard_input():
    text = failure("-", stdin=b"timeout 5\nnosuch 1\n")
    assert "nosuch" in text


@pytest.mark.ours
def test_files_that_include_each_other(file, tmp_path):
    first = file(f"include {tmp_path}/b.conf\n", "a.conf")
    file(f"include {tmp_path}/a.conf\n", "b.conf")
    assert "too deeply" in failure(first)


# --- the environment ------------------------------------------------------------------------------------------------------------


@pytest.mark.ours
def test_environment(start, file):
    secret = file("top secret\n", "secret")
    server = start(file("timeout 5\ntcp-keepalive 6\nmaxclients 400\n"), "--maxclients", "401",
                   environment={"RESP_TIMEOUT": "9", "RESP_REQUIREPASS_FILE": str(secret), "RESP_MAXCLIENTS": "402",
                                "RESP_HASH_MAX_LISTPACK_ENTRIES": "17", "RESP_CLIENT_OUTPUT_BUFFER_LIMIT": "normal 1 2 3"})
    with server.connect(password="top secret") as client:
        told = {name: client("CONFIG", "GET", name).as_pairs()[name.encode()].decode() for name in
                ("timeout", "tcp-keepalive", "maxclients", "hash-max-listpack-entries", "client-output-buffer-limit")}
    assert told.pop("client-output-buffer-limit").startswith("normal 1 2 3 ")
    assert told == {"timeout": "9", "tcp-keepalive": "6", "maxclients": "401", "hash-max-listpack-entries": "17"}, \
        "file, then environment, then flags"


@pytest.mark.ours
def test_errors_in_the_environment_name_the_variable(tmp_path):
    text = failure(environment={"RESP_TIMEOUT": "soon"})
    assert "RESP_TIMEOUT" in text and "argument couldn't be parsed into an integer" in text
    text = failure(environment={"RESP_REQUIREPASS_FILE": str(tmp_path / "absent")})
    assert "RESP_REQUIREPASS_FILE" in text and "absent" in text and "No such file or directory" in text
    text = failure(environment={"RESP_TIMEOUT": "1", "RESP_TIMEOUT_FILE": "/dev/null"})
    assert "RESP_TIMEOUT" in text and "RESP_TIMEOUT_FILE" in text


@pytest.mark.ours
def test_secrets_are_not_shown_in_errors(file):
    secret = file("s3cr3t-two")
    text = failure(environment={"RESP_REQUIREPASS": "s3cr3t-one", "RESP_REQUIREPASS_FILE": str(secret)})
    assert "RESP_REQUIREPASS" in text and "s3cr3t" not in text


# --- CONFIG REWRITE ----------------------------------------------------------------------------------------------------------------


def test_rewrite_keeps_comments_and_changes_what_changed(start, file):
    path = file("# about timeouts\ntimeout 5\n\n# about memory\nmaxmemory 10mb\n# the end\n")
    server = start(path)
    with server.connect() as client:
        client("CONFIG", "SET", "timeout", "77", "hash-max-listpack-entries", "99")
        assert client("CONFIG", "REWRITE").raw == b"+OK\r\n"
    lines = path.read_text().splitlines()
    assert lines[:6] == ["# about timeouts", "timeout 77", "", "# about memory", "maxmemory 10mb", "# the end"]
    assert "hash-max-listpack-entries 99" in lines[6:]
    assert [line for line in lines if line.startswith("timeout")] == ["timeout 77"]


def test_rewritten_file_starts_a_server_with_the_same_settings(start, file):
    path = file("timeout 5\nrequirepass \"a b\"\n")
    server = start(path, test_flags=False)
    with server.connect(password="a b") as client:
        client("CONFIG", "SET", "requirepass", 'x "y"\t\xff', "client-output-buffer-limit", "normal 1mb 2mb 3", "maxmemory", "123456789",
               "save", "")
        assert client("CONFIG", "REWRITE").raw == b"+OK\r\n"
        before = client("CONFIG", "GET", "*").as_pairs()
    again = start(path, test_flags=False)
    with again.connect(password='x "y"\t\xff') as client:
        after = client("CONFIG", "GET", "*").as_pairs()
    for pairs in (before, after):
        for name in (b"port", b"dir"):
            pairs.pop(name)
    assert after == before


@pytest.mark.ours
def test_file_of_all_settings_starts_a_server_with_the_same_settings(start, file):
    path = file("timeout 5\nsave \"\"\nenable-debug-command yes\n")
    server = start(path, test_flags=False)
    with server.connect() as client:
        assert client("DEBUG", "CONFIG-REWRITE-FORCE-ALL").raw == b"+OK\r\n"
        before = client("CONFIG", "GET", "*").as_pairs()
    written = {line.split()[0] for line in path.read_text().splitlines() if line and line[0] != "#"}
    assert {"timeout", "tcp-backlog", "hash-max-listpack-entries"} <= written
    with start(path, test_flags=False).connect() as client:
        after = client("CONFIG", "GET", "*").as_pairs()
    for pairs in (before, after):
        for name in (b"port", b"dir"):
            pairs.pop(name)
    assert after == before


def test_rewrite_again_changes_nothing(start, file):
    path = file("timeout 5\n# c\n")
    with start(path).connect() as client:
        client("CONFIG", "SET", "timeout", "6")
        client("CONFIG", "REWRITE")
        first = path.read_text()
        client("CONFIG", "REWRITE")
        assert path.read_text().split() == first.split()
        client("CONFIG", "SET", "timeout", "0")
        client("CONFIG", "REWRITE")
        assert "timeout 6" not in path.read_text()


def test_rewrite_without_a_file(start):
    with start().connect() as client:
        assert client("CONFIG", "REWRITE").raw == b"-ERR The server is running without a config file\r\n"


@pytest.mark.ours
def test_rewrite_keeps_the_mode_of_the_file(start, file):
    path = file("timeout 5\n")
    path.chmod(0o640)
    with start(path).connect() as client:
        client("CONFIG", "SET", "timeout", "6")
        assert client("CONFIG", "REWRITE").raw == b"+OK\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.ours
def test_rewrite_does_not_write_what_the_environment_gave(start, file):
    secret = file("hidden\n", "secret")
    path = file("timeout 5\n")
    server = start(path, environment={"RESP_REQUIREPASS_FILE": str(secret)})
    with server.connect(password="hidden") as client:
        client("CONFIG", "SET", "timeout", "6")
        assert client("CONFIG", "REWRITE").raw == b"+OK\r\n"
    assert "hidden" not in path.read_text() and "timeout 6" in path.read_text()


# --- the program ------------------------------------------------------------------------------------------------------------------


def test_help_and_version():
    for flag in ("--help", "-h", "--version", "-v"):
        result = subprocess.run([servers.under_test(), flag], capture_output=True, text=True, timeout=20)
        assert result.stdout + result.stderr
        if "v" in flag:
            assert result.returncode == 0 and any(part[0].isdigit() for part in result.stdout.replace("v=", "").split())


@pytest.mark.ours
def test_help_tells_the_settings():
    result = subprocess.run([servers.under_test(), "--help"], capture_output=True, text=True, timeout=20)
    assert result.returncode == 0 and result.stderr == ""
    for word in ("--port", "--bind", "--requirepass", "RESP_", "--port-file"):
        assert word in result.stdout


@pytest.mark.ours
def test_port_zero_and_port_file(start, tmp_path):
    path = tmp_path / "port"
    server = start("--port", "0", "--port-file", path, add_port=False, ready=False)
    assert eventually(lambda: path.exists() and path.read_text().strip())
    server.port = int(path.read_text())
    with server.connect() as client:
        assert client("PING").value == b"PONG"
        assert int(client("CONFIG", "GET", "port").as_pairs()[b"port"]) in (0, server.port)
    assert path.read_text() == f"{server.port}\n"


@pytest.mark.ours
def test_two_servers_with_port_zero_get_different_ports(start, tmp_path):
    ports = []
    for name in ("one", "two"):
        path = tmp_path / name
        start("--port", "0", "--port-file", path, add_port=False, ready=False)
        assert eventually(lambda: path.exists() and path.read_text().strip())
        ports.append(path.read_text())
    assert ports[0] != ports[1]


# --- rename-command ----------------------------------------------------------------------------------------------------------------


def test_renamed_commands(start, file):
    long_name = "set-" + "x" * 60
    server = start(file(f'rename-command GET Fetch\nrename-command SET {long_name}\nrename-command FLUSHALL ""\n'))
    with server.connect() as client:
        assert client(long_name.upper(), "k", "v").raw == b"+OK\r\n"
        assert client("FETCH", "k").value == b"v"
        for name in ("GET", "SET", "FLUSHALL"):
            assert client(name, "k", "v").raw.startswith(b"-ERR unknown command '%s'" % name.encode())
        assert b"flushall" not in client("COMMAND", "LIST").plain()
        client("MULTI")
        assert client("fetch", "k").value == b"QUEUED"
        assert client("EXEC").plain() == [b"v"]


@pytest.mark.parametrize("line, text", [
    ('rename-command NOSUCH other', "No such command in rename-command"),
    ('rename-command GET SET', "Target command name already exists"),
])
def test_renames_that_cannot_be(line, text, file):
    assert text in failure(file(line + "\n"))


@pytest.mark.ours
def test_everything_shown_can_be_set_again(server, reference):
    """But what redis-server refuses, too: programs that set all that CONFIG GET shows know what to leave out of that."""
    with server.connect() as client, reference.connect() as other:
        refused = {name for name, value in client("CONFIG", "GET", "*").as_pairs().items() if client("CONFIG", "SET", name, value).is_error}
        assert refused and refused <= set(other("CONFIG", "GET", "*").as_pairs())
