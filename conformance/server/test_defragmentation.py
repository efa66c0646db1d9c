"""activedefrag: memory that deletions have left sparse goes back to the system, values stay what they are, and it keeps to its settings."""
import random
import time

import pytest

from support.resp import eventually

MEGABYTE = 1 << 20

pytestmark = pytest.mark.ours


def info(client, section="everything"):
    lines = client("INFO", section).plain().decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


def batches(commands, size=500):
    for start in range(0, len(commands), size):
        yield commands[start:start + size]


def run(client, commands):
    for batch in batches(commands):
        for reply in client.pipeline(batch):
            assert not reply.is_error, reply


def make_sparse(client, count=80_000):
    """Makes keys of some sizes and collections of many elements, and deletes four fifths of all. Of each size a page is not full."""
    generator = random.Random(7)
    sizes = [8, 20, 33, 60, 90, 130, 190, 250, 333, 450, 600]
    run(client, [("SET", f"key:{number:06}", "v" * generator.choice(sizes)) for number in range(count)])
    for kind, command in (("hash", "HSET"), ("set", "SADD"), ("list", "RPUSH"), ("sorted", "ZADD")):
        for first in range(0, count // 4, 200):
            numbers = range(first, first + 200)
            words = {"hash": [word for number in numbers for word in (f"f{number:06}", "v" * (number % 9 * 10))],
                     "sorted": [word for number in numbers for word in (number % 999, f"m{number}")]}
            run(client, [(command, kind, *words.get(kind, [f"m{number}" for number in numbers]))])
    run(client, [("XADD", "stream", f"{number + 1}-1", "f", "v" * (number % 90)) for number in range(count // 4)])
    client("XGROUP", "CREATE", "stream", "g", 0)
    client("XREADGROUP", "GROUP", "g", "c", "COUNT", count // 8, "STREAMS", "stream", ">")
    gone = [number for number in range(count) if generator.random() < 0.8]
    run(client, [("DEL", f"key:{number:06}") for number in gone])
    run(client, [words for number in gone if number < count // 4 for words in (
        ("HDEL", "hash", f"f{number:06}"), ("SREM", "set", f"m{number}"), ("ZREM", "sorted", f"m{number}"),
        ("XDEL", "stream", f"{number + 1}-1"), ("XACK", "stream", "g", f"{number + 1}-1"))])


def fragmented(client):
    return int(info(client, "memory")["allocator_frag_bytes"])


def test_sparse_pages_are_given_back(start):
    server = start("--active-defrag-ignore-bytes", "1mb", "--active-defrag-cycle-max", "75")
    with server.connect() as client:
        make_sparse(client)
        digest = client("DEBUG", "DIGEST").value
        used = int(info(client, "memory")["used_memory"])
        time.sleep(3)                        # what goes back without it has gone
        resident, before = server.resident_bytes(), fragmented(client)
        assert before > used / 2
        assert client("CONFIG", "SET", "activedefrag", "yes").value == b"OK"
        assert eventually(lambda: fragmented(client) < max(used // 5, before // 4), seconds=30, pause=0.1)
        assert eventually(lambda: server.resident_bytes() < resident - before // 2, seconds=20, pause=0.1), \
            f"{server.resident_bytes() >> 20} MB, {resident >> 20} before"
        assert client("DEBUG", "DIGEST").value == digest
        told = info(client, "stats")
        assert int(told["active_defrag_hits"]) > 10_000 and int(told["active_defrag_key_hits"]) > 10_000
        assert int(told["active_defrag_misses"]) > 0 and int(told["total_active_defrag_time"]) > 0
        assert eventually(lambda: info(client, "memory")["active_defrag_running"] == "0")
        assert client("CONFIG", "RESETSTAT").value == b"OK"
        assert info(client, "stats")["active_defrag_hits"] == "0"


def test_little_is_not_worth_it(start):
    server = start("--activedefrag", "yes", "--active-defrag-ignore-bytes", "1gb")
    with server.connect() as client:
        make_sparse(client, 40_000)

        def moved():
            time.sleep(0.5)
            return int(info(client, "stats")["active_defrag_hits"])

        assert moved() == 0
        client("CONFIG", "SET", "active-defrag-threshold-lower", 1000, "active-defrag-ignore-bytes", "1mb")
        assert moved() == 0
        client("CONFIG", "SET", "active-defrag-threshold-lower", 10)
        assert eventually(lambda: moved() > 1000, seconds=20)


@pytest.mark.parametrize("upper, share", [(11, 3), (1000, 2)], ids=["most", "least"])
def test_how_much_of_the_time_it_gets(start, upper, share):
    """At the upper threshold the most, near the lower one the least."""
    server = start("--active-defrag-ignore-bytes", "1mb", "--active-defrag-cycle-min", "2", "--active-defrag-cycle-max", "3",
                   "--active-defrag-threshold-upper", str(upper))
    with server.connect() as client:
        make_sparse(client, 40_000)
        assert info(client, "memory")["active_defrag_running"] == "0"
        seen = set()
        client("CONFIG", "SET", "activedefrag", "yes")

        def look():
            seen.add(int(info(client, "memory")["active_defrag_running"]))
            return seen - {0}

        assert eventually(look, seconds=20, pause=0.01)
        assert seen - {0} == {share}
        # Switched off in the middle, it ends.
        client("CONFIG", "SET", "activedefrag", "no")
        assert eventually(lambda: info(client, "memory")["active_defrag_running"] == "0")


def test_it_rests_while_a_snapshot_is_written(start):
    server = start("--active-defrag-ignore-bytes", "1mb", "--rdb-key-save-delay", "100")
    with server.connect() as client:
        make_sparse(client, 40_000)
        assert not client("BGSAVE").is_error
        client("CONFIG", "SET", "activedefrag", "yes")
        time.sleep(0.5)
        assert info(client, "persistence")["rdb_bgsave_in_progress"] == "1"
        assert info(client, "stats")["active_defrag_hits"] == "0"
        client("CONFIG", "SET", "rdb-key-save-delay", 0)
        assert eventually(lambda: int(info(client, "stats")["active_defrag_hits"]) > 1000, seconds=30, pause=0.1)


def test_purge_gives_free_pages_back_at_once(start):
    server = start()
    with server.connect() as client:
        client("DEBUG", "POPULATE", 100_000, "key", 500)
        before = server.resident_bytes()
        run(client, [("DEL", *[f"key:{number}" for number in range(first, first + 1000)]) for first in range(0, 100_000, 1000)])
        assert client("MEMORY", "PURGE").value == b"OK"
        assert server.resident_bytes() < before - 40 * MEGABYTE
