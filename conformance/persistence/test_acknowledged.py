"""What was acknowledged is there after a restart, and what was not whole is not, where parts of the server meet: renamed commands, pauses,
ends in the middle of a turn or of a script, hidden effects, flushes."""
import signal
import time

import pytest

from persistence.append_only import ON, end
from persistence.test_background import fields
from persistence.test_files import begin  # noqa: F401  (a fixture)
from support import server as servers
from support.resp import Closed, eventually

SERVERS = {"ours": servers.under_test, "redis": servers.reference}


@pytest.fixture(params=SERVERS)
def binary(request):
    return SERVERS[request.param]()


def test_renamed_commands_are_loaded(begin, binary, tmp_path):  # noqa: F811
    renamed = ("--rename-command", "SET", "SETX", "--rename-command", "INCRBY", "")
    server = begin(binary, tmp_path, *ON, *renamed)
    with server.connect() as client:
        assert client("SETX", "a", 1).value == b"OK"
        client("MULTI"), client("SETX", "b", 1), client("EXEC")
        # redis-server logs SET, which it does not know then.
        client("SETX", "c", 1, *("EX", 100) if binary == servers.under_test() else ()), client("INCR", "c")
        assert client("EVAL", "return redis.call('setx', 'd', 1)", 0).value == b"OK"
        assert client("DEBUG", "LOADAOF").value == b"OK"
    end(server)
    with begin(binary, tmp_path, *ON, *renamed).connect() as client:
        assert client("MGET", *"abcd").plain() == [b"1", b"1", b"2", b"1"]


@pytest.mark.parametrize("writes", [
    [("SETNX", "k", "new")], [("EVAL", "return redis.call('incr', KEYS[1])", 1, "k")], [("HSETNX", "h", "f", "new")], [("RENAME", "other", "k")]])
def test_a_pause_within_a_transaction(writes, begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path, *ON)
    with server.connect() as client:
        client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        client("SET", "other", "o"), client("SET", "k", 41, "PX", 20), client("HSET", "h", "f", "old", "g", "g"), client("HPEXPIRE", "h", 20, "FIELDS", 1, "f")
        time.sleep(0.05)
        client("MULTI"), client("CLIENT", "PAUSE", 60_000, "WRITE")
        for words in writes:
            client(*words)
        client("EXEC")
        shown = [client("GET", "k").value, client("HGET", "h", "f").value]
        assert client("CLIENT", "UNPAUSE").value == b"OK" and client("EXISTS", "k", "h", "other").value == client("DBSIZE").value
    end(server)
    with begin(servers.under_test(), tmp_path, *ON).connect() as client:
        assert [client("GET", "k").value, client("HGET", "h", "f").value] == shown


def test_expired_keys_stay_during_a_pause(begin, tmp_path):  # noqa: F811
    server = begin(servers.under_test(), tmp_path)
    with server.connect() as client:
        client("SET", "k", "v", "PX", 50), client("CLIENT", "PAUSE", 60_000, "WRITE")
        time.sleep(0.2)
        assert client("GET", "k").value is None and client("DBSIZE").value == 1
        client("CLIENT", "UNPAUSE")
        while client("DBSIZE").value:
            time.sleep(0.01)


@pytest.mark.parametrize("round", range(5))
def test_what_comes_with_the_end_is_not_acknowledged(round, begin, binary, tmp_path):  # noqa: F811
    server = begin(binary, tmp_path, "--save", "100 100")
    clients = [server.connect() for _ in range(20)]
    server.signal(signal.SIGSTOP)
    for index, client in enumerate(clients):
        client.send(*("SHUTDOWN",) if index == 3 else ("SET", f"k{index}", "v"))
    server.signal(signal.SIGCONT)
    acknowledged = []
    for index, client in enumerate(clients):
        try:
            acknowledged += [f"k{index}".encode()] if client.read().value == b"OK" else []
        except (Closed, ConnectionResetError):
            pass
        client.close()
    assert server.wait() == 0
    with begin(binary, tmp_path).connect() as client:
        assert set(client("KEYS", "*").plain()) >= set(acknowledged)


