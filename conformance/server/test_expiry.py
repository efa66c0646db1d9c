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
    client("SET", "k", "v", "PX", "1500")
    begun = time.monotonic()
    while (reply := client("GET", "k").value) == b"v" and time.monotonic() - begun < 5:
        time.sleep(0.02)
    passed = time.monotonic() - begun
    assert reply is None and 1.4 < passed < 2.5


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


def test_many_deadlines_at_once_do_not_stop_others(server, client):
    """A hundred thousand keys run out in the same second while another client works."""
    deadline = int(time.time() * 1000) + 2500
    for start in range(0, 100_000, 10_000):
        client.pipeline([["SET", f"k{number}", "v", "PXAT", deadline] for number in range(start, start + 10_000)])
    longest = 0.0
    with server.connect() as other:
        other("SET", "kept", "v")
        while time.time() * 1000 < deadline + 700:
            begun = time.monotonic()
            other("INCR", "n")
            longest = max(longest, time.monotonic() - begun)
    assert longest < 1
    assert eventually(lambda: client("DBSIZE").value == 2, seconds=10)


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
