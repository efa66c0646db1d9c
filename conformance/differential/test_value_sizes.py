"""Values of every size keep their bytes beside values of every other size."""
import random

import pytest


def value(size, salt=0):
    return random.Random(size * 1000 + salt).randbytes(size)


@pytest.mark.parametrize("step", [1, 61])
def test_strings_of_every_size(step, server):
    sizes = list(range(0, 2200)) if step == 1 else list(range(2200, 40_000, step))
    with server.connect() as client:
        client("FLUSHALL")
        for size in sizes:
            client("SET", f"k{size}", value(size))
        for size in sizes:
            assert client("GET", f"k{size}").value == value(size)
        # Grown, shrunk and grown again in place.
        for size in sizes[::3]:
            client("APPEND", f"k{size}", value(size // 2, 1))
            client("SET", f"k{size + step}", value(size // 3, 2))
        for size in sizes[::3]:
            assert client("GET", f"k{size}").value == value(size) + value(size // 2, 1)
            assert client("GET", f"k{size + step}").value == value(size // 3, 2)


def test_fields_of_every_size(server):
    sizes = list(range(0, 1300)) + list(range(1300, 20_000, 97))
    with server.connect() as client:
        client("FLUSHALL")
        for size in sizes:
            client("HSET", "h", f"f{size}", value(size))
        for size in sizes[::2]:
            client("HSET", "h", f"f{size}", value(size // 2, 1))
        for index, size in enumerate(sizes):
            wanted = value(size) if index % 2 else value(size // 2, 1)
            assert client("HGET", "h", f"f{size}").value == wanted


@pytest.mark.parametrize("count", [32767, 32768, 65535, 65536, 70000])
@pytest.mark.parametrize("words", [["RPUSH", "k", "x"], ["LPUSHX", "k", "x"], ["LSET", "k", "5", "z"], ["LINSERT", "k", "BEFORE", "x", "y"],
                                   ["RPOPLPUSH", "k", "k"], ["LTRIM", "k", "1", "-2"]], ids=lambda words: words[0])
def test_lists_of_many_empty_elements(words, count, server, reference):
    noted = []
    for one in (reference, server):
        with one.connect() as client:
            notes = [client("RPUSH", "k", *[""] * count).raw, client(*words).raw, client("LLEN", "k").raw]
            notes += [client("LRANGE", "k", "-3", "-1").raw, client("LINDEX", "k", "40000").raw, client("DEBUG", "DIGEST").raw]
            notes += [client("RPUSH", "k", "y" * 9000).raw, client("LLEN", "k").raw, client("LTRIM", "k", "0", "-2").raw, client("DEBUG", "DIGEST").raw]
            noted.append(notes)
    assert noted[0] == noted[1]
