"""respcli against redis-cli where a person sits: output to a terminal, and a prompt.

Both run with TERM=dumb, where redis-cli prints a plain prompt and leaves the editing of lines to the system.
"""

import signal
import termios

import pytest

from cli_support import REFERENCE, RESPCLI, ScriptedServer, TerminalProcess, run_at_terminal, wait_for


def at(server, *arguments):
    return ["-p", server.port, *arguments]


def same(arguments, stdin=b"", env=None, prepare=lambda: None):
    results = []
    for program in (REFERENCE, RESPCLI):
        prepare()
        results.append(run_at_terminal(program, arguments, stdin, env))
    assert results[1] == results[0]
    return results[1]


@pytest.mark.parametrize(
    "command",
    [
        ["PING"],
        ["ECHO", 'a\nb"c\u00e9'],
        ["NOSUCH"],
        ["GET", "absent"],
        ["MGET", "absent", "a", "b"],
        ["INFO", "cpu-nosuch"],
        ["COMMAND", "INFO", "GET"],
        ["DEBUG", "PROTOCOL", "map"],
        ["DEBUG", "PROTOCOL", "double"],
        ["DEBUG", "PROTOCOL", "push"],
        ["LRANGE", "absent", "0", "-1"],
        ["CLUSTER", "INFO"],
        ["SUBSCRIBE"],
        ["help", "get"],
    ],
)
@pytest.mark.parametrize(
    "options", [[], ["-3"], ["--raw"], ["--csv"], ["--json"], ["-3", "--show-pushes", "no"], ["-e"]]
)
def test_output_to_a_terminal(server, command, options):
    same(at(server, *options, *command))


def test_piped_commands_to_a_terminal(server):
    same(
        at(server),
        stdin=b"SET a 1\nMGET a b\nNOSUCH\nSELECT 3\nPING\nECHO 'x\n",
        prepare=lambda: server.command("FLUSHALL"),
    )
    same(
        at(server, "-3"),
        stdin=b"CLIENT TRACKING ON\nGET a\nSET a 2\nGET a\nFLUSHALL\nPING\n",
        prepare=lambda: server.command("SET", "a", "1"),
    )


def test_errors_at_a_terminal(server, locked_server):
    same(["-p", "1", "PING"])
    same(at(server, "-n", "99", "PING"))
    same(at(locked_server, "-a", "wrong", "PING"))
    same(at(server, "--nosuch"))


# The prompt. A dialogue is a list of what to wait for and what to type then.


def talk(program, arguments, dialogue, env=None):
    process = TerminalProcess(program, arguments, env=env)
    try:
        for prompt, line in dialogue:
            process.read_until(prompt)
            process.type(line)
        return process.finish()
    finally:
        process.kill()


def same_talk(arguments, dialogue, prepare=lambda: None):
    results = []
    for program in (REFERENCE, RESPCLI):
        prepare()
        results.append(talk(program, arguments, dialogue))
    assert results[1] == results[0]
    return results[1]


def test_prompt_and_commands(server):
    here = b"127.0.0.1:%d" % server.port
    output, status = same_talk(
        at(server),
        [
            (here + b"> ", b"SET greeting 'hello world'\n"),
            (here + b"> ", b"GET greeting\n"),
            (here + b"> ", b"\n"),
            (here + b"> ", b"   \n"),
            (here + b"> ", b"NOSUCH\n"),
            (here + b"> ", b"GET 'unbalanced\n"),
            (here + b"> ", b"3 INCR counter\n"),
            (here + b"> ", b"0 INCR counter\n"),
            (here + b"> ", b"SELECT 5\n"),
            (here + b"[5]> ", b"SELECT 99\n"),
            (here + b"[5]> ", b"MULTI\n"),
            (here + b"[5](TX)> ", b"SELECT 7\n"),
            (here + b"[7](TX)> ", b"SET a 1\n"),
            (here + b"[7](TX)> ", b"EXEC\n"),
            (here + b"[7]> ", b"MULTI\n"),
            (here + b"[7](TX)> ", b"SELECT 1\n"),
            (here + b"[1](TX)> ", b"DISCARD\n"),
            (here + b"[7]> ", b"RESET\n"),
            (here + b"> ", b"CLIENT GETNAME\n"),
            (here + b"> ", b"clear\n"),
            (here + b"> ", b"quit\n"),
        ],
        prepare=lambda: server.command("FLUSHALL"),
    )
    assert status == 0 and b'"hello world"' in output


def test_prompt_names_the_server(server):
    same_talk(["-s", server.socket_path], [(b"redis " + server.socket_path.encode() + b"> ", b"exit\n")])
    same_talk(["-h", "::1", "-p", server.port, "-n", "2"], [(b"[::1]:%d[2]> " % server.port, b"exit\n")])
    same_talk(["-h", "localhost", "-p", server.port], [(b"localhost:%d> " % server.port, b"QUIT\n")])


