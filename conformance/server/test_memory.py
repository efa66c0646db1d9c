"""MEMORY STATS and PURGE: the numbers are those of INFO and follow the data."""
import random
import time

import pytest

from support.resp import eventually

MEGABYTE = 1024 * 1024

pytestmark = pytest.mark.ours


def stats(client):
    return client("MEMORY", "STATS").plain()


def test_fields_of_all_versions(server, reference, newer_redis):
    """But for what a database has besides its keys and deadlines, and what 8.2 counts apart of scripts."""
    with server.connect(3) as client:
        client("SET", "k", "v")
        ours = stats(client)
        for peer in (reference, newer_redis):
            with peer.connect(3) as other:
                other("SET", "k", "v")
                theirs = stats(other)
            assert set(theirs) - set(ours) <= {b"script.VMs"}
            assert set(theirs[b"db.0"]) <= set(ours[b"db.0"])
            for name in set(theirs) & set(ours):
                assert type(theirs[name]) is type(ours[name]), name


def test_numbers_agree_with_each_other_and_with_info(server):
    with server.connect(3) as client:
        client("DEBUG", "POPULATE", 20_000, "key", 100)
        client("SELECT", 5)
        client("SET", "k", "v", "EX", 1000)
        # For the logs of commands there is no field: they are empty, and stay so.
        settings = ("commandlog-execution-slower-than", "commandlog-request-larger-than", "commandlog-reply-larger-than")
        old = [(name, client("CONFIG", "GET", name).plain()[name.encode()]) for name in settings]
        for name, log in zip(settings, ("slow", "large-request", "large-reply")):
            client("CONFIG", "SET", name, -1)
            client("COMMANDLOG", "RESET", log)
        numbers = stats(client)
        for name, value in old:
            assert client("CONFIG", "SET", name, value).value == b"OK"
        info = dict(line.split(":", 1) for line in client("INFO", "memory").plain().decode().splitlines() if ":" in line)
    assert numbers[b"keys.count"] == 20_001
    assert abs(numbers[b"total.allocated"] - int(info["used_memory"])) < 100_000
    assert abs(numbers[b"dataset.bytes"] - int(info["used_memory_dataset"])) < 100_000
    assert numbers[b"dataset.bytes"] == numbers[b"total.allocated"] - numbers[b"overhead.total"]
    assert 110 < numbers[b"keys.bytes-per-key"] < 300
    assert numbers[b"aof.buffer"] == 0
    tables = sum(numbers[name][b"overhead.hashtable.main"] + numbers[name][b"overhead.hashtable.expires"] for name in (b"db.0", b"db.5"))
    assert numbers[b"overhead.total"] == numbers[b"startup.allocated"] + numbers[b"clients.normal"] + tables + sum(
            numbers[name] for name in (b"lua.caches", b"functions.caches"))
    assert 20_000 * 8 < numbers[b"db.0"][b"overhead.hashtable.main"] < 20_000 * 32
    assert numbers[b"db.0"][b"overhead.hashtable.expires"] == 0 < numbers[b"db.5"][b"overhead.hashtable.expires"]
    assert b"db.1" not in numbers
    assert numbers[b"peak.allocated"] >= numbers[b"total.allocated"]


def test_purge_gives_pages_back(start):
    # A server of its own: the peak of another would be that of other tests.
    with start().connect(3) as client:
        client("DEBUG", "POPULATE", 100_000, "key", 500)
        used = stats(client)
        assert client("MEMORY", "DOCTOR").plain().startswith(b"Hi Sam, I can't find any memory issue")
        for start in range(0, 100_000, 1000):
            client("UNLINK", *[f"key:{index}" for index in range(start, start + 1000)])
        assert client("MEMORY", "PURGE").value == b"OK"
        # What is resident is asked for ten times a second.
        assert eventually(lambda: stats(client)[b"allocator.resident"] < used[b"allocator.resident"] - 30_000_000)
        left = stats(client)
        assert left[b"total.allocated"] < used[b"total.allocated"] / 10
        assert left[b"peak.percentage"] < 50
        assert b"Slab allocator" in client("MEMORY", "MALLOC-STATS").plain()