WRITES_AND_WAITS = "redis.call('set', 'a', 1) for step = 1, 100000000 do end redis.call('set', 'b', 1)"


@pytest.mark.parametrize("way", ["SHUTDOWN NOSAVE", signal.SIGTERM])
@pytest.mark.parametrize("settings", [ON, ("--save", "100 1")], ids=["logged", "saved"])
def test_an_end_within_a_script(way, settings, begin, binary, tmp_path):  # noqa: F811
    server = begin(binary, tmp_path, *settings, "--lua-time-limit", 50)
    with server.connect() as client, server.connect() as other:
        client.send("EVAL", WRITES_AND_WAITS, 0)
        while not other("PING").raw.startswith(b"-BUSY"):
            time.sleep(0.01)
        if way == signal.SIGTERM:
            server.signal(way)
        else:
            other.send(*way.split())
        assert server.wait() == 0
    with begin(binary, tmp_path, *settings).connect() as client:
        assert client("EXISTS", "a", "b").value == (2 if way == signal.SIGTERM else 0)


def test_what_expires_where_effects_are_hidden(begin, binary, tmp_path):  # noqa: F811
    server = begin(binary, tmp_path, *ON)
    with server.connect() as client:
        client("DEBUG", "SET-ACTIVE-EXPIRE", 0), client("SET", "q", "old", "PX", 20)
        time.sleep(0.05)
        script = """redis.set_repl(redis.REPL_NONE) redis.call('get', ARGV[1]) redis.call('set', 'hidden', 1)
            redis.set_repl(redis.REPL_ALL) return redis.call('setnx', ARGV[1], 'new')"""
        assert client("EVAL", script, 0, "q").value == 1
    end(server)
    with begin(binary, tmp_path, *ON).connect() as client:
        assert client("GET", "q").value == b"new" and client("EXISTS", "hidden").value == 0


@pytest.mark.parametrize("words", [("FLUSHALL",), ("FLUSHALL", "ASYNC")], ids=" ".join)
def test_a_flush_is_saved_before_it_is_acknowledged(words, begin, binary, tmp_path):  # noqa: F811
    server = begin(binary, tmp_path, "--save", "3600 1000000")
    with server.connect() as client:
        for index in range(100):
            client("SET", f"key:{index}", "v")
        assert client("SAVE").value == b"OK" and client(*words).value == b"OK"
        assert fields(client)["rdb_bgsave_in_progress"] == "0"
    server.kill()
    with begin(binary, tmp_path).connect() as client:
        assert client("DBSIZE").value == 0


def test_no_transaction_runs_while_data_is_loaded(begin, binary, tmp_path):  # noqa: F811
    """What was queued before data is loaded again is not run while it is: it would be done to half of the data, and be in no file."""
    server = begin(binary, tmp_path, "--appendonly", "yes")
    with server.connect(timeout=30) as client, server.connect(timeout=30) as loader, server.connect(timeout=30) as other:
        for index in range(3000):
            client.send("SET", f"key:{index}", "v")
        assert all(client.read().value == b"OK" for _ in range(3000))
        client("SET", "n", 5)
        for connection, words in ((client, ("INCR", "n")), (other, ("PING",))):
            connection("MULTI"), connection(*words)
        loader("CONFIG", "SET", "key-load-delay", 1000)
        loader.send("DEBUG", "LOADAOF")
        with server.connect() as watcher:
            assert eventually(lambda: watcher("PING").is_error)
        reply = client("EXEC")
        assert reply.raw.startswith(b"-EXECABORT Transaction discarded because of: LOADING"), reply
        assert other("EXEC").is_error
        assert loader.read(30).value == b"OK"
        assert client("GET", "n").value == b"5"
    end(server)
    with begin(binary, tmp_path, "--appendonly", "yes").connect() as client:
        assert client("GET", "n").value == b"5"
