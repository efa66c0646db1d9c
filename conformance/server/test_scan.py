"""What SCAN and HSCAN promise: everything that is there from beginning to end is returned, whatever happens in between."""
import random

import pytest


def walk(client, command, *arguments, between=lambda: None):
    """All elements that a walk returns, with repetitions; `between` is called between its steps."""
    found, cursor, steps = [], "0", 0
    at = [command] if command == "SCAN" else [command, "h"]
    while True:
        reply = client(*at, cursor, *arguments)
        cursor, batch = reply.value[0].value, reply.value[1].plain()
        found += batch if command == "SCAN" else batch[::2]
        steps += 1
        assert steps < 200_000, "the walk does not end"
        if cursor == b"0":
            return found
        between()


class Meanwhile:
    """Writes that happen during a walk: a store that grows, shrinks, or both, around members that stay."""

    def __init__(self, client, kind, how, seed):
        self.client, self.kind, self.how = client, kind, how
        self.random = random.Random(seed)
        self.number = 0
        self.extra = []

    def add(self, count):
        names = [f"extra:{self.number + index}" for index in range(count)]
        self.number += count
        self.extra += names
        if self.kind == "SCAN":
            self.client("MSET", *[part for name in names for part in (name, "v")])
        else:
            self.client("HSET", "h", *[part for name in names for part in (name, "v")])

    def remove(self, count):
        self.random.shuffle(self.extra)
        names, self.extra = self.extra[:count], self.extra[count:]
        if names:
            self.client("DEL", *names) if self.kind == "SCAN" else self.client("HDEL", "h", *names)

    def __call__(self):
        if self.how == "grows":
            # Not for ever: a walk with small steps would never come to the end of a store that grows faster.
            if self.number < 40_000:
                self.add(200)
        elif self.how == "shrinks":
            self.remove(200)
        else:
            self.add(self.random.randint(0, 300))
            self.remove(self.random.randint(0, 300))


@pytest.mark.parametrize("how", ["grows", "shrinks", "changes"])
@pytest.mark.parametrize("kind", ["SCAN", "HSCAN"])
@pytest.mark.parametrize("seed", range(2))
def test_what_stays_is_returned(kind, how, seed, server):
    stay = {f"stay:{number}".encode() for number in range(3000)}
    with server.connect() as client, server.connect() as writer:
        meanwhile = Meanwhile(writer, kind, how, seed)
        pairs = [part for name in sorted(stay) for part in (name, "v")]
        writer(*(["MSET"] if kind == "SCAN" else ["HSET", "h"]), *pairs)
        if how != "grows":
            meanwhile.add(20_000)
        found = walk(client, kind, "COUNT", random.Random(seed).choice(["7", "50", "100"]), between=meanwhile)
    missing = stay - set(found)
    assert not missing, f"{len(missing)} of {len(stay)} not returned"


@pytest.mark.parametrize("kind", ["SCAN", "HSCAN"])
def test_without_writes_everything_is_returned_once(kind, server):
    with server.connect() as client:
        names = {f"n{number}".encode() for number in range(10_000)}
        pairs = [part for name in sorted(names) for part in (name, "v")]
        client(*(["MSET"] if kind == "SCAN" else ["HSET", "h"]), *pairs)
        for count in ("1", "10", "1000"):
            found = walk(client, kind, "COUNT", count)
            assert len(found) == len(names) and set(found) == names


def test_what_was_never_there_is_not_returned(server):
    with server.connect() as client:
        client("MSET", *[part for number in range(1000) for part in (f"k{number}", "v")])
        client("DEL", *[f"k{number}" for number in range(500)])
        assert set(walk(client, "SCAN")) == {f"k{number}".encode() for number in range(500, 1000)}


def test_cursors_need_no_state(server):
    """A cursor works on another connection, twice, and after any time; one that is made up does no harm."""
    with server.connect() as client, server.connect() as other:
        client("MSET", *[part for number in range(5000) for part in (f"k{number}", "v")])
        cursor = client("SCAN", "0", "COUNT", "100").value[0].value
        first, second = client("SCAN", cursor, "COUNT", "100"), other("SCAN", cursor, "COUNT", "100")
        assert first.raw == second.raw
        for made_up in ("1", "12345678901234567", "18446744073709551615", "9223372036854775808"):
            reply = client("SCAN", made_up, "COUNT", "10")
            assert not reply.is_error and reply.value[0].value.isdigit()
            walk_on(client, reply.value[0].value)


def walk_on(client, cursor):
    for _ in range(10_000):
        if cursor == b"0":
            return
        cursor = client("SCAN", cursor, "COUNT", "1000").value[0].value
    pytest.fail("the walk does not end")


def test_count_bounds_the_work_of_a_step(server):
    with server.connect() as client:
        client("MSET", *[part for number in range(50_000) for part in (f"k{number}", "v")])
        sizes, cursor = [], b"0"
        for _ in range(50):
            reply = client("SCAN", cursor, "COUNT", "10")
            cursor = reply.value[0].value
            sizes.append(len(reply.value[1].value))
        assert max(sizes) < 200 and sum(sizes) > 200


def test_a_filter_does_not_make_steps_longer(server):
    """MATCH and TYPE are applied to what a step has visited, so that steps may return nothing."""
    with server.connect() as client:
        client("MSET", *[part for number in range(20_000) for part in (f"k{number}", "v")])
        client("HSET", "only", "f", "v")
        reply = client("SCAN", "0", "COUNT", "10", "TYPE", "hash")
        assert len(reply.value[1].value) <= 1 and reply.value[0].value != b"0"
        assert walk(client, "SCAN", "TYPE", "hash", "COUNT", "1000") == [b"only"]
        assert walk(client, "SCAN", "MATCH", "onl[xy]", "COUNT", "1000") == [b"only"]


def test_keys_that_expire_during_a_walk(server):
    with server.connect() as client:
        client("MSET", *[part for number in range(2000) for part in (f"stay{number}", "v")])
        client.pipeline([["SET", f"gone{number}", "v", "PX", "30"] for number in range(2000)])
        found = walk(client, "SCAN", "COUNT", "20", between=lambda: client("DEBUG", "SLEEP", "0.001"))
    assert {f"stay{number}".encode() for number in range(2000)} <= set(found)
