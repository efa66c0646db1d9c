"""The tools with a screen, top and watch, on a pseudo-terminal; and what is made from the tables of options."""

import os
import re
import shutil
import subprocess
import tempfile
import time

import pytest

from cli_support import RESPCLI, RESP_SERVER, Server, TerminalProcess, TIMEOUT, at, run, wait_for


class FullScreen:
    """What a program that moves the cursor to rows has drawn."""

    def __init__(self, arguments, columns=100, rows=30):
        self.process = TerminalProcess(RESPCLI, arguments, env={"TERM": "xterm", "COLUMNS": "", "LINES": ""}, columns=columns)
        self.process.resize(columns, rows)

    @property
    def lines(self):
        lines = {}
        text = self.process.output.decode(errors="replace")
        # Everything after the last clearing of the screen.
        text = text[text.rfind("\x1b[2J") + 1 :]
        for row, content in re.findall(r"\x1b\[(\d+);1H(.*?)\x1b\[K", text, re.S):
            lines[int(row)] = content
        return lines

    @property
    def text(self):
        return "\n".join(re.sub(r"\x1b\[[0-9;]*m", "", line) for _, line in sorted(self.lines.items()))

    def wait(self, pattern):
        end = time.monotonic() + TIMEOUT
        while not re.search(pattern, self.text, re.M):
            assert time.monotonic() < end, (pattern, self.text)
            self.process._read(min(end, time.monotonic() + 0.5))

    def quit(self, key=b"q"):
        self.process.type(key)
        output, status = self.process.finish()
        assert output.endswith(b"\x1b[?25h\x1b[?1049l")
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()


def test_top_shows_a_busy_server():
    server = Server("--maxmemory-policy", "allkeys-lfu")
    try:
        for number in range(50):
            server.command("HSET", f"hash:{number}", "field", "x" * 1000)
        server.command("SET", "hot", "1")
        load = subprocess.Popen(
            [RESPCLI, "bench", "-p", str(server.port), "-c", "2", "-l", "-n", "1000", "-q", "--rate", "2000", "GET", "hot"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            with FullScreen(["top", *at(server, "-i", "0.2")]) as screen:
                screen.wait(r"^get +\d{3,}\.\d ")
                # All of what was looked at, as long as the one string was not.
                screen.wait(r"hash +\d{2,3}\.\d %")
                screen.wait(r"commands per second: [\d.]+k")
                screen.wait(r'"hash:\d+"')
                assert re.search(rf"^127\.0\.0\.1:{server.port}  redis 7\.", screen.text, re.M)
                assert re.search(r"keys 51 ", screen.text) and "client " in screen.text
                screen.process.resize(60, 20)
                screen.wait(r"^get ")
                wait_for(lambda: screen.process._read(time.monotonic() + 1) and max(screen.lines) <= 20)
                assert all(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) <= 60 for line in screen.lines.values())
                server.restart()
                screen.wait(r"keys 0 ")
                assert screen.quit() == 0
        finally:
            load.kill()
            load.wait()
    finally:
        server.close()


def test_top_prints_one_screen(server):
    server.command("SET", "a", "1")
    result = run(RESPCLI, ["top", *at(server, "--once", "-i", "0.1")])
    assert result.status == 0 and b"commands per second: " in result.stdout and b"string 100.0 %" in result.stdout
    assert b"(counted under a maxmemory-policy of LFU)" in result.stdout
    assert run(RESPCLI, ["top", *at(server)]).stderr == b"Error: top needs a terminal; --once prints one screen\n"
    assert run(RESPCLI, ["top", "-p", "1", "--once"]).status == 1


def test_watch_highlights_changes(server):
    server.command("HSET", "h", "count", "100", "name", "same")
    with FullScreen(["watch", *at(server, "-i", "0.1", "HGETALL", "h")]) as screen:
        screen.wait(r'^2\) "100"')
        assert "\x1b[7m" not in "".join(screen.lines.values())
        server.command("HSET", "h", "count", "105")
        wait_for(lambda: screen.process._read(time.monotonic() + 1) and b'"10\x1b[7m5\x1b[0m"' in screen.process.output)
        screen.wait(r"HGETALL h   every 0\.1 s")
        assert screen.quit() == 0
    with FullScreen(["watch", *at(server, "-i", "0.1", "PING")]) as screen:
        screen.wait("PONG")
        assert screen.quit(b"\x03") == 0


def test_watch_elsewhere_prints_what_differs(server):
    result = run(RESPCLI, ["watch", *at(server, "-i", "0.01", "-r", "3", "INCR", "n")])
    assert (result.stdout, result.status) == (b"(integer) 1\n\n(integer) 2\n\n(integer) 3\n", 0)
    result = run(RESPCLI, ["watch", *at(server, "-i", "0.01", "-r", "3", "PING")])
    assert result.stdout == b"PONG\n"
    for words in ([], ["-i", "x", "PING"], ["SUBSCRIBE", "x"]):
        assert run(RESPCLI, ["watch", *at(server, *words)]).status == 1
    assert run(RESPCLI, at(server, "WATCH", "key")).stdout == b"OK\n"


SHELLS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}


