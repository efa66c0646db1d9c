"""The prompt on a terminal that can move its cursor: keys are typed into a pseudo-terminal, and a model of a screen shows what a person sees."""

import os
import pathlib
import re
import signal
import tempfile
import threading
import termios
import time

import pytest

from cli_support import RESPCLI, ScriptedServer, Server, TerminalProcess, TIMEOUT, at, read_reply, run, wait_for

UP, LEFT = b"\x1b[A", b"\x1b[D"


class Screen:
    """As much of a terminal as respcli uses."""

    def __init__(self, columns=80):
        self.columns = columns
        self.rows, self.row, self.column, self.pending = [[]], 0, 0, False

    def feed(self, text):
        for match in re.finditer(r"\x1b\[([?0-9;]*)([A-Za-z])|(.)", text, re.S):
            number, letter, character = match.groups()
            if character is not None:
                self.put(character)
                continue
            count = int(number) if number.isdigit() else 1
            if letter == "A":
                self.row = max(0, self.row - count)
            elif letter == "B":
                self.row = min(len(self.rows) - 1, self.row + count)
            elif letter == "C":
                self.column = min(self.columns - 1, self.column + count)
            elif letter == "J":
                if number == "2":
                    self.rows, self.row, self.column = [[]], 0, 0
                else:
                    del self.rows[self.row + 1 :]
                    del self.rows[self.row][self.column :]
            elif letter == "K":
                del self.rows[self.row][self.column :]
            elif letter == "H":
                self.row = self.column = 0
            if letter != "m":
                self.pending = False

    def put(self, character):
        if character == "\r":
            self.column, self.pending = 0, False
        elif character == "\n":
            self.row, self.pending = self.row + 1, False
            while len(self.rows) <= self.row:
                self.rows.append([])
        elif character >= " ":
            if self.pending:
                self.put("\r")
                self.put("\n")
            row = self.rows[self.row]
            row.extend(" " * (self.column + 1 - len(row)))
            row[self.column] = character
            self.column += 1
            if self.column == self.columns:
                self.column, self.pending = self.column - 1, True

    @property
    def lines(self):
        return ["".join(row).rstrip() for row in self.rows]


class Prompt:
    def __init__(self, server, *arguments, env=None, columns=80):
        self.screen = Screen(columns)
        self.taken = 0
        self.process = TerminalProcess(
            RESPCLI, at(server, *arguments), env={"TERM": "xterm", "COLUMNS": "", "PAGER": "", **(env or {})}, columns=columns
        )
        self.name = f"127.0.0.1:{server.port}"
        self.wait(self.name)

    def type(self, keys):
        self.process.type(keys if isinstance(keys, bytes) else keys.encode())

    def wait(self, text, count=1):
        """Reads until `text` is on the screen `count` times."""
        end = time.monotonic() + TIMEOUT
        while "\n".join(self.screen.lines).count(text) < count:
            assert self.process._read(min(end, time.monotonic() + 1)) or time.monotonic() < end, (text, self.screen.lines)
            assert time.monotonic() < end, (text, self.screen.lines)
            self.feed()

    def feed(self):
        self.screen.feed(self.process.output[self.taken :].decode(errors="replace"))
        self.taken = len(self.process.output)

    @property
    def last(self):
        return [line for line in self.screen.lines if line][-1]

    def line(self, keys, expected):
        self.type(keys + "\r")
        self.wait(expected)

    def quit(self):
        self.type(b"\x15quit\r")
        return self.process.finish()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()


@pytest.fixture
def history():
    with tempfile.TemporaryDirectory() as folder:
        yield os.path.join(folder, "history")


def test_hints_follow_what_is_typed():
    server = Server()
    try:
        with Prompt(server) as prompt:
            prompt.type("set ")
            prompt.wait("> set key value [NX|XX]")
            prompt.type("k v ex ")
            prompt.wait("> set k v ex seconds [NX|XX] [GET]")
            assert prompt.screen.column == len(prompt.name + "> set k v ex ")
            prompt.type("10\r")
            prompt.wait("OK")
            assert server.command("TTL", "k") in range(1, 11)
            prompt.type(":set nohints\r")
            prompt.wait(prompt.name + ">", 3)
            prompt.type("get ")
            time.sleep(0.2)
            prompt.process._read(0)
            prompt.feed()
            assert prompt.last.endswith("> get")
            assert prompt.quit() == 0
    finally:
        server.close()


