"""The recipes of docs/RESPCLI.md run as they are written there, and do what the text around them says.

Hosts, paths outside of the folder and the default port are replaced; nothing else is. A recipe without a check here fails the suite.
"""

import os
import pathlib
import re
import subprocess

import pytest

import captures
from cli_support import RESPCLI, ROOT, TIMEOUT, Server, certificate, environment

PAGE = (ROOT / "docs" / "RESPCLI.md").read_text()
SECTION = re.search(r"^## For scripts\n(.*?)^## ", PAGE, re.M | re.S)[1]
RECIPES = [re.sub(r"^    ", "", block, flags=re.M) for block in re.findall(r"(?:^    .*\n)+", SECTION, re.M)]

# `respcli` as the recipes call it: at the server of the test unless they name another.
SHIM = """#!/bin/bash
exec {program} -p {port} "$@"
"""


class Place:
    """A folder with the files of the recipes, and the servers they speak to."""

    def __init__(self, folder):
        self.folder = folder
        self.servers = {"own": Server(), "other": Server(), "locked": Server("--requirepass", "secret")}
        self.server, self.other = self.servers["own"], self.servers["other"]
        self.write("redis", b"secret\n")

    def write(self, name, data):
        (self.folder / name).write_bytes(data)

    def read(self, name):
        return (self.folder / name).read_bytes()

    def run(self, recipe, server="own", stdin=b"", replace=()):
        for old, new in replace:
            assert old in recipe
            recipe = recipe.replace(old, str(new))
        tools = self.folder / "bin"
        tools.mkdir(exist_ok=True)
        (tools / "respcli").write_text(SHIM.format(program=RESPCLI, port=self.servers[server].port))
        (tools / "respcli").chmod(0o755)
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", recipe], cwd=self.folder, input=stdin, capture_output=True, timeout=TIMEOUT,
            env=environment({"PATH": f"{tools}:{os.environ['PATH']}"}))

    def close(self):
        for server in self.servers.values():
            server.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("recipes"))
    yield made
    made.close()


def output(done):
    assert (done.returncode, done.stderr) == (0, b""), done
    return done.stdout


def files(place, recipe):
    picture = bytes(range(256)) + b"\n\n"
    place.server.command("SET", "picture", picture)
    lines = recipe.splitlines()
    output(place.run(lines[0]))
    assert place.read("picture.png") == picture
    place.server.command("DEL", "picture")
    assert output(place.run(lines[1])) == b"OK\n"
    assert place.server.command("GET", "picture") == picture


def dump(place, recipe):
    place.server.command("RPUSH", "key", "a", b"\x00\n")
    assert output(place.run(recipe, replace=[("-h other", f"-p {place.other.port}")])) == b"OK\n"
    assert place.other.command("LRANGE", "key", 0, -1) == [b"a", b"\x00\n"]


def failing(place, recipe):
    assert output(place.run(recipe)) == b"1\n"
    place.server.command("SET", "counter", "x")
    done = place.run(recipe + "echo not here")
    assert (done.returncode, done.stdout) == (1, b"") and done.stderr == b"ERR value is not an integer or out of range\n"
    place.server.command("DEL", "counter")


def formats(place, recipe):
    place.server.command("HSET", "user:1", "name", 'A "quoted" name')
    place.server.command("RPUSH", "queue", "a,b", "c")
    assert output(place.run(recipe)) == b'{"name":"A \\"quoted\\" name"}\n"a,b","c"\n'


def scanning(place, recipe):
    for number in range(300):
        place.server.command("HSET" if number % 2 else "SET", f"session:{number}", *(["f"] if number % 2 else []), "v")
    assert sum(map(int, output(place.run(recipe)).split())) == 150
    assert place.server.command("EXISTS", "session:1", "session:2") == 1


def quoting(place, recipe):
    assert output(place.run(recipe)) == b"OK\n"
    assert place.server.command("GET", b"key\x00with\x00zeros") == b"value"


def many(place, recipe):
    place.write("commands.txt", b"SET a 1\nSET 'b c' \"2\\n\"\nMGET a 'b c'\n")
    place.write("requests.resp", b"*3\r\n$3\r\nSET\r\n$1\r\nd\r\n$1\r\n4\r\nINCR d\r\n")
    shown = output(place.run(recipe))
    assert shown.startswith(b"OK\nOK\n1\n2\n\n") and shown.endswith(b"errors: 0, replies: 2\n")
    assert place.server.command("GET", "d") == b"5"


def scripts(place, recipe):
    place.write("transfer.lua", b"redis.call('DECRBY', KEYS[1], ARGV[1]) return redis.call('INCRBY', KEYS[2], ARGV[1])")
    assert output(place.run(recipe)) == b"100\n"
    assert place.server.command("GET", "account:1") == b"-100"


def passwords(place, recipe):
    lines = recipe.splitlines()
    assert output(place.run(lines[0], "locked", replace=[("/run/secrets/", "")])) == b"PONG\n"
    assert output(place.run(lines[1], "locked", b"secret\nPING\n")) == b"PONG\n"


def encryption(place, recipe):
    with certificate() as (_, authority, encrypted, _):
        place.write("ca.pem", pathlib.Path(authority).read_bytes())
        assert output(place.run(recipe, replace=[("db.example:6380", f"localhost:{encrypted}")])) == b"PONG\n"


@pytest.mark.parametrize("path, names", [(captures.PAGES[0], list(captures.CAPTURES)), (captures.PAGES[1], ["prompt", "bench", "top"])],
                         ids=lambda value: value.name if isinstance(value, pathlib.Path) else "")
def test_every_screen_has_its_place(path, names):
    """`captures.py` makes the screens; here is only looked whether it would find their places, and that they are filled."""
    page = path.read_text()
    assert re.findall(r"^<!-- capture (.*) -->$", page, re.M) == names
    for name in names:
        changed, count = captures.replaced(page, name, "TEXT")
        assert count == 1 and changed.count("    TEXT\n") == 1
        block = re.search(rf"^<!-- capture {name} -->\n\n((?:    .*\n|\n(?=    ))+)", page, re.M)[1]
        assert ("127.0.0.1:6379" in block or "requests per second" in block) and block.count("\n") >= 3


CHECKS = [files, dump, failing, formats, scanning, quoting, many, scripts, passwords, encryption]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_recipe(place, check):
    assert len(RECIPES) == len(CHECKS), "each recipe has a check, in their order"
    check(place, RECIPES[CHECKS.index(check)])
