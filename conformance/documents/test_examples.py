"""The examples of README.md and of comments: Swift ones compile and run, others do what the text around them says."""
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import redis

from support import server as servers
from support.resp import Connection

ROOT = servers.ROOT
BUILD = ROOT / ".build" / "release"
README = (ROOT / "README.md").read_text()


def indented_blocks(text):
    """Runs of lines that are indented by four spaces, empty lines within them included."""
    for match in re.finditer(r"(?:^    .*\n(?:\n(?=    ))*)+", text, re.MULTILINE):
        yield re.sub(r"^    ", "", match[0], flags=re.MULTILINE)


def readme_example(*words):
    """The one example with all of `words` in it."""
    found = [block for block in indented_blocks(README) if all(word in block for word in words)]
    assert len(found) == 1, f"{len(found)} examples with {words}"
    return found[0]


def comment_examples():
    """(file, example) for each example in a comment of the sources that looks like Swift."""
    for path in sorted((ROOT / "Sources").rglob("*.swift")):
        for comment in re.findall(r"(?:^ *//.*\n)+", path.read_text(), re.MULTILINE):
            text = re.sub(r"^ *///? ?", "", comment, flags=re.MULTILINE)
            for block in indented_blocks(text):
                if re.search(r"^(let|var|import|try|_ =|func|struct|final|for|if|guard) ", block, re.MULTILINE):
                    yield path.relative_to(ROOT), block


def run_swift(source, directory):
    """Compiles a program with the modules of the release build, runs it and returns its output."""
    if "import StoreEngine" not in source:
        source = "import StoreEngine\n" + source
    program = directory / "main.swift"
    program.write_text(source)
    objects = [str(path) for module in ("RespCodec", "StoreEngine") for path in (BUILD / f"{module}.build").glob("*.o")]
    compiled = subprocess.run(["swiftc", "-swift-version", "6", "-I", BUILD / "Modules", "-I", ROOT / "Sources" / "CLinux", program,
                               *objects, "-o", directory / "program"], capture_output=True, text=True, timeout=300)
    assert compiled.returncode == 0, compiled.stderr
    return subprocess.run([directory / "program"], capture_output=True, timeout=20, check=True).stdout


@pytest.mark.skipif(shutil.which("swiftc") is None, reason="no Swift compiler")
@pytest.mark.ours
class TestSwift:
    def test_readme(self, tmp_path):
        example = readme_example("import StoreEngine")
        assert run_swift(example + 'print(String(decoding: reply, as: UTF8.self))\n', tmp_path) == b"$5\r\nhello\r\n\n"
        assert r'the bytes "$5\r\nhello\r\n"' in example

    def test_there_are_examples_in_comments(self):
        assert {str(path) for path, _ in comment_examples()} >= {"Sources/StoreEngine/Engine/Engine.swift"}

    @pytest.mark.parametrize("path, example", list(comment_examples()), ids=lambda value: str(value).split("\n")[0][-40:])
    def test_comments(self, path, example, tmp_path):
        assert run_swift(example + 'print(String(decoding: reply, as: UTF8.self))\n', tmp_path) == b"$5\r\nhello\r\n\n"


# --- the start -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.ours
def test_start(start):
    """The lines of the block, with the port of a test's server."""
    assert readme_example("swift build -c release\n.build/release/resp-server").count("\n") == 2
    server = start()
    outputs = []
    for line in readme_example("respcli set greeting").splitlines():
        words = line.replace(".build/release/respcli", f"{BUILD / 'respcli'} -p {server.port}").split()
        outputs.append(subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout)
    assert outputs == ["OK\n", "hello\n"]
    command = re.search(r'python3 -c "(.*)"', readme_example("pip install redis"))[1]
    shown = subprocess.run([sys.executable, "-c", command.replace("Redis()", f"Redis(port={server.port})")], capture_output=True,
                           text=True, timeout=20, check=True).stdout
    assert shown == "b'hello'\n"


