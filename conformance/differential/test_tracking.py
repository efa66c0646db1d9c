"""Client-side caching with several clients: what each is told, compared with redis-server 8.2."""
import random

import pytest

from support.resp import eventually

KEYS = [f"k{number}" for number in range(8)] + ["user:1", "user:2", "user:10", "item:1", "h", "l"]
PREFIXES = ["user:", "user:1", "item:", "k", "k1", "h", ""]
pytestmark = pytest.mark.since72


def drained(connection):
    """What has come: pushes and replies up to an ECHO's."""
    connection.send("ECHO", "end of messages")
    found = []
    while (raw := connection.read().raw) != b"$15\r\nend of messages\r\n":
        found.append(raw)
    return found


def without_order(told):
    """Prefixes are gone through in any order, and so are readers."""
    return sorted(told)


def tracking_options(rng, scripts):
    # redis-server tells a client of BCAST what its own scripts change, NOLOOP or not.
    mode = rng.random()
    if mode < 0.4:
        prefixes = rng.sample(PREFIXES, rng.choice([0, 1, 1, 2]))
        return ["BCAST", *[word for prefix in prefixes for word in ("PREFIX", prefix)], *([] if scripts else rng.choice([[], ["NOLOOP"]]))]
    return [*rng.choice([[], [], ["OPTIN"], ["OPTOUT"]]), *rng.choice([[], ["NOLOOP"]])]


def script(rng, key, other):
    """What a script reads its client has read, and what it changes its client has changed."""
    reads = rng.choice(["return redis.pcall('get', KEYS[1])", "return {redis.pcall('get', KEYS[1]), redis.pcall('strlen', KEYS[2])}",
                           "redis.pcall('get', KEYS[2]) return redis.pcall('exists', KEYS[1], KEYS[2])", "return 1"])
    writes = rng.choice(["return redis.call('set', KEYS[1], 'x')", "redis.pcall('get', KEYS[1]) return redis.call('del', KEYS[1])",
                            "redis.call('set', KEYS[1], 'x') return redis.pcall('get', KEYS[1])"])
    name, text = rng.choice([("EVAL", reads), ("EVAL_RO", reads), ("EVAL", writes)])
    return [name, text, 2, key, other]


def command(rng, scripts):
    key, other = rng.choice(KEYS), rng.choice(KEYS)
    if scripts and rng.random() < 0.2:
        return script(rng, key, other)
    return rng.choice([
        ["GET", key], ["GET", key], ["MGET", key, other], ["EXISTS", key, other], ["TTL", key], ["STRLEN", key], ["HGETALL", key],
        ["SET", key, "v"], ["DEL", key, other], ["HSET", key, "f", "v"], ["RPUSH", key, "a"], ["RENAME", key, other], ["LPOP", key],
        ["MSET", key, 1, other, 2], ["EXPIRE", key, 100], ["PERSIST", key], ["SELECT", "0"], ["PING"], ["APPEND", key, "x"],
        ["COPY", key, other], ["SINTERSTORE", key, other], ["FLUSHDB"] if rng.random() < 0.1 else ["TYPE", key],
    ])


def play(server, seed):
    scripts = seed % 2 == 1
    rng, found = random.Random(seed), []
    clients = [server.connect(protocol=3) for _ in range(4)]
    try:
        with server.connect() as control:
            control("FLUSHALL")
            for _ in range(200):
                client = rng.choice(clients)
                what = rng.random()
                if what < 0.1:
                    found.append(client("CLIENT", "TRACKING", "ON", *tracking_options(rng, scripts)).raw)
                elif what < 0.14:
                    found.append(client("CLIENT", "TRACKING", "OFF").raw)
                elif what < 0.22:
                    found.append(client("CLIENT", "CACHING", rng.choice(["YES", "NO"])).raw)
                elif what < 0.27:
                    found.append(client("CLIENT", "TRACKINGINFO").raw)
                elif what < 0.33:
                    requests = [["MULTI"], *[command(rng, scripts) for _ in range(rng.randrange(1, 5))], ["EXEC"]]
                    for request in requests:
                        client.send(*request)
                else:
                    client.send(*command(rng, scripts))
                # When it has been answered, what is told of keys is on its way to all.
                own = drained(client)
                found.append([without_order(drained(one) + (own if one is client else [])) for one in clients])
                if rng.random() < 0.1:
                    info = dict(line.split(":", 1) for line in control("INFO").plain().decode().splitlines() if ":" in line)
                    found.append({name: info[name] for name in ("tracking_clients", "tracking_total_prefixes")})
    finally:
        for client in clients:
            client.close()
    return found


