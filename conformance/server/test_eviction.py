"""maxmemory: memory stays within it, the right keys go, and whoever has to know is told.

What a key is worth is set with RESTORE, not by waiting. Redis counts its clients' buffers, so what is told of memory may be above the
limit by some of these.
"""
import bisect
import contextlib
import itertools
import os
import random
import threading

import pytest

from differential import random_commands
from support import server as servers
from support.effects import recorded
from support.resp import Connection, encode, eventually

OOM = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
SLACK = 512 << 10
VALUE = b"v" * 500


def info(client, section="everything"):
    lines = client("INFO", section).plain().decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


def used(client):
    return int(info(client, "memory")["used_memory"])


def evicted(client):
    return int(info(client, "stats")["evicted_keys"])


def bound(client, policy, room):
    """Allows `room` more bytes than are in use; returns the limit."""
    assert client("CONFIG", "SET", "maxmemory-policy", policy).value == b"OK"
    limit = used(client) + room
    assert client("CONFIG", "SET", "maxmemory", limit).value == b"OK"
    return limit


def settled(client):
    """Waits until no more is in use than allowed."""
    limit = int(client("CONFIG", "GET", "maxmemory").value[1].value)
    assert eventually(lambda: used(client) <= limit + SLACK // 4)


def batches(commands, size=200):
    commands = list(commands)
    for start in range(0, len(commands), size):
        yield commands[start:start + size]


def run(client, commands):
    for batch in batches(commands):
        for reply in client.pipeline(batch):
            assert not reply.is_error, reply


def worth(client, kind, names, milliseconds=0):
    """Makes the keys of each list with the same small value, of a worth that RESTORE sets, and with a deadline if one is given."""
    client("SET", "pattern", VALUE)
    payload = client("DUMP", "pattern").value
    client("DEL", "pattern")
    for value, keys in names.items():
        run(client, [("RESTORE", key, milliseconds, payload, kind, value) for key in keys])


def left(client, keys):
    return sum(reply.value for batch in batches(keys) for reply in client.pipeline([("EXISTS", key) for key in batch]))


# --- the limit -------------------------------------------------------------------------------------------------------------------------

POLICIES = ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"]


@pytest.mark.parametrize("policy", POLICIES)
def test_memory_stays_within_the_limit(policy, start):
    with start().connect() as client:
        if policy.startswith("volatile"):
            run(client, [("SET", f"stays:{number}", VALUE) for number in range(500)])
        limit = bound(client, policy, 2 << 20)
        highest = 0
        for batch in batches(("SET", f"key:{number}", VALUE, "EX", 1000 + number) for number in range(20_000)):
            for reply in client.pipeline(batch):
                assert reply.raw == b"+OK\r\n"
            highest = max(highest, used(client))
        assert limit - (1 << 20) < highest < limit + SLACK
        stays = 500 if policy.startswith("volatile") else 0
        assert left(client, [f"stays:{number}" for number in range(500)]) == stays
        client.pipeline([("MULTI",), ("DBSIZE",), ("INFO", "stats")])
        keys, text = client("EXEC").plain()
        assert 1000 < keys - stays < 6000
        assert f"\r\nevicted_keys:{20_000 - (keys - stays)}\r\n" in text.decode()


def test_maxmemory(start):
    """Without a policy that evicts, what would use more memory is refused, and all the rest goes on."""
    server = start("--maxmemory", "8mb")
    with server.connect() as client:
        replies = [reply.raw for batch in batches(("SET", f"key:{number}", VALUE) for number in range(30_000))
                   for reply in client.pipeline(batch)]
        accepted = replies.index(OOM)
        assert 5000 < accepted < 20_000 and set(replies[accepted + 1:]) <= {OOM, b"+OK\r\n"}
        assert used(client) < (8 << 20) + SLACK
        for command in [("APPEND", "key:0", "v"), ("SETRANGE", "key:0", 100_000, "v"), ("COPY", "key:0", "copy"), ("LPUSH", "l", 1),
                        ("RESTORE", "r", 0, client("DUMP", "key:0").value), ("BITOP", "NOT", "b", "key:0"), ("INCR", "n"),
                        ("SORT", "l", "STORE", "m"), ("SUNIONSTORE", "s", "t"), ("GETSET", "key:0", "v"), ("ZADD", "z", 1, "m")]:
            assert client(*command).raw == OOM, command
        fields = info(client)
        assert fields["evicted_keys"] == "0" and fields["maxmemory"] == str(8 << 20) and fields["maxmemory_human"] == "8.00M"
        assert fields["maxmemory_policy"] == "noeviction" and "errorstat_OOM" in fields
        assert client("GET", "key:0").value == VALUE and client("EXPIRE", "key:1", 1000).value == 1
        assert client("RENAME", "key:2", "key:3").value == b"OK"
        keys = [f"key:{number}" for number in range(3000)]
        assert client("DEL", *keys).value == 2999
        assert client("SET", "key:0", VALUE).raw == b"+OK\r\n"
        # All over again.
        assert OOM in [reply.raw for batch in batches(("SET", f"more:{number}", VALUE) for number in range(10_000))
                       for reply in client.pipeline(batch)]
        client("FLUSHALL")
        assert client("SET", "key:0", VALUE).raw == b"+OK\r\n"
        # No limit any more.
        client("CONFIG", "SET", "maxmemory", 0)
        run(client, [("SET", f"key:{number}", VALUE) for number in range(30_000)])


def test_no_key_may_go(start):
    with start().connect() as client:
        run(client, [("SET", f"key:{number}", VALUE) for number in range(5000)])
        for policy in POLICIES[3:]:
            bound(client, policy, -(1 << 20))
            assert client("SET", "new", VALUE, "EX", 100).raw == OOM
        client("CONFIG", "SET", "maxmemory", 0)
        for number in range(2000):
            client("EXPIRE", f"key:{number}", 10_000)
        bound(client, "volatile-lru", -(1 << 19))
        assert client("SET", "new", VALUE, "EX", 100).raw == b"+OK\r\n"
        assert left(client, [f"key:{number}" for number in range(2000, 5000)]) == 3000


def test_a_lower_limit_is_reached_without_commands(start):
    """Nobody but who asks for the memory sends anything."""
    with start().connect() as client:
        run(client, [("SET", f"key:{number}", VALUE) for number in range(20_000)])
        bound(client, "allkeys-random", -(8 << 20))
        settled(client)
        assert 1000 < client("DBSIZE").value < 10_000


def test_keys_of_all_databases_go(start):
    with start().connect() as client:
        for database in range(16):
            client("SELECT", database)
            worth(client, "IDLETIME", {90_000: [f"worthless:{number}" for number in range(500)],
                                       10: [f"worthy:{number}" for number in range(500)]})
        for policy, least in (("allkeys-lru", 470), ("allkeys-random", 200)):
            bound(client, policy, -(2 << 20))
            settled(client)
            client("CONFIG", "SET", "maxmemory", 0)
            for database in range(16):
                client("SELECT", database)
                # Among equals those of some databases may come first.
                assert policy == "allkeys-lru" or client("DBSIZE").value < 1000
                assert left(client, [f"worthy:{number}" for number in range(500)]) >= least
            client("SWAPDB", 0, 1)


# --- which keys ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy, kind, first, last", [
    ("allkeys-lru", "IDLETIME", 90_000, 10), ("volatile-lru", "IDLETIME", 90_000, 10),
    ("allkeys-lfu", "FREQ", 1, 200), ("volatile-lfu", "FREQ", 1, 200)])