@pytest.mark.skipif(shutil.which("swiftc") is None, reason="no Swift compiler")
@pytest.mark.ours
def test_programs_that_need_glibc_alone(tmp_path):
    """The commands build a package that is quick to build, in place of this one."""
    (tmp_path / "Sources" / "resp-server").mkdir(parents=True)
    (tmp_path / "Sources" / "resp-server" / "main.swift").write_text('print(["a": 1].keys.sorted())\n')
    (tmp_path / "Package.swift").write_text(
        '// swift-tools-version: 6.2\nimport PackageDescription\n'
        'let package = Package(name: "resp-server", targets: [.executableTarget(name: "resp-server")])\n')
    commands = readme_example("--static-swift-stdlib").split("\ninstall ")[0]
    subprocess.run(["bash", "-e", "-c", commands], cwd=tmp_path, timeout=300, check=True, capture_output=True)
    program = tmp_path / ".build" / "release" / "resp-server"
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    libraries = {pathlib.Path(line.split()[0]).name for line in listed.splitlines()}
    assert {name.split(".")[0] for name in libraries} <= {"linux-vdso", "libc", "libm", "ld-linux-x86-64", "ld-linux-aarch64"}
    assert subprocess.run([program], capture_output=True, check=True).stdout == b'["a"]\n'


@pytest.mark.ours
def test_what_there_is_not_is_not_there(client):
    missing = README.split("## What there is not yet", 1)[1].split("\n## ", 1)[0]
    named = {word for quoted in re.findall(r"`([A-Z]+(?: [A-Z]+)?)`", missing) for word in [quoted]}
    assert named
    for name in named:
        words = name.split() + ["x"] * 3
        assert client(*words).raw.startswith(b"-ERR unknown"), name


# --- moving in and out -----------------------------------------------------------------------------------------------------------------


DATA = [
    ("SET", "text", "caf\u00e9 \r\n \x00"), ("SET", "number", "12345"), ("SET", "long", "x" * 100_000), ("SET", "due", "v", "EX", "5000"),
    ("SET", "name with spaces", "v"), ("SETBIT", "bits", "1000", "1"), ("PFADD", "hll", *"abcdefg"),
    ("RPUSH", "list", *[f"element {number}" for number in range(3)]), ("RPUSH", "long list", *[f"e{number}" * 20 for number in range(2000)]),
    ("SADD", "integers", "1", "2", "3"), ("SADD", "set", "a", "b"), ("SADD", "large set", *[f"m{number}" for number in range(2000)]),
    ("ZADD", "zset", "1.5", "a", "-inf", "b"), ("ZADD", "large zset", *[word for number in range(1000) for word in (number / 3, f"m{number}")]),
    ("HSET", "hash", "f", "v"), ("HSET", "large hash", *[word for number in range(1000) for word in (f"f{number}", "v")]),
    ("XADD", "stream", "1-1", "f", "v"), ("XADD", "stream", "1-2", "f", "v"), ("XGROUP", "CREATE", "stream", "group", "0"),
    ("XREADGROUP", "GROUP", "group", "me", "COUNT", "1", "STREAMS", "stream", ">"), ("EXPIRE", "stream", "9000"),
]


def fill(server, has_consumers=True):
    with server.connect() as client:
        for command in DATA if has_consumers else [command for command in DATA if command[0] != "XREADGROUP"]:
            assert not client(*command).is_error, command


def look(server):
    """All that there is, in a form that does not depend on how a server stores it."""
    reads = {b"string": lambda k: ("GET", k), b"list": lambda k: ("LRANGE", k, 0, -1), b"set": lambda k: ("SMEMBERS", k),
             b"zset": lambda k: ("ZRANGE", k, 0, -1, "WITHSCORES"), b"hash": lambda k: ("HGETALL", k), b"stream": lambda k: ("XRANGE", k, "-", "+")}
    found = {}
    with server.connect() as client:
        for key in client("KEYS", "*").plain():
            kind = client("TYPE", key).plain()
            value = client(*reads[kind](key)).plain()
            if kind == b"zset":     # 7.0 writes 17 digits, others as few as will do
                value = [(value[index], float(value[index + 1])) for index in range(0, len(value), 2)]
            if kind in (b"set", b"hash"):
                value = sorted(value) if kind == b"set" else sorted(zip(value[::2], value[1::2]))
            lives = client("TTL", key).value
            pending = client("XPENDING", key, "group").plain() if kind == b"stream" else None
            found[key] = (kind, value, lives > 0, pending)
    return found