def test_end_of_input_ends(server):
    output, status = same_talk(at(server), [(b"> ", b"PING\n"), (b"> ", b"\x04")])
    assert status == 0 and output.endswith(b"> ")


def test_prompt_goes_on_without_a_server(server):
    port = server.port
    output, status = same_talk(
        ["-p", "1"],
        [
            (b"not connected> ", b"PING\n"),
            (b"not connected> ", b"connect 127.0.0.1 %d\n" % port),
            (b"127.0.0.1:%d> " % port, b"PING\n"),
            (b"127.0.0.1:%d> " % port, b"connect 127.0.0.1 1\n"),
            (b"not connected> ", b"quit\n"),
        ],
    )
    assert b"PONG" in output and status == 0


def test_prompt_goes_on_after_the_connection_is_lost(server):
    here = b"127.0.0.1:%d> " % server.port

    def talk_with(program):
        process = TerminalProcess(program, at(server))
        try:
            process.read_until(here)
            server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            process.type(b"PING\n")
            process.read_until(b"not connected> ")
            process.type(b"PING\n")
            process.read_until(here)
            process.type(b"quit\n")
            return process.finish()
        finally:
            process.kill()

    output, status = talk_with(RESPCLI)
    assert (output, status) == talk_with(REFERENCE)
    assert b"Error: Server closed the connection\r\n" in output and b"PONG" in output


def test_wrong_password_leaves_the_prompt(locked_server):
    here = b"127.0.0.1:%d> " % locked_server.port
    output, status = same_talk(
        at(locked_server, "-a", "wrong", "-n", "4"),
        [
            (here, b"GET a\n"),
            (here, b"AUTH secret\n"),
            (here[:-2] + b"[4]> ", b"GET a\n"),
            (here[:-2] + b"[4]> ", b"quit\n"),
        ],
    )
    assert b"NOAUTH" in output


@pytest.mark.parametrize("command", [b"SUBSCRIBE news\n", b"MONITOR\n", b"PSUBSCRIBE n*\n"])
@pytest.mark.parametrize("options", [[], ["-3"]])
def test_interrupt_goes_back_to_the_prompt(server, command, options):
    here = b"127.0.0.1:%d" % server.port

    def talk_with(program):
        process = TerminalProcess(program, at(server, *options))
        try:
            process.read_until(here + b"> ")
            process.type(b"SELECT 3\n")
            process.read_until(here + b"[3]> ")
            process.type(command)
            process.read_until(b"OK\r\n" if command == b"MONITOR\n" else b"(integer) 1\r\n")
            process.type(b"\x03")
            process.read_until(here + b"[3]> ")
            process.type(b"PING\n")
            process.read_until(here + b"[3]> ")
            process.type(b"quit\n")
            return process.finish()
        finally:
            process.kill()

    output, status = talk_with(RESPCLI)
    assert (output, status) == talk_with(REFERENCE)
    assert b"PONG" in output and status == 0


def test_interrupt_at_the_prompt_or_in_a_command_ends(server):
    for line in (b"", b"BLPOP absent 0\n"):
        results = []
        for program in (REFERENCE, RESPCLI):
            process = TerminalProcess(program, at(server))
            try:
                process.read_until(b"> ")
                process.type(line)
                if line:
                    process.read_until(b"0\r\n")
                    wait_for(lambda: b"cmd=blpop" in server.command("CLIENT", "LIST"))
                # A signal while redis-cli is still printing makes it print the prompt twice.
                wait_for(process.is_waiting)
                process.type(b"\x03")
                results.append(process.finish())
            finally:
                process.kill()
        assert results[1] == results[0]
        assert results[0][1] == 1


def test_prompt_goes_on_after_what_is_no_reply():
    """redis-cli ends here."""

    def behave(connection, number):
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with ScriptedServer(behave) as scripted:
        output, status = talk(
            RESPCLI,
            ["-p", scripted.port],
            [
                (b"127.0.0.1:%d> " % scripted.port, b"PING\n"),
                (b"not connected> ", b"quit\n"),
            ],
        )
    assert status == 0 and b'Error: Protocol error, got "H" as reply type byte\r\n' in output


def test_asked_password_is_not_shown(locked_server):
    """redis-cli shows stars, or with TERM=dumb the password itself."""
    process = TerminalProcess(RESPCLI, at(locked_server, "--askpass"))
    try:
        process.read_until(b"Please input password: ")
        process.type(b"secretx\x7f\r")
        process.read_until(b"> ")
        process.type(b"ACL WHOAMI\n")
        process.read_until(b"> ")
        process.type(b"quit\n")
        output, status = process.finish()
    finally:
        process.kill()
    assert b"secret" not in output and b'"default"' in output and status == 0