def test_completion(server):
    with Prompt(server) as prompt:
        prompt.type("getr\t")
        prompt.wait("> getrange key")
        prompt.type("\x15conf\tres\t")
        prompt.wait("> config resetstat")
        prompt.type("\x15hpx\t\x15lpo\t\t")
        prompt.wait("lpop  lpos")
        prompt.type("\x15set a 1 xx k\t")
        prompt.wait("> set a 1 xx keepttl")
        prompt.type("\x15help @ge\t\t")
        prompt.wait("@generic  @geo")
        assert prompt.quit() == 0


def test_keys_edit(server):
    with Prompt(server) as prompt:
        prompt.type(b"echo wold" + LEFT * 3 + b"r\r")
        prompt.wait('"wrold"')
        prompt.type("echo one two\x17\x17\x19 three\r")
        prompt.wait(prompt.name + ">", 3)
        prompt.line("echo gr\u00fc\u00dfe\x7f\x7f\u00dfe", '"gr\\xc3\\xbc\\xc3\\x9fe"')
        prompt.type("garbage\x01echo \x05\r")
        prompt.wait('"garbage"')
        prompt.type("echo \u65e5\u672c\x02\x02x\r")
        prompt.wait('"x\\xe6\\x97\\xa5\\xe6\\x9c\\xac"')
        assert prompt.quit() == 0


def test_history_is_kept_and_searched(server, history):
    env = {"REDISCLI_HISTFILE": history}
    with Prompt(server, env=env) as prompt:
        prompt.line("set first 1", "OK")
        prompt.line("get first", '"1"')
        prompt.type("auth secret\r")
        prompt.wait("ERR")
        prompt.type("config set requirepass \"\"\r")
        prompt.wait("OK", 2)
        assert prompt.quit() == 0
    assert os.stat(history).st_mode & 0o777 == 0o600
    assert pathlib.Path(history).read_text() == "set first 1\nget first\nquit\n"
    with Prompt(server, env=env) as prompt:
        prompt.type(UP * 2)
        prompt.wait("> get first")
        prompt.type(b"\x15\x12fir")
        prompt.wait("(reverse-i-search)`fir': get first")
        prompt.type(b"\x12")
        prompt.wait("(reverse-i-search)`fir': set first 1")
        prompt.type(b"\r")
        prompt.wait("OK")
        assert prompt.quit() == 0


def test_a_paste_of_several_lines_runs_when_it_is_accepted(server):
    server.command("SET", "n", "0")
    with Prompt(server) as prompt:
        prompt.type(b"\x1b[200~incr n\nincr n\r\nincr n\n\x1b[201~")
        prompt.wait("incr n", 3)
        assert server.command("GET", "n") == b"0"
        prompt.type("\r")
        prompt.wait("(integer) 3")
        assert prompt.quit() == 0


def test_long_lines_wrap_and_resizing_redraws(server):
    value = "".join(f"{number:05}" for number in range(40))
    with Prompt(server, columns=60) as prompt:
        prompt.type("echo " + value)
        prompt.wait(value[-5:])
        assert "".join(prompt.screen.lines) == prompt.name + "> echo " + value
        prompt.process.resize(100)
        prompt.screen = Screen(100)
        prompt.type("x\x7f")
        prompt.wait(value[-5:])
        prompt.type("\r")
        prompt.wait('9"')
        assert prompt.quit() == 0


def test_control_c(server):
    with Prompt(server) as prompt:
        prompt.type("half a line\x03")
        prompt.wait("^C")
        prompt.line("select 3", "OK")
        prompt.type("blpop absent 0\r")
        # A terminal drops output that nobody has read when it is interrupted.
        prompt.wait("> blpop absent 0")
        wait_for(lambda: b"cmd=blpop" in server.command("CLIENT", "LIST"))
        prompt.type(b"\x03")
        prompt.wait(prompt.name + "[3]>", 2)
        prompt.line("ping", "PONG")
        prompt.type("subscribe news\r")
        prompt.wait("(integer) 1")
        server.command("PUBLISH", "news", "hello there")
        prompt.wait("hello there")
        prompt.type("u")
        prompt.wait("[3]> u")
        prompt.type("nsubscribe news\r")
        prompt.wait("(integer) 0")
        prompt.line("subscribe other", "(integer) 1")
        prompt.wait("Reading messages...")
        prompt.type(b"\x03")
        prompt.wait(prompt.name + "[3]>", 6)
        prompt.line("echo still", '"still"')
        assert b"cmd=blpop" not in server.command("CLIENT", "LIST")
        assert prompt.quit() == 0