def test_maxmemory_policy(policy, kind, first, last, start):
    with start("--maxmemory-policy", policy).connect() as client:
        worthless, worthy, others = ([f"{name}:{number}" for number in range(count)]
                                     for name, count in (("worthless", 4000), ("worthy", 4000), ("other", 400)))
        worth(client, kind, {first: worthless, last: worthy}, 100_000_000)
        worth(client, kind, {first: others})
        bound(client, policy, -(1 << 20))
        settled(client)
        assert left(client, worthless) < 3300
        assert left(client, worthy) > 3980
        if policy.startswith("volatile"):
            assert left(client, others) == 400


@pytest.mark.ours
@pytest.mark.parametrize("policy", ["allkeys-lrm", "volatile-lrm"])
def test_what_only_reads_a_key_does_not_keep_it(policy, start):
    with start("--maxmemory-policy", policy).connect() as client:
        read, written, others = ([f"{name}:{number}" for number in range(count)]
                                 for name, count in (("read", 4000), ("written", 4000), ("other", 400)))
        worth(client, "IDLETIME", {90_000: read + written}, 100_000_000)
        worth(client, "IDLETIME", {90_001: others})
        run(client, [("GET", key) for key in read] + [("APPEND", key, "") for key in written])
        assert client("OBJECT", "IDLETIME", "read:1").value >= 90_000 and client("OBJECT", "IDLETIME", "written:1").value < 100
        bound(client, policy, -(1 << 20))
        settled(client)
        assert left(client, read) < 3300
        assert left(client, written) > 3980
        if policy.startswith("volatile"):
            assert left(client, others) == 400


@pytest.mark.ours
def test_what_changes_a_key_makes_it_young(start):
    """Whatever runs it, and whatever it replies; what changes nothing leaves the key as old as it was."""
    script = "return redis.call('SET', KEYS[1], 'x', 'XX', 'GET')"
    changes = [("SET", "k", "2"), ("SET", "k", "2", "GET"), ("SET", "k", "2", "XX", "GET"), ("GETSET", "k", "2"),
               ("GETEX", "k", "EX", 900), ("EXPIRE", "k", 900), ("EVAL", script, 1, "k"), ("APPEND", "k", "x"), ("RENAME", "k", "k2")]
    others = [("SETNX", "k", "2"), ("SET", "k", "2", "NX"), ("EXPIRE", "k", 900, "XX"), ("PERSIST", "k"), ("GETEX", "k"), ("GET", "k"),
              ("EVAL_RO", "return redis.call('GET', KEYS[1])", 1, "k"), ("LPUSH", "k", "x"), ("TOUCH", "k"), ("COPY", "k", "k3")]
    with start("--maxmemory-policy", "noeviction").connect() as client:
        assert client("CONFIG", "SET", "maxmemory-policy", "allkeys-lrm").value == b"OK"
        client("SET", "source", "1")
        payload = client("DUMP", "source").value
        for isolated in (False, True):
            for command in changes + others:
                client("RESTORE", "k", 0, payload, "REPLACE", "IDLETIME", 5000)
                assert client("OBJECT", "IDLETIME", "k").value >= 5000
                if isolated:
                    client.pipeline([("MULTI",), command])
                    client("EXEC")
                else:
                    client(*command)
                idle = client("OBJECT", "IDLETIME", "k2" if command[0] == "RENAME" else "k").value
                assert (idle < 1000) == (command in changes), command
        # Reads that do not count as a use are none; what is changed is.
        client("RESTORE", "k", 0, payload, "REPLACE", "IDLETIME", 5000)
        client("CLIENT", "NO-TOUCH", "ON")
        client("SETRANGE", "k", 0, "x")
        assert client("OBJECT", "IDLETIME", "k").value < 1000


