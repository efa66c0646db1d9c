#!/usr/bin/env python3
"""Makes the screens of docs/RESPCLI.md and README.md: runs respcli in tmux against servers of its own and takes what a person would see.

    conformance/cli/captures.py            writes them into the pages
    conformance/cli/captures.py NAME ...   only these

A screen of a page is the indented block behind a line `<!-- capture NAME -->`. Needs tmux, and release builds of both programs.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import cli_support
from cli_support import RESPCLI, RESP_SERVER, ROOT, Server

PAGES = [ROOT / "docs" / "RESPCLI.md", ROOT / "README.md"]


class Screen:
    """A terminal in which one program runs."""

    def __init__(self, command, columns=100, rows=30):
        self.folder = tempfile.TemporaryDirectory(prefix="captures-")
        self.tmux = ["tmux", "-S", os.path.join(self.folder.name, "socket"), "-f", "/dev/null"]
        environment = cli_support.environment({"TERM": "xterm-256color", "PAGER": "", "LC_ALL": "C.UTF-8"})
        # The screen stays when the program has ended.
        words = " ".join("'" + str(word).replace("'", "'\\''") + "'" for word in command)
        subprocess.run(
            [*self.tmux, "-u", "new-session", "-d", "-x", str(columns), "-y", str(rows), f"{words}; sleep 1000"],
            env=environment, check=True)

    @property
    def text(self):
        shown = subprocess.run([*self.tmux, "capture-pane", "-p"], capture_output=True, check=True).stdout.decode()
        return "\n".join(line.rstrip() for line in shown.rstrip().split("\n"))

    def wait(self, pattern, seconds=60):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text, re.M):
            if time.monotonic() > end:
                raise SystemExit(f"{pattern!r} does not come:\n{self.text}")
            time.sleep(0.1)
        return self.text

    def type(self, *keys):
        """Types texts; a word such as Enter is a key."""
        for key in keys:
            names = [key] if key in ("Enter", "Tab") else ["-l", key]
            subprocess.run([*self.tmux, "send-keys", *names], check=True)

    def resize(self, columns, rows):
        subprocess.run([*self.tmux, "resize-window", "-x", str(columns), "-y", str(rows)], check=True)

    def close(self):
        subprocess.run([*self.tmux, "kill-server"], capture_output=True)
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def prompt(server):
    with Screen([RESPCLI, "-p", server.port], columns=88, rows=24) as screen:
        screen.wait(r">$")
        for line, expected in (
            ("set greeting 'hello, 世界' ex 60", "OK"), ("hset user:1 name Ada born 1815", r"\(integer\) 2"),
            ("hgetall user:1", r'^4\) "1815"'), ("select 3", r"\[3\]>$"), ("multi", r"\(TX\)>$"), ("incr visits", "QUEUED"),
            ("exec", r"^1\) \(integer\) 1"),
        ):
            screen.type(line, "Enter")
            screen.wait(expected)
        screen.type("zadd ranking gt ")
        return screen.wait(r"score member \[")


def completion(server):
    with Screen([RESPCLI, "-p", server.port], columns=84, rows=12) as screen:
        screen.wait(r">$")
        screen.type("client no", "Tab", "Tab")
        return screen.wait(r"^no-")


def bench(server):
    command = ["bench", "-t", "get", "--rate", "20000", "-n", "200000", "-r", "100000"]
    with Screen([RESPCLI, *command, "-p", server.port], columns=110) as screen:
        return f"$ respcli {' '.join(command)}\n\n" + screen.wait(r"^ +max .*(\n.*)?$")


def servers_side_by_side(server):
    other = Server()
    try:
        command = ["bench", "-t", "set,get", "-n", "100000", "--rounds", "3"]
        for name, port in (("resp-server", server.port), ("redis-server", other.port)):
            command += ["--server", f"{name}=redis://127.0.0.1:{port}"]
        with Screen([RESPCLI, *command]) as screen:
            text = screen.wait(r"GET +requests/s(.*\n)+  redis-server .*$")
        return f"$ respcli {' '.join(command)}\n\n{text}".replace(f":{other.port}", ":6380")
    finally:
        other.close()


def top(server):
    server.command("SET", "page:home", "x" * 100)
    for number in range(50):
        server.command("HSET", f"hash:{number}", "field", "x" * 1000)
        server.command("ZADD", f"ranking:{number}", *[word for member in range(20) for word in (member, f"member{member}")])
    loads = [
        subprocess.Popen([RESPCLI, "bench", "-p", str(server.port), "-l", "-q", "--rate", rate, "-n", "1000", "-c", "4", *words],
                         stdout=subprocess.DEVNULL)
        for rate, words in (("2000", ["GET", "page:home"]), ("300", ["-r", "50", "HSET", "user:__rand_int__", "seen", "1"]))
    ]
    try:
        with Screen([RESPCLI, "top", "-p", server.port], columns=96, rows=26) as screen:
            screen.wait(r"hottest keys(.*\n)+.*page:home", 30)
            time.sleep(12)
            return screen.text
    finally:
        for load in loads:
            load.kill()
            load.wait()


CAPTURES = {"prompt": prompt, "completion": completion, "bench": bench, "side by side": servers_side_by_side, "top": top}


def replaced(page, name, text):
    """A page with `text` as the screen of this name, and how many places it has for it."""
    block = "\n".join("    " + line if line else "" for line in text.split("\n"))
    return re.subn(
        rf"(<!-- capture {name} -->\n\n)(?:    .*\n|\n(?=    |\n))*", lambda match: match[1] + block + "\n", page)


def main(names):
    for name in names or CAPTURES:
        server = Server("--maxmemory-policy", "allkeys-lfu", program=RESP_SERVER)
        try:
            text = CAPTURES[name](server).replace(f":{server.port}", ":6379")
        finally:
            server.close()
        places = 0
        for page in PAGES:
            changed, count = replaced(page.read_text(), name, text)
            page.write_text(changed)
            places += count
        if places == 0:
            raise SystemExit(f"no page has a place for {name}")
        print(f"{name}\n\n{text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