def test_control_c_ends_repetitions_pauses_and_long_output(server):
    server.command("RPUSH", "many", *[f"element {number}" for number in range(20_000)])
    with Prompt(server, "-i", "0.05") as prompt:
        prompt.type("100000 incr counter\r")
        prompt.wait("(integer) 3")
        prompt.type(b"\x03")
        prompt.wait(prompt.name + ">", 2)
        prompt.line("echo still", '"still"')
    with Prompt(server) as prompt:
        # The terminal is full until somebody reads it.
        prompt.type(":set nopager\rlrange many 0 -1\r")
        prompt.wait('1) "element 0"')
        prompt.type(b"\x03")
        prompt.type("echo still\r")
        prompt.wait('"still"')
        assert b'"element 19999"' not in prompt.process.output
        assert prompt.quit() == 0


def test_control_c_gives_up_a_server_that_does_not_answer():
    """Also where the new connection, which has a database to select, is not answered."""
    server = Server()
    try:
        with Prompt(server, "-n", "2") as prompt:
            prompt.line("set a 1", "OK")
            server.process.send_signal(signal.SIGSTOP)
            prompt.type("get a\r")
            prompt.wait("get a")
            # The first gives up the command, the next one the connection that takes its place.
            end = time.monotonic() + TIMEOUT
            while "not connected>" not in prompt.last:
                assert time.monotonic() < end, prompt.screen.lines
                prompt.type(b"\x03")
                prompt.process._read(time.monotonic() + 0.3)
                prompt.feed()
            server.process.send_signal(signal.SIGCONT)
            prompt.line("get a", '"1"')
            assert prompt.quit() == 0
    finally:
        server.process.send_signal(signal.SIGCONT)
        server.close()


def each_other(delay=0.0):
    """Two servers that both say that the other one has the key."""
    servers = []

    def behaviour(other):
        def behave(connection, number):
            stream = connection.makefile("rb")
            while True:
                if read_reply(stream)[0] == b"COMMAND":
                    connection.sendall(b"-ERR unknown command\r\n")
                else:
                    time.sleep(delay)
                    connection.sendall(b"-MOVED 5 127.0.0.1:%d\r\n" % servers[other].port)

        return behave

    servers += [ScriptedServer(behaviour(1)), ScriptedServer(behaviour(0))]
    return servers


def test_redirections_without_end_are_given_up():
    first, second = each_other()
    with first, second:
        result = run(RESPCLI, at(first, "-c", "get", "x"))
        addresses = f"127.0.0.1:{first.port}, 127.0.0.1:{second.port}"
        assert (result.stdout, result.stderr, result.status) == (b"", f"Error: redirected 16 times, by {addresses}\n".encode(), 1)


def test_control_c_ends_redirections():
    first, second = each_other(delay=0.3)
    with first, second, Prompt(first, "-c") as prompt:
        prompt.type("get x\r")
        # Each is shown when it happens.
        prompt.wait("-> Redirected to slot [5]", 2)
        prompt.type(b"\x03")
        assert prompt.quit() == 0
        assert 2 <= prompt.process.output.count(b"-> Redirected") < 10


def test_a_redirection_is_shown_before_what_comes_of_it():
    def behave(connection, number):
        stream = connection.makefile("rb")
        while True:
            get = read_reply(stream)[0] != b"COMMAND"
            connection.sendall(b"-MOVED 5 127.0.0.1:1\r\n" if get else b"-ERR unknown command\r\n")

    with ScriptedServer(behave) as server, Prompt(server, "-c") as prompt:
        prompt.line("get x", "Could not connect")
        assert re.search(rb"-> Redirected to slot \[5\] located at 127.0.0.1:1\s+Could not connect", prompt.process.output)


@pytest.mark.parametrize("port", [65536, 2**32, -1])
def test_a_port_is_not_taken_for_another(server, port):
    """One that is too large for a port does not become a smaller one."""
    wrapped = server.port + port if port > 0 else port
    result = run(RESPCLI, at(server), f"connect 127.0.0.1 {wrapped}\nping\n".encode())
    assert result.stdout == b"Invalid server port.\nPONG\n" and result.stderr == b""

    def behave(connection, number):
        read_reply(connection.makefile("rb"))
        connection.sendall(b"-MOVED 5 127.0.0.1:%d\r\n" % wrapped)

    with ScriptedServer(behave) as scripted:
        result = run(RESPCLI, at(scripted, "-c", "get", "x"))
    assert result.stdout.startswith(b"MOVED 5 127.0.0.1:") and result.stderr == b""