def test_what_is_to_be_logged_counts(start):
    """Within a transaction it is all still to be written."""
    with start().connect() as client:
        assert client("CONFIG", "SET", "appendonly", "yes").value == b"OK"
        assert eventually(lambda: info(client, "persistence")["aof_rewrite_in_progress"] == "0")
        before = used(client)
        value = b"v" * (4 << 20)
        client.pipeline([("MULTI",), ("SET", "key", value), ("INFO", "memory")])
        within = client("EXEC").plain()[1].decode()
        fields = dict(line.split(":", 1) for line in within.split("\r\n") if ":" in line)
        assert int(fields["mem_aof_buffer"]) >= len(value)
        assert int(fields["used_memory"]) - before >= 2 * len(value)
        assert eventually(lambda: used(client) - before < len(value) * 3 // 2)


@pytest.mark.ours
def test_a_large_value_waits_until_there_is_room(start):
    """However fast it is sent, no more is in use, and the system counts no more, than is allowed and a little."""
    limit = 64 << 20
    server = start("--maxmemory", str(limit), "--maxmemory-policy", "allkeys-lru")
    with server.connect() as client:
        run(client, [("SET", f"key:{number}", VALUE[: number % 300]) for number in range(300_000)])
        highest = 0
        server.forget_peak()
        for number in range(4):
            assert client("SET", f"large:{number}", b"x" * (20 << 20)).value == b"OK"
            highest = max(highest, used(client))
        # Some megabytes are received at once.
        assert highest < limit + (5 << 20)
        # The program itself, and pages that are not full, are small against it only where there is more.
        assert server.peak_bytes() < limit * 1.1 + (32 << 20)
        assert client("STRLEN", "large:3").value == 20 << 20


def test_keys_near_their_end_go_first(start):
    with start().connect() as client:
        soon, late = ([f"{name}:{number}" for number in range(4000)] for name in ("soon", "late"))
        run(client, [("SET", key, VALUE, "EX", 1000) for key in soon] + [("SET", key, VALUE, "EX", 100_000) for key in late])
        bound(client, "volatile-ttl", -(1 << 20))
        settled(client)
        assert left(client, soon) < 3300 and left(client, late) > 3980


def test_a_use_saves_a_key(start):
    """What was looked at as worthless before it was used."""
    with start().connect() as client:
        keys = [f"key:{number}" for number in range(4000)]
        worth(client, "IDLETIME", {90_000: keys})
        used_ones = keys[::4]
        bound(client, "allkeys-lru", -(64 << 10))
        settled(client)
        before = left(client, used_ones)
        run(client, [("TOUCH", key) for key in used_ones])
        bound(client, "allkeys-lru", -(512 << 10))
        settled(client)
        assert before - left(client, used_ones) < 20
        assert left(client, keys) < 3200


def test_random_keys_go_whatever_they_are_worth(start):
    with start().connect() as client:
        worthless, worthy = ([f"{name}:{number}" for number in range(4000)] for name in ("worthless", "worthy"))
        worth(client, "IDLETIME", {90_000: worthless, 10: worthy})
        bound(client, "allkeys-random", -(2 << 20))
        settled(client)
        assert abs(left(client, worthless) - left(client, worthy)) < 400
        assert left(client, worthy) < 3500


def test_maxmemory_samples(start):
    """The more keys are looked at, the surer the worst go."""
    def spared(samples):
        with start("--maxmemory-samples", samples).connect() as client:
            worth(client, "IDLETIME", {1000 * step: [f"key:{step}:{number}" for number in range(100)] for step in range(1, 81)})
            bound(client, "allkeys-lru", -(2 << 20))
            settled(client)
            return left(client, [f"key:{step}:{number}" for step in range(41, 81) for number in range(100)])
    assert spared(1) > spared(20)


def test_maxmemory_eviction_tenacity(start):
    """How much one command makes room for."""
    def gone(tenacity):
        with start("--maxmemory-eviction-tenacity", tenacity, "--maxmemory-policy", "allkeys-lru").connect() as client:
            run(client, [("SET", f"key:{number}", VALUE) for number in range(20_000)])
            # So little that no command waits for it to go.
            limit = used(client) * 63 // 64
            replies = client.pipeline([("CONFIG", "SET", "maxmemory", limit), ("SET", "new", "v"), ("INFO", "stats")])
            return int(replies[2].plain().split(b"evicted_keys:")[1].split(b"\r\n")[0])
    assert gone(0) < 100
    assert gone(100) > 250


@pytest.mark.ours
@pytest.mark.parametrize("policy", ["allkeys-lfu", "allkeys-lru", "allkeys-random"])
def test_as_many_hits_as_redis_has(policy, start):
    """A cache with room for 3,000 of 20,000 values, which are asked for as the law of Zipf has it."""
    weights = list(itertools.accumulate(1 / rank for rank in range(1, 20_001)))

    def hits(server):
        choices = random.Random(1)
        trace = [bisect.bisect(weights, choices.random() * weights[-1]) for _ in range(60_000)]
        with server.connect() as client:
            run(client, [("SET", f"key:{number}", VALUE) for number in range(3000)])
            assert eventually(lambda: int(info(client)["mem_clients_normal"]) < 1 << 17)
            room = used(client)
            client("FLUSHALL")
            client("CONFIG", "SET", "maxmemory-policy", policy, "maxmemory", room)
            found = 0
            for keys in batches(trace, 100):
                replies = client.pipeline([("GET", f"key:{number}") for number in keys])
                missing = {number for number, reply in zip(keys, replies) if reply.is_null}
                run(client, [("SET", f"key:{number}", VALUE) for number in missing])
                found += sum(not reply.is_null for reply in replies)
            assert evicted(client) > 5000
            return found
    ours, theirs = hits(start()), hits(start(binary=servers.reference()))
    assert ours > 30_000 and ours > 0.97 * theirs, (ours, theirs)


# --- values of all sizes ---------------------------------------------------------------------------------------------------------------


def test_a_large_value_makes_room_for_many(start):
    """It counts until it is freed, and meanwhile no others go for it."""
    with start("--lazyfree-lazy-eviction", "no", "--maxmemory-samples", "64").connect() as client:
        for batch in batches(range(100_000), 1000):
            client("HSET", "large", *[word for number in batch for word in (f"field:{number}", "value")])
        payload = client("DUMP", "large").value
        assert client("RESTORE", "large", 0, payload, "REPLACE", "IDLETIME", 90_000).value == b"OK"
        run(client, [("SET", f"key:{number}", VALUE) for number in range(20)])
        # What the client sent, and the value that was replaced, is no longer there.
        assert eventually(lambda: int(info(client)["mem_clients_normal"]) < 1 << 19)
        assert eventually(lambda: info(client)["lazyfree_pending_objects"] == "0")
        bound(client, "allkeys-lru", -(1 << 20))
        settled(client)
        assert eventually(lambda: client("EXISTS", "large").value == 0)
        assert left(client, [f"key:{number}" for number in range(20)]) >= 15


def test_large_values_come_and_go(start):
    with start().connect() as client:
        limit = bound(client, "allkeys-lru", 8 << 20)
        for number in range(200):
            replies = client.pipeline([
                ("SET", f"string:{number}", b"s" * 200_000), ("RPUSH", f"list:{number}", *[f"element {place}" for place in range(500)]),
                ("SADD", f"set:{number}", *[f"member {place}" for place in range(500)]), ("COPY", f"string:{number}", f"copy:{number}"),
                ("SETRANGE", f"range:{number}", 100_000, "x"), ("XADD", f"stream:{number}", "*", "field", b"v" * 1000)])
            assert not [reply for reply in replies if reply.is_error], replies
            assert used(client) < limit + (1 << 20)
            if number % 50 == 49:
                client("FLUSHALL")
        assert evicted(client) > 100


def test_a_value_that_arrives_counts(start):
    """Keys go while a large value comes in, and none go for it twice."""
    with start().connect() as client, client_of(client) as other:
        run(client, [("SET", f"key:{number}", VALUE) for number in range(40_000)])
        limit = bound(client, "allkeys-random", 1 << 20)
        size = 6 << 20
        other.socket.sendall(b"*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$%d\r\n" % size)
        other.socket.sendall(bytes(size - 1000))
        assert eventually(lambda: evicted(client) > 5000 and used(client) <= limit + SLACK // 4)
        other.socket.sendall(bytes(1000) + b"\r\n")
        assert other.read().raw == b"+OK\r\n"
        settled(client)
        size_of_one = int(client("MEMORY", "USAGE", "key:0").value or client("MEMORY", "USAGE", "large").value // 20_000)
        assert evicted(client) * size_of_one < 9 << 20
        assert client("STRLEN", "large").value in (size, 0)


# --- transactions, and those who watch or wait --------------------------------------------------------------------------------------


def test_transactions(start):
    aborted = b"-EXECABORT Transaction discarded because of previous errors.\r\n"
    with start().connect() as client, client_of(client) as other:
        client("SET", "k", "v")
        client("MULTI")
        client("SET", "a", "b")
        client("INCR", "n")
        other("CONFIG", "SET", "maxmemory", 1)
        assert client("EXEC").raw == (b"-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > "
                                      b"'maxmemory'.\r\n")
        assert client("EXISTS", "a", "n").value == 0
        assert client("EXEC").raw == b"-ERR EXEC without MULTI\r\n"
        # Queueing takes memory.
        for command in (("SET", "a", "b"), ("GET", "k"), ("SELECT", 1), ("PING",)):
            client("MULTI")
            assert client(*command).raw == OOM
            assert client("EXEC").raw == aborted
        client("MULTI")
        assert client("DISCARD").raw == b"+OK\r\n"
        assert client("WATCH", "k").raw == b"+OK\r\n"
        other("CONFIG", "SET", "maxmemory", 0)
        client("MULTI")
        client("GET", "k")
        other("CONFIG", "SET", "maxmemory", 1)
        assert client("EXEC").plain() == [b"v"]
        other("CONFIG", "SET", "maxmemory", 0)
        client("MULTI")
        client("CONFIG", "SET", "maxmemory", 1)
        client("SET", "a", "b")
        # What runs as a part of it is not looked at again.
        assert client("EXEC").plain() == [b"OK", b"OK"]


def client_of(client):
    """Another connection to the same server."""
    return Connection(client.socket.getpeername()[:2])


def test_a_watched_key_that_is_evicted_has_changed(start):
    with start().connect() as client, client_of(client) as other:
        client("SET", "k", "v")
        client("WATCH", "k")
        other("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        other("CONFIG", "SET", "maxmemory", 1)
        assert eventually(lambda: other("EXISTS", "k").value == 0)
        other("CONFIG", "SET", "maxmemory", 0)
        client("MULTI")
        client("PING")
        assert client("EXEC").is_null


def test_who_waits_for_an_evicted_key(start):
    with start().connect() as client, client_of(client) as other:
        other("XADD", "stream", "1-1", "a", "b")
        other("XGROUP", "CREATE", "stream", "group", "$")
        client.send("XREADGROUP", "GROUP", "group", "me", "BLOCK", 0, "STREAMS", "stream", ">")
        assert eventually(lambda: "blocked_clients:1\r\n".encode() in other("INFO", "clients").plain())
        other("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        other("CONFIG", "SET", "maxmemory", 1)
        assert client.read().is_error
        # A list that waits for elements is served with what was let in.
        other("CONFIG", "SET", "maxmemory", 0)
        client.send("BLMOVE", "list", "other list", "LEFT", "RIGHT", 0)
        assert eventually(lambda: "blocked_clients:1\r\n".encode() in other("INFO", "clients").plain())
        assert other("RPUSH", "list", "element").value == 1
        assert client.read().value == b"element"


def test_nothing_goes_during_a_pause(start):
    with start().connect() as client, client_of(client) as other:
        run(client, [("SET", f"key:{number}", VALUE) for number in range(2000)])
        other("CLIENT", "PAUSE", 100_000, "WRITE")
        bound(other, "allkeys-lru", -(512 << 10))
        client.send("SET", "new", "v")
        assert other("DBSIZE").value == 2000 and other("PING").value == b"PONG" and evicted(other) == 0
        other("CLIENT", "UNPAUSE")
        assert client.read().raw == b"+OK\r\n"
        assert evicted(other) > 0


# --- what is told ------------------------------------------------------------------------------------------------------------------------


def test_how_long_there_was_too_much(start):
    with start().connect() as client:
        assert info(client)["total_eviction_exceeded_time"] == info(client)["current_eviction_exceeded_time"] == "0"
        client("CONFIG", "SET", "maxmemory", 1)
        assert client("SET", "k", "v").raw == OOM
        assert eventually(lambda: int(info(client)["current_eviction_exceeded_time"]) > 0)
        client("CONFIG", "SET", "maxmemory", "1gb")
        client("SET", "k", "v")
        assert eventually(lambda: info(client)["current_eviction_exceeded_time"] == "0")
        assert int(info(client)["total_eviction_exceeded_time"]) > 0
        client("CONFIG", "RESETSTAT")
        assert info(client)["total_eviction_exceeded_time"] == "0"


@pytest.mark.ours
@pytest.mark.parametrize("policy", POLICIES)
def test_effects_give_the_same_data(policy, start):
    with start().connect() as client, client_of(client) as control, recorded(control) as effects:
        bound(client, policy, 1 << 20)
        for number in range(3000):
            key = f"{number % 700}"
            replies = client.pipeline([
                ("SET", f"string:{number}", VALUE, "EX", 1000 + number), ("RPUSH", f"list:{key}", VALUE), ("EXPIRE", f"list:{key}", 5000),
                ("HSET", f"hash:{key}", f"field:{number}", "v"), ("HEXPIRE", f"hash:{key}", 1000, "FIELDS", 1, f"field:{number}"),
                ("INCR", f"count:{key}"), ("EXPIRE", f"count:{key}", 500), ("MULTI",), ("SADD", f"set:{key}", number),
                ("APPEND", f"string:{number - 100}", "more"), ("EXEC",)])
            if number % 500 == 499:
                client("SELECT", number // 500)
            # Hashes have no deadlines of their own: where only keys with deadlines go, memory runs out.
            assert policy.startswith("volatile") or not [reply for reply in replies if reply.is_error]
        assert evicted(client) > 1000
        effects.check()
        # These requests are slow: the slow log grows, and would have another key go.
        client("CONFIG", "SET", "maxmemory", 0)
        gone = evicted(client)
        assert sum(words[0] == b"DEL" for words in effects.log()) == gone


@pytest.mark.ours
def test_effects_of_random_commands_under_limits(start):
    seed = os.environ.get("CONFORMANCE_SEED", "1")
    choices, commands = random.Random(seed), random_commands.Generator(seed)
    with start().connect() as client, client_of(client) as control, recorded(control) as effects:
        run(client, [("SET", f"fill:{number}", VALUE, *(("EX", 1000 + number) if number % 2 else ())) for number in range(800)])
        for _ in range(20):
            bound(control, choices.choice(["noeviction", *POLICIES]), choices.choice([300, 3000, -500, -5000]))
            client.pipeline([commands.command() for _ in range(50)])
        control("CONFIG", "SET", "maxmemory", 0)
        client("DISCARD")
        assert evicted(control) > 0
        effects.check()


@pytest.mark.ours
@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-lfu", "volatile-ttl", "volatile-random"])
def test_few_volatile_keys_among_many_with_fields_that_expire(policy, start):
    """Deadlines of fields do not make a key volatile. Those that are volatile may be hard to find: nothing is refused while there are some."""
    with start("--save", "").connect() as client:
        run(client, (command for number in range(30_000) for command in (
            ("HSET", f"h{number}", "f", "v"), ("HEXPIRE", f"h{number}", 100_000 + number, "FIELDS", 1, "f"))))
        run(client, (("SET", f"k{number}", VALUE * 4, "EX", 100_000) for number in range(60)))
        bound(client, policy, 20_000)
        run(client, (("SET", f"new{number}", VALUE * 4) for number in range(30)))
        settled(client)
        assert client("DBSIZE").value < 30_090 and client("EXISTS", "h0", "new0", "new29").value == 3


@pytest.mark.parametrize("command", [("SET", "k", "w"), ("SET", "k", "w", "EX", 100), ("SET", "k", "1"), ("GETSET", "k", "w"),
                                     ("BITOP", "OR", "k", "other"), ("SUNIONSTORE", "k", "set"), ("SORT", "set", "STORE", "k"),
                                     ("ZUNIONSTORE", "k", 1, "set"), ("ZRANGESTORE", "k", "sorted", 0, 1),
                                     ("GEOSEARCHSTORE", "k", "places", "FROMLONLAT", 1, 1, "BYRADIUS", 100, "km")],
                         ids=lambda words: " ".join(map(str, words)))
def test_frequency_outlives_the_value(command, start):
    with start("--save", "", "--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", 0).connect() as client:
        run(client, [("SET", "k", "v"), ("SET", "other", "x" * 100), ("SADD", "set", 1, 2, 3), ("ZADD", "sorted", 1, "a"),
                     ("GEOADD", "places", 1, 1, "here")])
        run(client, [("GET", "k")] * 50)
        before = client("OBJECT", "FREQ", "k").value
        run(client, [command])
        assert before >= 55 and before <= client("OBJECT", "FREQ", "k").value <= before + 2


@pytest.mark.ours
@pytest.mark.parametrize("limit", ["4mb", "10%"])
def test_clients_that_hold_most_are_closed(limit, start):
    server = start("--maxmemory-clients", limit, "--maxmemory", "0" if limit == "4mb" else "40mb")
    with server.connect() as control, server.connect() as small, server.connect() as kept:
        assert kept("CLIENT", "NO-EVICT", "ON").value == b"OK"
        kept.send_raw(b"*2\r\n$3\r\nGET\r\n$2000000\r\n" + b"x" * 1_900_000)
        large = []
        for _ in range(3):
            large.append(server.connect())
            large[-1].send_raw(b"*2\r\n$3\r\nGET\r\n$3000000\r\n" + b"x" * (2_300_000 + 200_000 * len(large)))
        assert eventually(lambda: info(control, "stats")["evicted_clients"] == "3")
        for one in large:
            assert one.read_until_close() == b""
            one.close()
        assert small("PING").value == b"PONG"
        kept.send_raw(b"x" * 100_000 + b"\r\n")
        assert kept.read(timeout=5).value is None
        assert control("CONFIG", "RESETSTAT").value == b"OK" and info(control, "stats")["evicted_clients"] == "0"
        assert "Evicting client: id=" in server.log_path.read_text()


def test_clients_go_before_keys(start):
    """What clients hold beyond their own limit costs no keys."""
    server = start("--maxmemory", "11mb", "--maxmemory-policy", "allkeys-lru", "--maxmemory-clients", "3mb")
    with server.connect() as control:
        control("CLIENT", "NO-EVICT", "ON")
        control.pipeline([("SETRANGE", number, 100_000, "x") for number in range(50)])
        readers = [server.connect(receive_buffer=4096) for _ in range(30)]
        for reader in readers:
            reader.send_raw(encode("GET", "1") * 100)
        assert eventually(lambda: int(info(control, "stats")["evicted_clients"]) > 0)
        assert info(control, "stats")["evicted_keys"] == "0" and control("DBSIZE").value == 50
        for reader in readers:
            reader.close()


@pytest.mark.ours
def test_who_is_closed_while_sending_sees_an_end(start):
    """Not an error of its connection, which would hide why: what it still sends is taken and thrown away."""
    server = start("--maxmemory-clients", "1mb")
    with server.connect() as control, server.connect(timeout=20) as large:
        large.send("SET", "k", "x" * 50_000_000)
        assert large.read_until_close(timeout=20) == b""
        assert eventually(lambda: info(control, "stats")["evicted_clients"] == "1") and control("EXISTS", "k").value == 0


@pytest.mark.ours
@pytest.mark.parametrize("before, after", [((50 << 10, 200 << 20), (100, 100 << 20)), ((100, 100 << 20), (50 << 10, 300 << 20)),
                                           ((100 << 10, 200 << 20), (40 << 10, 300 << 20))],
                         ids=["small over large", "large over small", "large over larger"])
def test_resident_memory_stays_near_the_limit(before, after, start):
    """Values of one size make room for those of another, which cannot be where they were."""
    limit = 200 << 20
    server = start("--save", "", "--maxmemory", limit, "--maxmemory-policy", "allkeys-random")
    with server.connect() as client:
        for name, (size, total) in (("old", before), ("new", after)):
            value = "x" * size
            for first in range(0, total // size, 2000):
                batch = [("SET", f"{name}:{number}", value) for number in range(first, min(first + 2000, total // size))]
                for part in range(0, len(batch), 100):
                    client.pipeline(batch[part:part + 100])
            peak = server.peak_bytes()
            assert peak < limit * 11 // 10, f"{peak >> 20} MB"
        assert evicted(client) > 0


@pytest.mark.ours
@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
def test_resident_memory_stays_near_the_limit_with_values_of_all_sizes(policy, start):
    """Pages of many sizes are never all in use: what is not counts."""
    limit = 200 << 20
    choices = random.Random(1)
    server = start("--save", "", "--maxmemory", limit, "--maxmemory-policy", policy)
    with server.connect() as client:
        sent = 0
        while sent < 3 * limit:
            values = ["x" * int(8 * 8192 ** choices.random()) for _ in range(50)]
            sent += sum(map(len, values))
            client.pipeline([("SET", choices.randrange(10 ** 9), value) for value in values])
        peak = server.peak_bytes()
        assert peak < limit * 11 // 10, f"{peak >> 20} MB"
        assert int(info(client, "memory")["used_memory"]) > limit * 3 // 4


@pytest.mark.ours
def test_what_others_than_keys_have_left_takes_no_room_from_them(start):
    """What malloc keeps of freed memory counts for the system; it is given back before keys go for it."""
    limit = 100 << 20
    server = start("--save", "", "--maxmemory", limit, "--maxmemory-policy", "allkeys-lru")
    with server.connect() as client:
        subscribers = [server.connect() for _ in range(20)]
        for number, subscriber in enumerate(subscribers):
            for first in range(0, 15_000, 1000):
                subscriber.pipeline([("SUBSCRIBE", f"channel:{number}:{place}") for place in range(first, first + 1000)])
        # Something behind it in memory stays.
        client("CLIENT", "SETNAME", "n" * 200)
        for subscriber in subscribers:
            subscriber.close()
        assert eventually(lambda: info(client, "clients")["connected_clients"] in (1, "1"))
        for size in (300_000, 1_000_000, 3_000_000, 20_000):
            for first in range(0, limit * 5 // 4 // size, 10):
                client.pipeline([("SET", f"{size}:{number}", "x" * size) for number in range(first, first + 10)])
            assert server.peak_bytes() < limit * 11 // 10, f"{server.peak_bytes() >> 10} KB after values of {size} bytes"
            # The program itself takes some 15 MB.
            assert used(client) > limit * 3 // 4, f"{used(client) >> 20} MB in use after values of {size} bytes"


MIXED = (8, 64 << 10)


@pytest.mark.ours
@pytest.mark.parametrize("policy, megabytes, sizes", [
    ("allkeys-random", 100, [MIXED, (100, 100), (3000, 3000)]), ("allkeys-random", 50, [MIXED, (100, 100), (3000, 3000)]),
    ("allkeys-lru", 100, [(17_000, 17_000), (10_000, 10_000), (14_000, 20_000), (500, 5000)]),
    ("allkeys-lru", 50, [(17_000, 17_000), MIXED, (65_536, 65_536), (20, 20)])])
def test_resident_memory_stays_near_the_limit_when_sizes_change_more_than_once(policy, megabytes, sizes, start):
    """What one size leaves is of no use to the next, in pages as well as between large blocks."""
    limit = megabytes << 20
    choices = random.Random(1)
    server = start("--save", "", "--maxmemory", limit, "--maxmemory-policy", policy)
    with server.connect() as client:
        for number, (least, most) in enumerate(sizes):
            sent = 0
            while sent < limit * 3 // 2:
                values = ["x" * int(least * (most / least) ** choices.random()) for _ in range(50)]
                sent += sum(len(value) + 40 for value in values)
                client.pipeline([("SET", f"{number}:{choices.randrange(10 ** 12)}", value) for value in values])
            peak = server.peak_bytes()
            assert peak < limit * 11 // 10, f"{peak >> 10} KB, phase {number}"
        used = int(info(client, "memory")["used_memory"])
        # The program itself takes some 15 MB.
        assert used > limit * 7 // 8 - (15 << 20), f"{used >> 20} MB"


@pytest.mark.ours
@pytest.mark.parametrize("megabytes, clients, size", [(50, 1, 100 << 20), (100, 50, 3 << 20), (50, 20, 5 << 20)])
def test_resident_memory_stays_near_the_limit_while_large_values_arrive(megabytes, clients, size, start):
    """They are received in small parts, between which room is made."""
    limit = megabytes << 20
    server = start("--save", "", "--maxmemory", limit, "--maxmemory-policy", "allkeys-lru")
    request = b"*3\r\n$3\r\nSET\r\n$4\r\n%04d\r\n$%d\r\n"
    with server.connect() as client:
        for first in range(0, limit // 200, 1000):
            client.pipeline([("SET", f"key:{number}", "x" * 100) for number in range(first, first + 1000)])
        value = b"x" * size + b"\r\n"
        replies = []

        def push(number):
            with server.connect() as other:
                for _ in range(2):
                    other.send_raw(request % (number, size) + value)
                    replies.append(other.read().raw)

        threads = [threading.Thread(target=push, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # A machine with much else to do is given some more: there it comes to 1.09.
        assert server.peak_bytes() < limit * 115 // 100, f"{server.peak_bytes() >> 10} KB"
        assert len(replies) == 2 * clients and set(replies) <= {b"+OK\r\n", OOM}
        assert size > limit or replies.count(b"+OK\r\n") > clients // 4


@pytest.mark.ours
@pytest.mark.parametrize("logged", ["no", "yes"])
@pytest.mark.parametrize("words", [("SET", "k"), ("GETSET", "k"), ("APPEND", "k"), ("HSET", "h", "f"), ("RPUSH", "l"), ("SADD", "s"), ("MULTI", "SET", "k")],
                         ids=lambda words: words[0])
def test_resident_memory_stays_near_the_limit_while_large_arguments_are_copied(words, logged, start):
    """Most commands copy them, and so does the log: room for that is made before."""
    limit, size = 200 << 20, 40 << 20
    server = start("--save", "", "--maxmemory", limit, "--maxmemory-policy", "allkeys-lru", "--appendonly", logged, "--appendfsync", "no")
    value = "x" * size
    with server.connect() as client:
        for first in range(0, limit // 250, 1000):
            client.pipeline([("SET", f"key:{number}", "x" * 200) for number in range(first, first + 1000)])
        server.forget_peak()
        for _ in range(3):
            if words[0] == "MULTI":
                assert client.pipeline([("MULTI",), (*words[1:], value), ("EXEC",)])[-1].plain() == [b"OK"]
            else:
                assert not client(*words, value).is_error
        assert server.peak_bytes() < limit * 112 // 100, f"{server.peak_bytes() >> 10} KB"
        assert evicted(client) > 0 and client("EXISTS", words[-1] if words[0] != "HSET" else "h").value == 1


# Short requests that make a large value, of the value of a key that is there or of nothing.
GROWING = [("COPY", "large", "new"), ("BITOP", "NOT", "new", "large"), ("RESTORE", "new", 0, "payload", "REPLACE"), ("SETRANGE", "new", "size", "x")]


@pytest.mark.ours
@pytest.mark.parametrize("words", GROWING, ids=lambda words: words[0])
def test_resident_memory_stays_near_the_limit_when_short_requests_make_large_values(words, start):
    """Room for them is made before, not of what they are made of."""
    limit, size = 200 << 20, 40 << 20
    server = start("--save", "", "--maxmemory", limit, "--maxmemory-policy", "allkeys-lru", "--enable-debug-command", "yes")
    with server.connect(timeout=60) as client:
        payload = b""
        if words[0] == "RESTORE":
            client("SET", "large", "x" * size)
            payload = client("DUMP", "large").value
            client("DEL", "large")
        client("DEBUG", "POPULATE", limit // 250, "key", 200)
        if "large" in words:
            client("SET", "large", random.Random(1).randbytes(size))
        # What was deleted has gone.
        assert eventually(lambda: server.resident_bytes() < limit * 106 // 100)
        server.forget_peak()
        words = [{"payload": payload, "size": size}.get(word, word) for word in words]
        for _ in range(3):
            client("RENAME", "new", "old")
            reply = client(*words)
            assert not reply.is_error and reply.plain() != 0, reply
        assert server.peak_bytes() < limit * 11 // 10, f"{server.peak_bytes() >> 10} KB"
        assert 0 < evicted(client) < limit // 250 and client("EXISTS", "new", *{"large"} & set(words)).value == 1 + ("large" in words)


@pytest.mark.ours
@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-ttl", "volatile-lru"])
def test_many_make_large_values_at_once(policy, start):
    """One after the other is made room for: none is refused, and what they are made of stays. Others are served meanwhile."""
    limit = 200 << 20
    server = start("--save", "", "--maxmemory", limit, "--maxmemory-policy", policy, "--enable-debug-command", "yes")
    with server.connect(timeout=60) as control:
        for index in range(100):
            control("EVAL", "for i = 1, 6000 do redis.call('set', KEYS[1] .. i, ARGV[1], 'EX', 1000 + i) end", 1, f"key:{index}:", "x" * 200)
        assert control("SET", "source", b"y" * (20 << 20), "EX", 500).value == b"OK"
        server.forget_peak()
        clients = [server.connect(timeout=60) for _ in range(6)]
        requests = [("COPY", "source", f"copy:{index}") for index in range(3)] + [
            ("SETRANGE", "range", 20 << 20, "x"), ("BITOP", "NOT", "inverted", "source"), ("SETBIT", "bit", 20 << 23, 1)]
        for client, request in zip(clients, requests):
            client.send(*request)
        assert control("PING").value == b"PONG" and control("GET", "key:99:6000").value in (b"x" * 200, None)
        assert not control("SET", "another", "x", "EX", 1000).is_error
        for client, request in zip(clients, requests):
            reply = client.read(60)
            assert not reply.is_error and (request[0] != "COPY" or reply.value == 1), (request, reply)
            client.close()
        assert server.peak_bytes() < limit * 11 // 10, f"{server.peak_bytes() >> 10} KB"
        # Nothing is kept back any more.
        assert eventually(lambda: control("SET", "last", "x" * (1 << 20), "EX", 1000).value == b"OK")


@pytest.mark.ours
def test_no_keys_go_for_commands_that_fail(start):
    limit = 100 << 20
    server = start("--save", "", "--maxmemory", limit, "--maxmemory-policy", "allkeys-lru", "--enable-debug-command", "yes")
    with server.connect(timeout=60) as client:
        client("SET", "large", random.Random(1).randbytes(30 << 20)), client("LPUSH", "list", "x"), client("SET", "there", "x")
        client("SET", "text", "x" * (30 << 20))
        payload = client("DUMP", "text").value
        client("DEL", "text"), client("DEBUG", "POPULATE", 200_000, "key", 150)
        before = client("DBSIZE").value
        assert evicted(client) == 0
        for words in [("COPY", "large", "there"), ("COPY", "large", "large"), ("COPY", "large", "new", "DB", 99), ("BITOP", "OR", "new", "large", "list"),
                      ("BITOP", "NOT", "new", "large", "large"), ("SETRANGE", "list", 30 << 20, "x"), ("SETBIT", "new", 30 << 23, 2), ("SETBIT", "list", 30 << 23, 1),
                      ("BITFIELD", "list", "SET", "u8", 30 << 23, 1), ("RESTORE", "there", 0, payload), ("RESTORE", "new", -1, payload),
                      ("RESTORE", "new", 0, payload[:-1] + b"x"), ("BITOP", "NOT", "large", "large"), ("SETRANGE", "large", 5, "x")]:
            reply = client(*words)
            assert reply.is_error or reply.value in (0, 30 << 20), (words, reply)
        assert client("DBSIZE").value == before and evicted(client) == 0


@pytest.mark.ours
@pytest.mark.parametrize("ending", ["closed", "killed", "no limit", "policy", "paused"])
def test_who_waits_for_room_goes_or_need_not_wait_any_more(ending, start):
    """With many small keys it takes a while; the next one is not kept waiting by one that has gone."""
    limit = 300 << 20
    server = start("--save", "", "--maxmemory", limit, "--maxmemory-policy", "allkeys-lru", "--enable-debug-command", "yes")
    with server.connect(timeout=60) as control, server.connect(timeout=60) as other, server.connect(timeout=60) as client:
        control("DEBUG", "POPULATE", limit // 130, "key", 90)
        client.send("SETRANGE", "a", 120 << 20, "x"), other.send("SETRANGE", "b", 120 << 20, "x")
        if ending == "closed":
            client.close()
        elif ending == "killed":
            assert control("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").value == 2
        elif ending == "no limit":
            assert control("CONFIG", "SET", "maxmemory", 0).value == b"OK"
        elif ending == "policy":
            assert control("CONFIG", "SET", "maxmemory-policy", "noeviction").value == b"OK"
        else:
            control("CLIENT", "PAUSE", 300, "ALL")
        if ending != "killed":
            reply = other.read(60)
            assert reply.value == (120 << 20) + 1 or reply.is_error and ending == "policy", reply
        with server.connect(timeout=60) as third:
            reply = third("SETRANGE", "c", 30 << 20, "x")
            assert reply.value == (30 << 20) + 1 or reply.is_error and ending == "policy", reply


@pytest.mark.ours
@pytest.mark.parametrize("megabytes", [50, 100])
def test_resident_memory_stays_near_the_limit_when_room_in_use_is_filled(megabytes, start):
    """Of a value that SETBIT made long no page is there but the last one, though all of it is in use."""
    limit = megabytes << 20
    server = start("--save", "", "--maxmemory", limit, "--maxmemory-policy", "allkeys-lru")
    with server.connect() as client:
        for number in range(megabytes - 2):
            client("SETBIT", f"key:{number}", (8 << 20) - 1, "1")
        for number in range(megabytes - 2):
            for place in range(0, 1 << 20, 64 << 10):
                client("SETRANGE", f"key:{number}", place, "x" * (64 << 10))
        assert server.peak_bytes() < limit * 11 // 10, f"{server.peak_bytes() >> 10} KB"
        assert int(info(client, "memory")["used_memory"]) > limit // 2


@pytest.mark.ours
@pytest.mark.parametrize("command", ["BGSAVE", "BGREWRITEAOF"])
def test_resident_memory_stays_near_the_limit_while_all_is_saved(command, start):
    """What is evicted before it was written is written first, and whoever needs room waits for it."""
    limit = 200 << 20
    choices = random.Random(1)
    server = start("--save", "", "--maxmemory", limit, "--maxmemory-policy", "allkeys-lru", "--appendonly", "yes" if command == "BGREWRITEAOF" else "no")

    def fill(client, name, total):
        while total > 0:
            # Not to be compressed.
            values = [choices.randbytes(int(17_000 * 12 ** choices.random())) for _ in range(4)]
            total -= sum(map(len, values))
            client.pipeline([("SET", f"{name}:{choices.randrange(10 ** 12)}", value) for value in values])

    with server.connect(timeout=60) as client:
        fill(client, "old", limit)
        server.forget_peak()
        for number in range(4):
            client(command)
            fill(client, number, limit // 2)
        assert server.peak_bytes() < limit * 11 // 10, f"{server.peak_bytes() >> 10} KB"
        assert evicted(client) > 0
        figures = ("rdb_bgsave_in_progress", "rdb_last_bgsave_status") if command == "BGSAVE" else ("aof_rewrite_in_progress", "aof_last_bgrewrite_status")
        assert eventually(lambda: info(client, "persistence")[figures[0]] == "0")
        assert info(client, "persistence")[figures[1]] == "ok"


@pytest.mark.ours
def test_nobody_waits_for_a_snapshot_while_there_is_room(start):
    """Much is kept for it, but far less than may be."""
    server = start("--save", "", "--maxmemory", "4gb", "--hz", 500, "--rdbcompression", "no")
    with server.connect(timeout=60) as client, server.connect(timeout=60) as writer:
        names = [f"long:{number}" for number in range(30)]
        run(client, [("SET", name, bytes(10 << 20)) for name in names])
        assert [reply.is_error for reply in client.pipeline([("BGSAVE",), ("DEL", *names)])] == [False, False]
        waiting, looks = 0, 0
        while (figures := info(client))["rdb_bgsave_in_progress"] == "1":
            writer.send("SET", "key", "value")
            looks += 1
            waiting += int(info(client, "clients")["blocked_clients"])
            assert writer.read().raw == b"+OK\r\n"
        assert figures["rdb_last_bgsave_status"] == "ok" and looks > 0 and waiting == 0, f"{waiting} of {looks}"


@pytest.mark.ours
def test_room_is_made_once_a_turn_for_all_who_wait(start):
    """Each of many clients would otherwise take its time for it, and all others would wait meanwhile."""
    server = start("--maxmemory-policy", "allkeys-random", "--maxmemory-eviction-tenacity", 0)
    with server.connect() as client, server.connect() as last, contextlib.ExitStack() as stack:
        writers = [stack.enter_context(server.connect()) for _ in range(60)]
        assert not client("DEBUG", "POPULATE", 100_000, "key", 20).is_error
        client.pipeline([("MULTI",), ("CONFIG", "SET", "maxmemory", used(client) // 2), ("DEBUG", "SLEEP", 0.5)])
        # What they send meanwhile is there in one turn.
        client.send("EXEC")
        for writer in writers:
            writer.send("SET", "key", "value")
        # Each time room is made, some keys go.
        assert evicted(last) < 16 * len(writers) // 2
        assert not client.read().is_error
        for writer in writers:
            assert writer.read(timeout=10).raw == b"+OK\r\n"


@pytest.mark.ours
def test_scripts_wait_until_there_is_room(start):
    """None adds to what the one before has written, which is far too much, and more than one turn evicts."""
    limit = 100 << 20
    server = start("--save", "", "--maxmemory", limit, "--maxmemory-policy", "allkeys-lru")
    script = "for i = 1, ARGV[1] do redis.call('SET', KEYS[1] .. i, string.rep('x', ARGV[2])) end return redis.status_reply('done')"
    with server.connect(timeout=60) as client, server.connect(timeout=60) as other:
        for number, size in enumerate((300, 300, 5000, 30_000, 200_000)):
            assert client("EVAL", script, 1, f"{number}:", limit // 2 // size, size).raw == b"+done\r\n"
            # As for any other command that may use more.
            assert other("SET", f"key:{number}", "value").raw == b"+OK\r\n"
            assert int(info(other, "memory")["used_memory"]) < limit * 11 // 10
        assert server.peak_bytes() < limit * 17 // 10, f"{server.peak_bytes() >> 10} KB"


@pytest.mark.ours
def test_who_waits_for_room_is_told_of_a_busy_script(start):
    """No key goes while it runs, which may be long."""
    server = start("--save", "", "--maxmemory-eviction-tenacity", 0, "--maxmemory-policy", "allkeys-random", "--busy-reply-threshold", 50)
    with server.connect(timeout=10) as client, server.connect(timeout=10) as writer, server.connect(timeout=10) as other:
        for _ in range(20):
            for hundred in range(1000):
                client("MSET", *itertools.chain(*((f"key:{hundred}:{number}", "x" * 100) for number in range(100))))
            limit = used(client) * 3 // 4
            client.send("CONFIG", "SET", "maxmemory", limit)
            writer.send("SET", "key", "value")
            other.send("EVAL_RO", "while true do end", 0)
            told = writer.read().raw
            assert client.read().raw == b"+OK\r\n"
            eventually(lambda: client("SCRIPT", "KILL").raw == b"+OK\r\n")
            assert b"killed" in other.read().raw
            client("CONFIG", "SET", "maxmemory", 0)
            # Unless all keys had gone before the script began.
            if told != b"+OK\r\n":
                break
        assert told.startswith(b"-BUSY ")


@pytest.mark.ours
def test_large_arguments_that_have_no_room_take_none(start):
    """What is refused anyhow is thrown away as it arrives, and what comes behind it is served."""
    limit = 100 << 20
    server = start("--save", "", "--maxmemory", limit)
    large = b"x" * (100 << 20)
    with server.connect(timeout=60) as client, server.connect(timeout=60) as other:
        client.pipeline([("SET", f"old:{number}", "x" * 50_000) for number in range(1600)])
        refused = b"OOM command not allowed when used memory > 'maxmemory'."
        for request in (("SET", "new", large), ("SET", "new", large, "EX", "10"), ("MSET", "a", large, "b", large), ("APPEND", "old:0", large),
                        ("LPUSH", "list", "first", large, "last")):
            client.send(*request)
            client.send("PING")
            reply = client.read()
            assert reply.is_error and reply.value == refused and client.read().value == b"PONG", request[:2]
        client.send("MULTI"), client.send("SET", "new", large), client.send("EXEC")
        assert client.read().value == b"OK" and client.read().value == refused
        assert client.read().value.startswith(b"EXECABORT")
        # Room that comes while it arrives does not make half of it a value.
        request = encode("SET", "new", large)
        before = int(info(other, "stats")["total_net_input_bytes"])
        client.send_raw(request[:60 << 20])
        assert eventually(lambda: int(info(other, "stats")["total_net_input_bytes"]) >= before + (60 << 20))
        other.pipeline([("DEL", f"old:{number}") for number in range(1600)])
        client.send_raw(request[60 << 20:])
        assert client.read().value == refused and other("DBSIZE").value == 0
        peak = server.peak_bytes()
        assert peak < limit * 11 // 10, f"{peak / 2 ** 20:.1f} MB"
        # Now there is room for one of them.
        assert client("SET", "new", large[:50 << 20]).value == b"OK" and client("STRLEN", "new").value == 50 << 20