@pytest.mark.parametrize("seed", range(12))
def test_random_clients(seed, server, newer_redis):
    tested, wanted = play(server, seed), play(newer_redis, seed)
    for step, (one, other) in enumerate(zip(tested, wanted)):
        assert one == other, f"seed {seed} step {step}"


def test_redirection_to_a_subscriber(server, newer_redis):
    """RESP2: whoever is told instead is a subscriber. Both protocols on either side."""
    def told(one):
        found = []
        for readers, receivers in [(2, 2), (3, 2), (3, 3), (2, 3)]:
            with one.connect(protocol=readers) as reader, one.connect(protocol=receivers) as receiver, one.connect() as writer:
                identity = str(receiver("CLIENT", "ID").value)
                if receivers == 2:
                    found.append(receiver("SUBSCRIBE", "__redis__:invalidate").raw)
                found += [reader("CLIENT", "TRACKING", "ON", "REDIRECT", identity).raw, reader("GET", "k").raw]
                found.append(reader("CLIENT", "GETREDIR").value == int(identity))
                writer("SET", "k", "v")
                found.append(receiver.read().raw)
                reader("GET", "k")
                found.append(reader("SET", "k", "own").raw)
                found.append(receiver.read().raw)
                found.append(reader("CLIENT", "TRACKING", "OFF").raw)
                found.append(reader("CLIENT", "TRACKING", "ON", "BCAST", "REDIRECT", identity).raw)
                writer("MSET", "b", "1", "a", "1")
                found.append(receiver.read().raw)
                if readers == receivers:
                    writer("FLUSHALL")
                    found.append(receiver.read().raw)
                found.append(reader("PING").raw)
        return found
    assert told(server) == told(newer_redis)


def test_a_redirection_whose_client_has_gone(server, newer_redis):
    def told(one):
        found = []
        with one.connect(protocol=3) as reader, one.connect() as writer:
            with one.connect(protocol=3) as receiver:
                identity = str(receiver("CLIENT", "ID").value)
                reader("CLIENT", "TRACKING", "ON", "REDIRECT", identity)
            name = str(reader("CLIENT", "ID").value)
            eventually(lambda: b"id=%s " % identity.encode() not in writer("CLIENT", "LIST").plain())
            found.append([field for field in writer("CLIENT", "LIST", "ID", name).plain().split() if field[:6] in (b"flags=", b"redir=")][:1])
            found.append(reader("GET", "k").raw)
            writer("SET", "k", "v")
            found.append(reader.read().raw.replace(identity.encode(), b"ID"))
            found.append(reader("CLIENT", "TRACKINGINFO").raw.replace(identity.encode(), b"ID"))
            found.append([field for field in writer("CLIENT", "LIST", "ID", name).plain().split() if field.startswith(b"flags=")])
        return found
    assert told(server) == told(newer_redis)