def test_a_restart_of_the_server_is_survived():
    server = Server()
    try:
        with Prompt(server, "-n", "2", columns=300) as prompt:
            prompt.line("set a 1", "OK")
            server.restart()
            prompt.line("echo back", '"back"')
            assert prompt.last.startswith(prompt.name + "[2]>") or '"back"' in prompt.last
            prompt.line("client info", " db=2 ")
            server.stop()
            prompt.line("ping", "Could not connect to Redis at " + prompt.name)
            prompt.wait("not connected>")
            server.restart()
            prompt.line("ping", "PONG")
            assert prompt.quit() == 0
    finally:
        server.close()


def test_who_one_is_and_the_protocol_survive_a_restart():
    server, other = Server("--requirepass", "secret"), Server()
    try:
        with Prompt(server, columns=300) as prompt:
            prompt.line("auth wrong", "WRONGPASS")
            prompt.line("auth secret", "OK")
            prompt.line("hello 3 setname me", '"proto" => (integer) 3')
            server.restart()
            prompt.line("client info", " resp=3")
            prompt.line("hello 2 auth default secret", '6) (integer) 2')
            server.restart()
            prompt.type("client info\r")
            prompt.wait(" resp=2")
            # Another server is not told.
            prompt.line(f"connect 127.0.0.1 {other.port}", f"127.0.0.1:{other.port}>")
            prompt.line("ping", "PONG")
            assert prompt.quit() == 0
            assert b"AUTH failed" not in prompt.process.output and b"NOAUTH" not in prompt.process.output
    finally:
        server.close()
        other.close()


def test_a_lost_transaction_is_not_gone_on_with():
    """What was typed to be queued is not run by itself."""
    server = Server()
    try:
        with Prompt(server) as prompt:
            prompt.line("multi", "(TX)>")
            prompt.line("set a 1", "QUEUED")
            server.restart()
            prompt.line("set b 1", "its transaction; nothing was sent")
            prompt.wait(prompt.name + ">", 2)
            prompt.line("dbsize", "(integer) 0")
            assert prompt.quit() == 0
    finally:
        server.close()


def test_what_comes_unasked_is_shown_above_the_line(server):
    with Prompt(server, "-3", columns=40) as prompt:
        prompt.line("client tracking on bcast", "OK")
        prompt.wait(prompt.name + ">", 2)
        server.command("SET", "first", "1")
        prompt.wait("invalidate: 'first'")
        # A line of two rows, with the cursor in the first one.
        prompt.type(b"echo 'what is typed in two rows'\x01")
        prompt.wait("rows'")
        server.command("SET", "second", "1")
        prompt.wait("invalidate: 'second'")
        prompt.wait("rows'")
        lines = prompt.screen.lines
        typed = f"{prompt.name}> echo 'what is typed in two rows'"
        assert lines[-3:] == ["-> invalidate: 'second'", typed[:40].rstrip(), typed[40:]], lines
        prompt.type("\r")
        prompt.wait('"what is typed in two rows"')
        prompt.line("subscribe news", "(integer) 1")
        prompt.wait("Reading messages...")
        prompt.type("ec")
        prompt.wait("> ec")
        server.command("PUBLISH", "news", "hello")
        prompt.wait('"hello"')
        prompt.type("ho still\r")
        prompt.wait('"still"')
        assert prompt.quit() == 0


def test_the_prompt_tells_of_transactions_and_databases(server):
    with Prompt(server) as prompt:
        prompt.line("select 4", "[4]>")
        prompt.line("multi", "[4](TX)>")
        prompt.line("set a 1", "QUEUED")
        prompt.type("exec\r")
        prompt.wait("1) OK")
        assert prompt.quit() == 0


