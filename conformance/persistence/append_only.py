"""What the tests of the append-only file have in common."""
import pathlib
import time

from persistence.test_background import fields
from support import server as servers

# What is acknowledged is in the file, too.
ON = ("--appendonly", "yes", "--appendfsync", "always")
DIRECTORY = "appendonlydir"


def request(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def folder(directory):
    return pathlib.Path(directory) / DIRECTORY


def names(directory):
    return sorted(path.name for path in folder(directory).iterdir() if path.suffix != ".lock")


def increment(directory):
    """The newest increment."""
    return max(folder(directory).glob("*.incr.aof"), key=lambda path: int(path.name.split(".")[-3]))


def manifest(directory):
    return (folder(directory) / "appendonly.aof.manifest").read_text().splitlines()


def rewrite(client):
    """Has the file rewritten, and waits for it."""
    before = fields(client)["aof_rewrites"]
    reply = client("BGREWRITEAOF")
    assert reply.value in (b"Background append only file rewriting started", b"Background append only file rewriting scheduled"), reply
    wait_for_rewrite(client, int(before) + 1)


def wait_for_rewrite(client, count=None):
    while True:
        shown = fields(client)
        if shown["aof_rewrite_in_progress"] == "0" and shown["aof_rewrite_scheduled"] == "0" and (count is None or int(shown["aof_rewrites"]) >= count):
            assert shown["aof_last_bgrewrite_status"] == "ok", shown
            return shown


def wait_until_history_is_gone(directory):
    """Until the manifests, and the files that they name, are all there is: what was before a rewrite is removed by and by."""
    while True:
        manifests = list(folder(directory).glob("*.manifest"))
        named = [line.split()[1] for path in manifests for line in path.read_text().splitlines()]
        if names(directory) == sorted([*named, *(path.name for path in manifests)]):
            return
        time.sleep(0.01)


def end(server):
    """Ends a server as its machine would that goes down, but for what the system keeps of its files."""
    server.kill()


def refused(begin, directory, *arguments):
    """What a server says that refuses to start; no file may have changed."""
    def content():
        # The lock says who had it last.
        return {path: path.read_bytes() for path in folder(directory).iterdir() if path.suffix != ".lock"}
    before = content()
    server = begin(servers.under_test(), directory, *ON, *arguments, ready=False)
    assert server.wait() == 1, server.output()
    assert content() == before
    return server.output()


def logged(begin, directory, count=60):
    """A log that ends with a transaction and some commands, the offsets of their ends, and how many keys there are then."""
    server = begin(servers.under_test(), directory, *ON, "--appendfsync", "always")
    ends = {}
    with server.connect() as client:
        for index in range(count):
            client("SET", f"key:{index}", "v" * index)
            ends[increment(directory).stat().st_size] = index + 1
        client("MULTI")
        for index in range(5):
            client("SET", f"transaction:{index}", "value")
        client("EXEC")
        ends[increment(directory).stat().st_size] = count + 5
        client("SET", "last", "value")
        ends[increment(directory).stat().st_size] = count + 6
    end(server)
    return increment(directory), increment(directory).read_bytes(), ends
