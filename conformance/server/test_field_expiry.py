"""Fields of hashes go when their time has come, whether or not anyone looks. Times are generous."""
import re
import time

import pytest

from support.resp import eventually


@pytest.fixture(params=["small", "large"])
def hashes(request, client):
    """A connection to a server whose hashes are packed, or are not."""
    if request.param == "large":
        client("CONFIG", "SET", "hash-max-listpack-entries", "0")
    yield client
    client("CONFIG", "SET", "hash-max-listpack-entries", "512")


def subkeys(client):
    return int(re.search(rb"expired_subkeys:(\d+)", client("INFO", "stats").plain())[1])


def test_fields_go_without_being_asked_for(hashes):
    hashes("CONFIG", "RESETSTAT")
    hashes.pipeline([["HSETEX", f"h{number % 20}", "PX", "200", "FIELDS", "1", f"f{number}", "v"] for number in range(1000)])
    hashes("HSET", "h0", "kept", "v")
    assert hashes("HLEN", "h1").value == 50
    assert eventually(lambda: hashes("DBSIZE").value == 1, seconds=5)
    assert hashes("HGETALL", "h0").as_pairs() == {b"kept": b"v"}
    assert subkeys(hashes) == 1000
    assert b"subexpiry=0" in hashes("INFO", "keyspace").plain()
    assert b"expired_keys:0\r\n" in hashes("INFO", "stats").plain()


def test_fields_go_no_later_than_keys(hashes):
    """A key and a field have the same deadline. DBSIZE and HLEN count what has expired and is not removed yet; when the key has gone, the field
    goes with the next few requests. Requests are counted, not time: that a machine is busy makes no difference to them."""
    for _ in range(20):
        hashes("HSET", "h", "kept", "v")
        deadline = int(time.time() * 1000) + 30
        hashes.pipeline([["HSETEX", "h", "PXAT", deadline, "FIELDS", "1", "f", "v"], ["SET", "k", "v", "PXAT", deadline]])
        late = 0
        while late < 5:
            keys, fields = [reply.value for reply in hashes.pipeline([["DBSIZE"], ["HLEN", "h"]])]
            if fields == 1:
                break
            late += keys == 1
            time.sleep(0.0002)
        assert late < 5, "the key has gone, and the field has not"


def test_the_server_wakes_up_for_fields(hashes):
    """Nobody asks for anything while a hundred fields run out one after the other. For each the server must have a turn of its own, of which
    it has only about ten a second otherwise. One that gets no processor for long may serve many at once, hence the tries."""

    def turns():
        return int(re.search(rb"eventloop_cycles:(\d+)", hashes("INFO", "stats").plain())[1])

    def wakes_up():
        begin = int(time.time() * 1000) + 50
        hashes.pipeline([["HSETEX", "h", "PXAT", begin + 5 * number, "FIELDS", "1", f"f{number}", "v"] for number in range(100)])
        before = turns()
        time.sleep(0.7)
        return turns() - before > 50

    assert eventually(wakes_up, seconds=60)
    assert eventually(lambda: hashes("DBSIZE").value == 0, seconds=5)


def test_not_before_their_time(hashes):
    hashes("HSETEX", "h", "PX", "700", "FIELDS", "1", "f", "v")
    begun = time.monotonic()
    while (reply := hashes("HGET", "h", "f").value) == b"v" and time.monotonic() - begun < 5:
        time.sleep(0.02)
    passed = time.monotonic() - begun
    assert reply is None and 0.6 < passed < 1.7


def test_deadlines_that_were_changed(hashes):
    hashes("HSET", "h", *[word for name in "sooner later never again counted".split() for word in (name, "1")])
    hashes("HEXPIRE", "h", "1000", "FIELDS", "1", "sooner")
    hashes("HPEXPIRE", "h", "100", "FIELDS", "4", "later", "never", "again", "counted")
    hashes("HPEXPIRE", "h", "100", "FIELDS", "1", "sooner")
    hashes("HEXPIRE", "h", "1000", "FIELDS", "1", "later")
    hashes("HPERSIST", "h", "FIELDS", "1", "never")
    hashes("HSET", "h", "again", "2")
    hashes("HINCRBY", "h", "counted", "1")
    time.sleep(0.4)
    assert sorted(hashes("HKEYS", "h").plain()) == [b"again", b"later", b"never"]
    assert hashes("HLEN", "h").value == 3


def test_hashes_that_move(hashes):
    for key in ("renamed", "copied", "moved", "swapped", "overwritten", "removed"):
        hashes("HSETEX", key, "PX", "150", "FIELDS", "1", "f", "v")
    hashes("RENAME", "renamed", "other")
    hashes("COPY", "copied", "copy")
    hashes("HPERSIST", "copied", "FIELDS", "1", "f")
    hashes("MOVE", "moved", "3")
    hashes("HSET", "overwritten", "f", "w")
    hashes("DEL", "removed")
    hashes("HSET", "removed", "f", "v")
    hashes("SWAPDB", "0", "1")
    time.sleep(0.4)
    hashes("SELECT", "1")
    assert sorted(hashes("KEYS", "*").plain()) == [b"copied", b"overwritten", b"removed"]
    hashes("SELECT", "3")
    assert hashes("DBSIZE").value == 0


def test_fields_of_every_database(hashes):
    for database in range(16):
        hashes("SELECT", database)
        hashes("HSETEX", "h", "PX", "100", "FIELDS", "1", "f", "v")
    assert eventually(lambda: hashes("INFO", "keyspace").plain() == b"# Keyspace\r\n", seconds=5)


def test_many_fields_of_one_hash_at_once_do_not_stop_others(server, client):
    """A hundred thousand fields of one hash run out in the same moment while another client works."""
    deadline = int(time.time() * 1000) + 4000
    for start in range(0, 100_000, 10_000):
        client.pipeline([["HSETEX", "h", "PXAT", deadline, "FIELDS", "2", f"f{number}", "v", f"g{number}", "v"]
                         for number in range(start, start + 10_000, 2)])
    longest = 0.0
    with server.connect() as other:
        other("SET", "kept", "v")
        while time.time() * 1000 < deadline + 700:
            begun = time.monotonic()
            other("INCR", "n")
            longest = max(longest, time.monotonic() - begun)
    assert longest < 1
    assert eventually(lambda: client("DBSIZE").value == 2, seconds=10)


def test_due_fields_wait_while_clients_are_paused_for_writing(server, client):
    client("HSETEX", "h", "PX", "50", "FIELDS", "1", "f", "v")
    client("CLIENT", "PAUSE", "400", "WRITE")
    time.sleep(0.15)
    assert client("HGET", "h", "f").is_null
    assert client("HLEN", "h").value == 1
    client("CLIENT", "UNPAUSE")
    assert eventually(lambda: client("HLEN", "h").value == 0, seconds=5)