def test_colours_are_left_out_on_request(server):
    for env, has_color in (({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)):
        with Prompt(server, env=env) as prompt:
            prompt.line("nosuch", "(error) ERR unknown command")
            prompt.line("incr counter", "(integer) ")
            prompt.type("set ")
            prompt.wait("> set key value")
            if has_color:
                prompt.type("\x15:set nocolor")
                prompt.wait("> :set nocolor")
                prompt.type("\rset ")
                prompt.wait("> set key value")
            assert prompt.quit() == 0
            # Hints stay, and are faint.
            assert b"\x1b[2mkey value" in prompt.process.output
            assert (b"\x1b[90mkey value" in prompt.process.output) == has_color
            assert (b"\x1b[31m(error)" in prompt.process.output) == has_color
            assert (b"\x1b[36m(integer)" in prompt.process.output) == has_color


def test_long_replies_go_to_the_pager(server):
    server.command("RPUSH", "many", *range(200))
    with Prompt(server, env={"PAGER": "wc -l"}) as prompt:
        prompt.line("lrange many 0 -1", "200")
        prompt.line("lrange many 0 3", '4) "3"')
        prompt.type(":set nopager\r")
        prompt.line("lrange many 0 -1", '200) "199"')
        assert prompt.quit() == 0
    # The time that somebody reads is not the command's.
    with Prompt(server, env={"PAGER": "wc -l; sleep 1"}) as prompt:
        prompt.line("lrange many 0 -1", "200")
        prompt.line("debug sleep 0.6", "OK")
        prompt.wait("s)")
        assert prompt.quit() == 0
        assert len(re.findall(rb"\(\d+\.\d\ds\)", prompt.process.output)) == 1
    with Prompt(server, env={"PAGER": "/nonexistent/pager"}) as prompt:
        prompt.line("lrange many 0 -1", '200) "199"')
        assert prompt.quit() == 0


def test_help(server):
    with Prompt(server) as prompt:
        prompt.line("help getrange", "GETRANGE key start end")
        prompt.line("help", ":set nohints")
        assert prompt.quit() == 0


def test_the_terminal_is_left_as_it_was(server):
    for ending in (b"quit\r", b"\x04", signal.SIGTERM, signal.SIGHUP):
        with Prompt(server) as prompt:
            if isinstance(ending, bytes):
                prompt.type(ending)
            else:
                prompt.process.process.send_signal(ending)
            wait_for(lambda: prompt.process.process.poll() is not None)
            assert termios.tcgetattr(prompt.process.master) == prompt.process.attributes, ending


def test_settings_of_a_file(server):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(":set nocolor\n:set nosuch\n")
        file.flush()
        with Prompt(server, env={"REDISCLI_RCFILE": file.name}) as prompt:
            assert "unknown respcli preference 'nosuch'" in "\n".join(prompt.screen.lines)
            prompt.line("nosuch", "(error) ERR unknown command")
            assert b"\x1b[31m" not in prompt.process.output
            assert prompt.quit() == 0


def test_an_error_is_not_behind_a_progress_bar(tmp_path):
    def snapshot(connection, number):
        stream = connection.makefile("rb")
        for _ in range(2):
            read_reply(stream)
            connection.sendall(b"+OK\r\n")
        stream.readline()
        connection.sendall(b"$1000000\r\n" + b"x" * 5000)
        drawn.wait(TIMEOUT)

    def scan(connection, number):
        stream = connection.makefile("rb")
        count = 0
        while True:
            name = read_reply(stream)[0]
            if name == b"SCAN" and (count := count + 1) == 2:
                drawn.wait(TIMEOUT)
                return
            connection.sendall({b"DBSIZE": b":9\r\n", b"SCAN": b"*2\r\n$1\r\n7\r\n*1\r\n$1\r\na\r\n", b"TYPE": b"+string\r\n"}.get(name, b":1\r\n"))

    for behave, arguments, bar in (
        (snapshot, ["--rdb", tmp_path / "data"], b"rdb  ["), (scan, ["--memkeys"], b"keys  [")):
        drawn = threading.Event()
        with ScriptedServer(behave) as server:
            process = TerminalProcess(RESPCLI, at(server, *arguments), env={"TERM": "xterm"})
            try:
                wait_for(lambda: bar in process.output or process._read(time.monotonic() + 0.1) and False)
                drawn.set()
                output, status = process.finish()
            finally:
                process.kill()
        screen = Screen()
        screen.feed(output.decode())
        errors = [line for line in screen.lines if "I/O" in line]
        assert status == 1 and len(errors) == 1 and errors[0].startswith("I/O"), screen.lines
        assert not any(bar.decode() in line for line in screen.lines), screen.lines


def test_long_jobs_show_how_far_they_are(server):
    """On standard error, only at a terminal, and gone afterwards."""
    server.command("DEBUG", "POPULATE", "30000", "key", "10")
    for arguments in (["--bigkeys"], ["--memkeys"], ["--keystats"]):
        process = TerminalProcess(RESPCLI, at(server, *arguments), env={"TERM": "xterm"})
        try:
            output, status = process.finish()
        finally:
            process.kill()
        assert status == 0 and re.search(rb"keys  \[#*-*\] +\d+\.\d %  .*keys/s|stats  \[", output), arguments
        screen = Screen()
        screen.feed(output.decode())
        assert not any("keys/s" in line for line in screen.lines)