def test_what_clients_and_info_tell(server, newer_redis):
    def told(one):
        found = []
        with one.connect(protocol=3) as reader, one.connect(protocol=3) as other, one.connect() as control:
            ids = [str(client("CLIENT", "ID").value) for client in (reader, other)]

            def look():
                for name in ids:
                    fields = control("CLIENT", "LIST", "ID", name).plain().decode().split()
                    found.append([field for field in fields if field.split("=")[0] == "flags" or field == "redir=-1"])
                info = dict(line.split(":", 1) for line in control("INFO").plain().decode().splitlines() if ":" in line)
                found.append({name: info[name] for name in info if name.startswith("tracking_")})
            look()
            reader("CLIENT", "TRACKING", "ON")
            other("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "PREFIX", "b")
            look()
            for key in ("x", "y", "x"):
                reader("GET", key)
            look()
            control("SET", "x", "1")
            look()
            control("FLUSHALL")
            look()
        return found
    assert told(server) == told(newer_redis)


@pytest.mark.ours
def test_tracking_table_max_keys(server):
    """Beyond the limit keys count as changed: whoever has read them is told, and nothing is forgotten silently."""
    with server.connect(protocol=3) as reader, server.connect() as control:
        control("CONFIG", "SET", "tracking-table-max-keys", "100")
        try:
            reader("CLIENT", "TRACKING", "ON")
            for number in range(1000):
                reader.send("GET", f"k{number}")
            told = {push[12 + push.index(b"invalidate"):] for push in drained(reader) if push.startswith(b">")}
            info = dict(line.split(":", 1) for line in control("INFO", "stats").plain().decode().splitlines()[1:])
            assert info["tracking_total_keys"] == "100" and info["tracking_total_items"] == "100" and len(told) == 900
            control("CONFIG", "SET", "tracking-table-max-keys", "10")
            assert eventually(lambda: b"tracking_total_keys:10\r\n" in control("INFO", "stats").plain())
            told |= {push[12 + push.index(b"invalidate"):] for push in drained(reader) if push.startswith(b">")}
            assert len(told) == 990
        finally:
            control("CONFIG", "SET", "tracking-table-max-keys", "1000000")


def test_a_lowered_limit_is_kept_to_at_once(server, newer_redis):
    """The next that a client is sent begins with what it has to forget, though nothing is done at intervals."""
    def told(one):
        with one.connect(protocol=3) as reader, one.connect() as control:
            reader("CLIENT", "TRACKING", "ON")
            reader("MGET", "k1", "k2")
            control("DEBUG", "PAUSE-CRON", "1")
            control("CONFIG", "SET", "tracking-table-max-keys", "1")
            try:
                found = drained(reader)
            finally:
                control("DEBUG", "PAUSE-CRON", "0")
                control("CONFIG", "SET", "tracking-table-max-keys", "1000000")
            return [message.replace(b"k2", b"k1") for message in found]
    assert told(server) == told(newer_redis) == [b">2\r\n$10\r\ninvalidate\r\n*1\r\n$2\r\nk1\r\n"]


@pytest.mark.ours
@pytest.mark.parametrize("forget", ["by reading more", "by a lower limit"])
def test_noloop_is_told_of_keys_that_are_forgotten(forget, server):
    """It leaves out what the client changes itself, and that its keys are too many is no such change: not told of it, which is what
    redis-server does while that client is served, it would never hear of a change again."""
    with server.connect(protocol=3) as reader, server.connect() as control:
        try:
            control("CONFIG", "SET", "tracking-table-max-keys", "2" if forget == "by reading more" else "1000000")
            reader("CLIENT", "TRACKING", "ON", "NOLOOP")
            for number in range(5):
                reader.send("GET", f"key{number}")
            if forget == "by a lower limit":
                reader.send("CONFIG", "SET", "tracking-table-max-keys", "2")
            assert sum(message.startswith(b">") for message in drained(reader) + drained(reader)) == 3
        finally:
            control("CONFIG", "SET", "tracking-table-max-keys", "1000000")


@pytest.mark.ours
def test_the_memory_of_what_was_read_counts(server):
    def clients(control):
        return int(dict(line.split(":", 1) for line in control("INFO", "memory").plain().decode().splitlines()[1:])["mem_clients_normal"])
    with server.connect(protocol=3) as reader, server.connect() as control:
        before = clients(control)
        reader("CLIENT", "TRACKING", "ON")
        for number in range(2000):
            reader("GET", f"k{number}")
        assert eventually(lambda: 2000 * 100 < clients(control) - before < 2000 * 200)
        control("FLUSHALL")
        assert eventually(lambda: clients(control) - before < 2000)


def test_keys_that_were_flushed_while_nobody_tracked_are_forgotten(server, newer_redis):
    def told(one):
        with one.connect(protocol=3) as reader, one.connect() as writer:
            for request in (["CLIENT", "TRACKING", "ON"], ["GET", "k"], ["CLIENT", "TRACKING", "OFF"], ["FLUSHALL"], ["CLIENT", "TRACKING", "ON"]):
                reader.send(*request)
            found = drained(reader)
            writer("SET", "k", "1")
            return found, drained(reader)
    assert told(server) == told(newer_redis)