@pytest.mark.parametrize("shell", SHELLS)
def test_completions_are_scripts_of_the_shell(shell):
    script = run(RESPCLI, ["completion", shell])
    assert script.status == 0 and b"--bigkeys" in script.stdout.replace(b"-l bigkeys", b"--bigkeys") and b"bench" in script.stdout
    if shutil.which(shell):
        with tempfile.NamedTemporaryFile() as file:
            file.write(script.stdout)
            file.flush()
            checked = subprocess.run([*SHELLS[shell], file.name], capture_output=True)
            assert checked.returncode == 0, checked.stderr


def complete_in_bash(words):
    script = run(RESPCLI, ["completion", "bash"]).stdout.decode().replace("redis-cli", "respcli")
    quoted = " ".join(f"'{word}'" for word in words)
    text = f"{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _respcli; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    return subprocess.run(["bash", "-c", text], capture_output=True, check=True).stdout.decode().split()


def test_bash_completes():
    assert complete_in_bash(["respcli", "--big"]) == ["--bigkeys"]
    assert complete_in_bash(["respcli", "be"]) == ["bench"]
    assert complete_in_bash(["respcli", "bench", "--ra"]) == ["--rate"]
    assert complete_in_bash(["respcli", "--scan", "--type", "z"]) == ["zset"]
    assert complete_in_bash(["respcli", "bench", "-t", "xa"]) == ["xadd"]
    assert "--help" in complete_in_bash(["respcli", "diff", "--"])
    assert complete_in_bash(["respcli", "completion", ""]) == ["bash", "zsh", "fish"]
    assert complete_in_bash(["respcli", "completion", "z"]) == ["zsh"]
    with tempfile.TemporaryDirectory() as folder:
        open(os.path.join(folder, "snapshot.rdb"), "w").close()
        assert complete_in_bash(["respcli", "--rdb", folder + "/sn"]) == [folder + "/snapshot.rdb"]


def check_manual_page(page):
    """Formats a page with every warning on, and gives back what a reader sees."""
    assert page.startswith(b".TH ")
    if not shutil.which("groff"):
        pytest.skip("needs groff")
    shown = subprocess.run(["groff", "-man", "-Tascii", "-P-cbou", "-ww"], input=page, capture_output=True)
    assert shown.returncode == 0 and shown.stderr == b""
    # No name is broken by a hyphen that is not its own.
    assert b"\n.nh\n" in page and not re.search(rb"[a-z]-\n", shown.stdout)
    return shown.stdout.decode()


def test_manual_page():
    text = check_manual_page(run(RESPCLI, ["man"]).stdout)
    assert text.startswith("REDIS-CLI(1)") or text.startswith("RESPCLI(1)")
    # Every option of the program and of each tool.
    for tool in ([], ["bench"], ["copy"], ["diff"], ["top"], ["watch"]):
        for option in re.findall(rb"^  (--?[\w-]+)", run(RESPCLI, [*tool, "--help"]).stdout, re.M):
            if option not in (b"--help", b"-v"):
                assert re.search(rf"^ +(-\w+, )?{option.decode()}\b", text, re.M), (tool, option)


@pytest.mark.skipif(not os.access(RESP_SERVER, os.X_OK), reason="needs resp-server")
def test_manual_page_of_the_server():
    text = check_manual_page(subprocess.run([RESP_SERVER, "--man"], capture_output=True, check=True).stdout)
    server = Server(program=RESP_SERVER)
    try:
        settings = server.command("CONFIG", "GET", "*")[::2]
    finally:
        server.close()
    assert len(settings) > 150
    # Names with an alias count as two.
    flowing = re.sub(r"\s+", " ", re.sub(r"-\n\s+", "", text))
    names = re.findall(r"^       ([a-z][\w-]+) \S", text, re.M) + re.findall(r"Also called ([\w-]+)\.", flowing)
    plain = {name.replace("-", "") for name in names}
    assert [name for name in settings if name.decode().replace("-", "") not in plain] == []


def test_tools_tell_about_themselves():
    everything = run(RESPCLI, ["--help"]).stdout
    for tool in (b"bench", b"copy", b"diff", b"top", b"watch", b"completion", b"man"):
        assert re.search(rb"^  %s +\w" % tool, everything, re.M)
        result = run(RESPCLI, [tool, "--help"])
        assert result.status == 0 and result.stdout.startswith(b"Usage: redis-cli " + tool), tool
        for option in ("-v", "--version"):
            result = run(RESPCLI, [tool, option])
            assert result.status == 0 and re.fullmatch(rb"redis-cli \d+\.\d+\.\d+\n", result.stdout), tool
