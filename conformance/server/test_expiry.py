"""Keys go when their time has come, whether or not anyone looks. Times are generous here; how exact they are is measured elsewhere."""
import time

from support.resp import eventually


def test_keys_go_without_being_asked_for(server, client):
    client.pipeline([["SET", f"k{number}", "v", "PX", "200"] for number in range(1000)])
    client("HSET", "h", "f", "v")
    client("PEXPIRE", "h", "200")
    client("SET", "kept", "v")
    assert client("DBSIZE").value > 0
    assert eventually(lambda: client("DBSIZE").value == 1, seconds=5)
    assert client("KEYS", "*").plain() == [b"kept"]


def test_not_before_their_time(client):
    begun = time.monotonic()
    client("SET", "k", "v", "PX", "1500")
    assert eventually(lambda: client("GET", "k").is_null)
    assert time.monotonic() - begun >= 1.499


def test_deadlines_that_were_changed(client):
    client("SET", "sooner", "v", "EX", "1000")
    client("PEXPIRE", "sooner", "100")
    client("SET", "later", "v", "PX", "100")
    client("EXPIRE", "later", "1000")
    client("SET", "never", "v", "PX", "100")
    client("PERSIST", "never")
    client("SET", "again", "v", "PX", "100")
    client("SET", "again", "w")
    client("SET", "moved", "v", "PX", "100")
    client("RENAME", "moved", "renamed")
    client("SET", "copied", "v", "PX", "100")
    client("COPY", "copied", "copy")
    client("PERSIST", "copied")
    time.sleep(0.4)
    assert sorted(client("KEYS", "*").plain()) == [b"again", b"copied", b"later", b"never"]


def test_other_databases(client):
    for database in range(16):
        client("SELECT", database)
        client("SET", "k", "v", "PX", "100")
    client("SWAPDB", "0", "1")
    client("MOVE", "k", "3")
    assert eventually(lambda: client("INFO", "keyspace").plain() == b"# Keyspace\r\n", seconds=5)


def test_many_deadlines_at_once_do_not_stop_others(client):
    """A hundred thousand keys expire in the same moment, a part of them between any two requests of a client that works meanwhile."""
    def sizes_on_the_way():
        client.pipeline([["SET", f"k{number}", "v"] for number in range(100_000)])
        deadline = int(time.time() * 1000) + 2500
        client.pipeline([["PEXPIREAT", f"k{number}", deadline] for number in range(100_000)])
        sizes = {100_000}
        while min(sizes) > 0:
            sizes.add(client("DBSIZE").value)
        return len(sizes) - 2
    # A client that does not come to run just then sees nothing of it.
    assert any(sizes_on_the_way() >= 5 for _ in range(5))


def test_expired_keys_are_counted_once(client):
    client("CONFIG", "RESETSTAT")
    client.pipeline([["SET", f"k{number}", "v", "PX", "50"] for number in range(300)])
    assert eventually(lambda: client("DBSIZE").value == 0, seconds=5)
    client.pipeline([["GET", f"k{number}"] for number in range(300)])
    assert b"expired_keys:300\r\n" in client("INFO", "stats").plain()


def test_a_deadline_is_absolute_for_a_sleeping_server(client):
    client("SET", "k", "v", "PX", "300")
    client("DEBUG", "SLEEP", "0.6")
    assert client("GET", "k").is_null
    client("SET", "k", "v", "PX", "300")
    assert client.pipeline([["DEBUG", "SLEEP", "0.6"], ["EXISTS", "k"]])[1].value == 0