def test_interrupt_while_a_password_is_asked_leaves_the_terminal_as_it_was(locked_server):
    process = TerminalProcess(RESPCLI, at(locked_server, "--askpass"))
    try:
        process.read_until(b"Please input password: ")
        assert not termios.tcgetattr(process.master)[3] & termios.ECHO
        process.type(b"sec\x03")
        process.read_until(b"\r\n")
        assert termios.tcgetattr(process.master)[3] & (termios.ECHO | termios.ICANON | termios.ISIG) == (
            termios.ECHO | termios.ICANON | termios.ISIG
        )
        assert process.finish()[1] == 1
    finally:
        process.kill()


def test_help_at_the_prompt(server):
    here = b"127.0.0.1:%d> " % server.port
    same_talk(at(server), [(here, b"help config\n"), (here, b"help @hyperloglog\n"), (here, b"quit\n")])
    output, _ = talk(RESPCLI, at(server), [(here, b"help\n"), (here, b"quit\n")])
    assert b'"help COMMAND"' in output


# Lines longer than the system's own editing of lines takes.


@pytest.mark.parametrize("length", [4_000, 4_095, 4_096, 10_000, 100_000])
def test_a_long_line_arrives_whole(server, length):
    value = b"".join(b"%08d" % number for number in range(length // 8 + 1))[:length]
    process = TerminalProcess(RESPCLI, at(server))
    try:
        process.read_until(b"> ")
        process.paste(b"SET long " + value + b"\n")
        process.read_until(b"OK\r\n127.0.0.1:%d> " % server.port)
        process.type(b"quit\n")
        output, status = process.finish()
    finally:
        process.kill()
    assert status == 0 and server.command("GET", "long") == value
    assert value in output, "what is typed is shown"


def test_several_long_lines_pasted_at_once(server):
    here = b"127.0.0.1:%d> " % server.port
    process = TerminalProcess(RESPCLI, at(server))
    try:
        process.read_until(here)
        process.paste(b"".join(b"SET long%d %s\n" % (number, b"%d" % number * 9_000) for number in range(4)) + b"ECHO end\n")
        process.read_until(b'"end"\r\n' + here)
        process.type(b"quit\n")
        assert process.finish()[1] == 0
    finally:
        process.kill()
    for number in range(4):
        assert server.command("GET", b"long%d" % number) == b"%d" % number * 9_000


def test_editing_keys(server):
    """As the system's own editing, which is what redis-cli has with TERM=dumb."""
    here = b"127.0.0.1:%d> " % server.port
    same_talk(
        at(server),
        [
            (here, b"ECHO abx\x7fc\n"),
            (here, b"NOSUCH\x15ECHO killed\n"),
            (here, b"ECHO one two\x17three\n"),
            (here, b"ECHO gr\xc3\xb6x\x7f\xc3\x9fe\n"),
            (here, b"\x7f\x7fPING\n"),
            (here, b"quit\n"),
        ],
    )


def test_the_terminal_is_left_as_it_was(server):
    endings = [b"quit\n", b"\x04", b"\x03", signal.SIGTERM, signal.SIGHUP, signal.SIGINT]
    for ending in endings:
        process = TerminalProcess(RESPCLI, at(server))
        try:
            process.read_until(b"> ")
            assert not termios.tcgetattr(process.master)[3] & termios.ICANON
            if isinstance(ending, bytes):
                process.type(ending)
            else:
                process.process.send_signal(ending)
            wait_for(lambda: process.process.poll() is not None)
            assert termios.tcgetattr(process.master) == process.attributes, ending
        finally:
            process.kill()


def test_a_terminal_is_taken_again_after_a_stop(server):
    process = TerminalProcess(RESPCLI, at(server))
    try:
        process.read_until(b"> ")
        raw = termios.tcgetattr(process.master)
        shell = list(raw)
        shell[3] |= termios.ICANON | termios.ECHO
        termios.tcsetattr(process.master, termios.TCSANOW, shell)
        process.process.send_signal(signal.SIGCONT)
        wait_for(lambda: termios.tcgetattr(process.master) == raw)
        process.type(b"quit\n")
        assert process.finish()[1] == 0
    finally:
        process.kill()


@pytest.mark.parametrize(
    "typed, value",
    [
        (b"a\nb\n\x04", b"a\nb\n"),
        (b"a\x04\x04", b"a"),
        (b"a\nbc\x7f\x04\x04", b"a\nb"),
        (b"\x04", b""),
        (b"x" * 9_000 + b"\n\x04", b"x" * 9_000 + b"\n"),
    ],
)
def test_an_argument_typed_at_the_terminal_arrives_whole(server, typed, value):
    process = TerminalProcess(RESPCLI, at(server, "-x", "SET", "typed"))
    try:
        wait_for(process.is_waiting)
        process.paste(typed)
        output, status = process.finish()
    finally:
        process.kill()
    assert status == 0 and server.command("GET", "typed") == value