@pytest.fixture(params=["redis", "newer redis"])
def other(request, start):
    """A Redis to come from or to go to."""
    binary = servers.reference() if request.param == "redis" else servers.newer_redis()
    return start(binary=binary)


@pytest.mark.ours
def test_moving_in(other, start):
    fill(other)
    server = start()
    command = readme_example("MIGRATE").replace("6379", str(server.port)).replace("6380", str(other.port))
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", command], timeout=60, check=True, stdout=subprocess.DEVNULL)
    assert len(look(server)) > 15 and look(server) == look(other)


@pytest.mark.ours
def test_moving_out(other, start):
    server = start()
    # Streams that have consumers are for 7.2 and later.
    fill(server, has_consumers=other.binary != servers.reference())
    command = readme_example("MIGRATE").replace("6379", str(other.port)).replace("6380", str(server.port))
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", command], timeout=60, check=True, stdout=subprocess.DEVNULL)
    assert len(look(server)) > 15 and look(server) == look(other)


@pytest.mark.ours
def test_moving_in_to_a_server_with_a_password(other, start):
    fill(other)
    server = start("--requirepass", "secret")
    command = readme_example("MIGRATE").replace("6379", str(server.port)).replace("6380", str(other.port))
    command = command.replace(" KEYS", " AUTH secret KEYS")
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", command], timeout=60, check=True, stdout=subprocess.DEVNULL)
    with server.connect(password="secret") as client, Connection(other.address) as theirs:
        assert client("DBSIZE").value == theirs("DBSIZE").value > 15


@pytest.mark.ours
@pytest.mark.parametrize("direction", ["out", "in"])
def test_moving_key_by_key(direction, other, start):
    server = start()
    source, target = (server, other) if direction == "out" else (other, server)
    # Streams that have consumers are for 7.2 and later.
    fill(source, has_consumers=direction == "in" or other.binary != servers.reference())
    with source.connect() as client:
        client("SET", "a\nb", "v")
    program = readme_example("scan_iter").replace("6379", str(source.port)).replace("6380", str(target.port))
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)
    assert len(look(target)) > 15 and look(target) == look(source)


@pytest.mark.ours
def test_hashes_with_field_deadlines_move_only_to_who_knows_them(start):
    server, old, new = start(), start(binary=servers.reference()), start(binary=servers.newer_redis())
    with redis.Redis(port=server.port) as source:
        source.hset("h", "f", "v")
        source.execute_command("HEXPIRE", "h", 1000, "FIELDS", 1, "f")
    program = readme_example("scan_iter").replace("6379", str(server.port))
    refused = subprocess.run([sys.executable, "-c", program.replace("6380", str(old.port))], capture_output=True, timeout=60)
    assert refused.returncode == 1 and b"DUMP payload version" in refused.stderr
    subprocess.run([sys.executable, "-c", program.replace("6380", str(new.port))], timeout=60, check=True)
    with new.connect() as client:
        assert 0 < client("HTTL", "h", "FIELDS", 1, "f").plain()[0] <= 1000


@pytest.mark.ours
def test_commands_from_a_file(start):
    server = start()
    command = readme_example("--pipe").replace("6379", str(server.port))
    done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", command], timeout=60, check=True, capture_output=True)
    assert b"errors: 0, replies: 3" in done.stdout
    with server.connect() as client:
        assert client("MGET", "page:1", "page:2", "page:3").plain() == [b"hits"] * 3
