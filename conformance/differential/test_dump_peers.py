"""DUMP and RESTORE between the server under test and newer servers: redis-server 8.2.3 and valkey-server 9.1.2.

Whatever these dump is restored here with all that belongs to it, deadlines of fields and consumers of streams included; and what is dumped
here is restored there, wherever the version of the payload says that it can be read.
"""
import random
import struct

import pytest

from differential.test_dump import LONG, RECIPES, made
from support.dump import length, payload, string

pytestmark = pytest.mark.since72

FAR = 4_000_000_000_000
DEADLINES = {
    "hash with a deadline": [["HSET", "k", "f", "v", "g", "12", "h", ""], ["HPEXPIREAT", "k", FAR + 7, "FIELDS", 1, "g"]],
    "hash with deadlines for all": [["HSET", "k", "f", "v", "g", "w"], ["HPEXPIREAT", "k", FAR, "FIELDS", 2, "f", "g"]],
    "hash table with deadlines": [["HSET", "k", *[word for index in range(600) for word in (index, b"v%d" % index)]]]
    + [["HPEXPIREAT", "k", FAR + index * 1000, "FIELDS", 1, index] for index in range(0, 600, 7)],
    "hash with a long value and deadlines": [["HSET", "k", "f", LONG, "g", "w"], ["HPEXPIREAT", "k", FAR, "FIELDS", 1, "f"]],
    "hash that had deadlines": [["HSET", "k", "f", "v"], ["HPEXPIREAT", "k", FAR, "FIELDS", 1, "f"], ["HPERSIST", "k", "FIELDS", 1, "f"]],
    "stream with idle consumers": [["XADD", "k", "1-1", "f", "v"], ["XGROUP", "CREATE", "k", "g", "0"], ["XGROUP", "CREATECONSUMER", "k", "g", "never"],
                                   ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", ">"], ["XREADGROUP", "GROUP", "g", "d", "STREAMS", "k", ">"]],
}
VALUES = {**RECIPES, **DEADLINES}


def contents(connection, key):
    """All there is to know of a value, in an order that is the same everywhere."""
    kind = connection("TYPE", key).value
    if kind == b"string":
        return kind, connection("GET", key).value
    if kind == b"hash":
        pairs = connection("HGETALL", key).as_pairs()
        fields = sorted(pairs)
        return kind, pairs, connection("HPEXPIRETIME", key, "FIELDS", len(fields), *fields).plain()
    if kind == b"list":
        return kind, connection("LRANGE", key, 0, -1).plain()
    if kind == b"set":
        return kind, sorted(connection("SMEMBERS", key).plain())
    if kind == b"zset":
        flat = connection("ZRANGE", key, 0, -1, "WITHSCORES").plain()
        return kind, [(member, float(score)) for member, score in zip(flat[::2], flat[1::2])]
    full = connection("XINFO", "STREAM", key, "FULL", "COUNT", 0).as_pairs()
    # The lag is not kept but counted, which servers do differently.
    for group in full[b"groups"]:
        lag = group.index(b"lag")
        del group[lag:lag + 2]
    return kind, {name: value for name, value in full.items() if name in STREAM_FACTS}


STREAM_FACTS = {b"length", b"radix-tree-keys", b"last-generated-id", b"max-deleted-entry-id", b"entries-added", b"recorded-first-entry-id", b"entries", b"groups"}


def version(dumped):
    return struct.unpack("<H", dumped[-10:-8])[0]


def travels(server, peer, recipe, reads):
    """Takes a value from each server to the other. `reads` says of which versions the peer reads payloads."""
    with server.connect() as ours, peer.connect() as theirs:
        made(theirs, recipe)
        assert ours("RESTORE", "k", 0, theirs("DUMP", "k").value).raw == b"+OK\r\n"
        assert contents(ours, "k") == contents(theirs, "k")
        ours("DEL", "k")
        made(ours, recipe)
        dumped = ours("DUMP", "k").value
        assert ours("RESTORE", "again", 0, dumped).raw == b"+OK\r\n"
        assert contents(ours, "again") == contents(ours, "k")
        theirs("DEL", "k")
        reply = theirs("RESTORE", "k", 0, dumped)
        if version(dumped) > reads:
            assert b"version or checksum" in reply.raw
        else:
            assert reply.raw == b"+OK\r\n"
            assert contents(theirs, "k") == contents(ours, "k")


@pytest.mark.parametrize("name", VALUES)
def test_values_travel_to_and_from_redis(name, server, newer_redis):
    travels(server, newer_redis, VALUES[name], reads=12)


@pytest.mark.parametrize("name", VALUES)
def test_values_travel_from_valkey_and_back_where_it_reads_them(name, server, valkey):
    travels(server, valkey, VALUES[name], reads=11)


def word(rng):
    return rng.choice([
        lambda: b"%d" % rng.randint(-10, 300), lambda: b"%d" % rng.randint(-1 << 62, 1 << 62), lambda: b"",
        lambda: rng.randbytes(rng.randrange(1, 20)), lambda: rng.randbytes(rng.randrange(60, 70)),
        lambda: bytes([rng.randrange(256)]) * rng.randrange(1, 400), lambda: b"%d.5" % rng.randint(-100, 100)])()


def random_recipe(rng):
    count = rng.choice([1, 2, 5, 30, 127, 128, 129, 400, 700])
    kind = rng.choice(["string", "hash", "hash", "list", "set", "zset", "stream", "stream"])
    words = [word(rng) for _ in range(count)]
    if kind == "string":
        return [["SET", "k", b"".join(words[:30])]]
    if kind == "hash":
        fields = list(dict.fromkeys(words))
        recipe = [["HSET", "k", *[one for field in fields for one in (field, word(rng))]]]
        for field in fields if rng.random() < 0.6 else []:
            if rng.random() < 0.3:
                recipe.append(["HPEXPIREAT", "k", FAR + rng.randrange(1 << 40), "FIELDS", 1, field])
        return recipe
    if kind == "list":
        return [["RPUSH" if rng.random() < 0.5 else "LPUSH", "k", *words]]
    if kind == "set":
        return [["SADD", "k", *(words if rng.random() < 0.6 else [rng.randint(-1 << rng.choice([8, 20, 40]), 1 << 40) for _ in words])]]
    if kind == "zset":
        return [["ZADD", "k", *[one for member in words for one in (rng.choice([1, 0.1, -3.5, "inf", "-inf", 1e300, rng.random()]), member)]]]
    recipe = [["XADD", "k", b"%d-%d" % (index // 3 + 1, index % 3 + 1), *words[:2 * rng.randint(1, 2) if count > 3 else 1], *([] if count > 3 else [b"v"])]
              for index in range(min(count, 250))]
    for group in range(rng.randrange(4)):
        recipe.append(["XGROUP", "CREATE", "k", f"g{group}", rng.choice(["0", "$", "5"])])
        for consumer in range(rng.randrange(4)):
            recipe.append(["XGROUP", "CREATECONSUMER", "k", f"g{group}", f"c{consumer}"])
            recipe.append(["XREADGROUP", "GROUP", f"g{group}", f"c{consumer}", "COUNT", rng.choice([1, 10, 100]), "STREAMS", "k", ">"])
        recipe.append(["XACK", "k", f"g{group}", "1-1", "2-1", "5-2"])
    for _ in range(rng.choice([0, 0, 3, 40])):
        recipe.append(["XDEL", "k", b"%d-%d" % (rng.randint(1, 80), rng.randint(1, 3))])
    if rng.random() < 0.2:
        recipe.append(["XTRIM", "k", "MAXLEN", rng.randrange(20)])
    return recipe


@pytest.mark.parametrize("seed", range(40))
def test_random_values_travel(seed, server, newer_redis, valkey):
    for number in range(5):
        recipe = random_recipe(random.Random(f"{seed}/{number}"))
        for peer, reads in ((newer_redis, 12), (valkey, 11)):
            with server.connect() as ours, peer.connect() as theirs:
                ours("FLUSHALL"), theirs("FLUSHALL")
            travels(server, peer, recipe, reads)


def hash_of_valkey(*fields, version=80):
    """The hash with deadlines that Valkey writes: a count, and of each field itself, its value and its deadline."""
    return payload(22, length(len(fields)), *[string(field) + string(value) + struct.pack("<q", time) for field, value, time in fields], version=version)


@pytest.mark.ours
def test_hashes_of_valkey(server):
    with server.connect() as client:
        assert client("RESTORE", "k", 0, hash_of_valkey(("f", "v", -1), ("g", "w", FAR), ("h", "12", 1 << 60))).raw == b"+OK\r\n"
        assert client("HMGET", "k", "f", "g", "h").plain() == [b"v", b"w", b"12"]
        assert client("HPEXPIRETIME", "k", "FIELDS", 3, "f", "g", "h").plain() == [-1, FAR, (1 << 48) - 1]
        for wrong in (hash_of_valkey(), hash_of_valkey(("f", "v", -2)), hash_of_valkey(("f", "v", -1), ("f", "w", FAR)),
                      hash_of_valkey(("f", "v", FAR), version=12), hash_of_valkey(("f", "v", FAR), version=11)):
            assert client("RESTORE", "l", 0, wrong).raw == b"-ERR Bad data format\r\n"
        for number in (15, 79, 81):
            assert b"version or checksum" in client("RESTORE", "l", 0, hash_of_valkey(("f", "v", -1), version=number)).raw
        assert client("EXISTS", "l").value == 0


@pytest.mark.ours
def test_streams_are_for_the_oldest_server_that_loses_nothing(server, reference):
    """Without consumers all forms hold the same. With them Redis 7.0 would mix up their two times, and is not given them."""
    with server.connect() as ours, reference.connect() as theirs:
        made(ours, [["XADD", "k", "1-1", "f", "v"], ["XGROUP", "CREATE", "k", "g", "0"]])
        dumped = ours("DUMP", "k").value
        assert (dumped[0], version(dumped)) == (19, 10)
        assert theirs("RESTORE", "k", 0, dumped).raw == b"+OK\r\n"
        made(ours, [["XGROUP", "CREATECONSUMER", "k", "g", "c"]])
        dumped = ours("DUMP", "k").value
        assert (dumped[0], version(dumped)) == (21, 11)
        assert b"version or checksum" in theirs("RESTORE", "l", 0, dumped).raw