@pytest.mark.parametrize("sizes, count", [(range(20, 820, 40), 50_000), ([30_000], 4000)], ids=["small", "large"])
def test_memory_goes_back_after_all_keys_were_deleted(start, sizes, count):
    """Without MEMORY PURGE, within some seconds of upkeep, and with nobody who asks for anything."""
    server = start()
    with server.connect() as client:
        def fill_and_delete(count):
            for size in sizes:
                client("DEBUG", "POPULATE", count, f"key:{size}", size)
            client("DEBUG", "POPULATE", 10 * count, "short", 4)
            keys = [f"key:{size}:{index}" for size in sizes for index in range(count)]
            keys += [f"short:{index}" for index in range(10 * count)]
            random.Random(1).shuffle(keys)
            for first in range(0, len(keys), 10_000):
                client("DEL", *keys[first:first + 10_000])
            assert client("DBSIZE").value == 0

        fill_and_delete(10)                  # what is made once has been made before measuring
        before = server.resident_bytes()
        fill_and_delete(count)
        time.sleep(3)                        # what the system may add by itself has been added
        assert eventually(lambda: server.resident_bytes() < before + 10 * MEGABYTE, seconds=20, pause=0.1), \
            f"{server.resident_bytes() >> 10} KiB resident, {before >> 10} KiB before"
        # What is given back can be had again.
        client("DEBUG", "POPULATE", 1000, "key", sizes[0])
        assert client("DBSIZE").value == 1000


def test_memory_goes_back_after_one_of_two_databases_was_flushed(start):
    server = start()
    with server.connect() as client:
        client("SET", "stays", "v")
        client("SELECT", 1)
        client("DEBUG", "POPULATE", 10)
        client("FLUSHDB")
        before = server.resident_bytes()
        client("DEBUG", "POPULATE", 500_000, "key", 50)
        assert server.resident_bytes() > before + 30 * MEGABYTE
        assert client("FLUSHDB").value == b"OK"
        assert eventually(lambda: server.resident_bytes() < before + 12 * MEGABYTE, seconds=20, pause=0.1), \
            f"{server.resident_bytes() >> 10} KiB resident, {before >> 10} KiB before"
        client("SELECT", 0)
        assert client("GET", "stays").value == b"v"


@pytest.mark.parametrize("count", [100_000, 10_000_000, 2**31 - 1])
def test_databases_that_are_not_used_cost_nothing(start, count):
    few, many = start("--databases", 1), start("--databases", count)
    with many.connect() as client:
        assert client("CONFIG", "GET", "databases").plain() == [b"databases", b"%d" % count]
        assert client("SELECT", count - 1).value == b"OK"
        assert client("SET", "k", "v").value == b"OK"
        assert client("MOVE", "k", count // 2).value == 1
        assert client("SWAPDB", count // 2, 7).value == b"OK"
        assert client("SELECT", 7).value == b"OK"
        assert client("COPY", "k", "k", "DB", count // 3).value == 1
        lines = client("INFO", "keyspace").plain().decode().splitlines()
        assert [line.split(":")[0] for line in lines if line.startswith("db")] == ["db7", f"db{count // 3}"]
        assert client("DEBUG", "DIGEST").value != b"0" * 40
        assert client("FLUSHALL").value == b"OK"
        assert client("DEBUG", "DIGEST").value == b"0" * 40
        assert client("SELECT", count).value == b"ERR DB index is out of range"
        assert many.resident_bytes() < few.resident_bytes() + 4 * MEGABYTE


def test_databases_that_were_looked_into_are_forgotten(start):
    server = start("--databases", 1_000_000)
    with server.connect() as client:
        before = server.resident_bytes()
        for first in range(0, 200_000, 1000):
            client.pipeline([command for index in range(first, first + 1000) for command in (("SELECT", index), ("GET", "k"))])
        assert eventually(lambda: server.resident_bytes() < before + 8 * MEGABYTE), \
            f"{server.resident_bytes() >> 10} KiB resident, {before >> 10} KiB before"
