"""Damaged requests, made from a seed, to both servers: the same bytes come back, and the connection ends at the same point.

No zero byte is put in: Redis looks for line ends with functions of C, for which such a byte ends the input, and then waits."""
import random

import pytest

from support.resp import encode, shown

SETS = 400
GOOD = [encode("SET", "k", "v" * 20), encode("GET", "k"), encode("HSET", "h", "f", "v"), encode("HGETALL", "h"), encode("MGET", "k", "x", "h"),
        encode("INCRBY", "n", "12"), encode("ECHO", b"\xff\r\n$5\r\n"), encode("DEL", "k", "h"), encode("GETRANGE", "k", "0", "5"), b"PING\r\n",
        b'SET k "a b\\x00"\r\n', b"get  'k'\r\n", encode("SET", "k", "v", "EX", "1000"), encode("OBJECT", "ENCODING", "n"), b"\r\n", b"*0\r\n"]


def damaged(rng):
    data = bytearray(b"".join(rng.choices(GOOD, k=rng.randint(1, 5))))
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(data))
        action = rng.randrange(5)
        if action == 0:
            data[place] = rng.randrange(1, 256)
        elif action == 1:
            del data[place]
        elif action == 2:
            data[place:place] = data[place:place + rng.randint(1, 8)]
        elif action == 3:
            data[place:place] = rng.choice([b"\r\n", b"\n", b"*", b"$-1\r\n", b"*2\r\n", b"9", b'"', b"'", b" "])
        else:
            data[place] = rng.choice(b"*$\r\n 0123456789-\"'")
        if not data:
            data = bytearray(b"\r\n")
    return bytes(data)


def answer(server, data):
    with server.connect() as connection:
        try:
            connection.send_raw(data)
            connection.half_close()
        except OSError:
            pass
        return connection.read_until_close()


@pytest.mark.parametrize("seed", range(4))
def test_same_answers(seed, server, reference):
    rng = random.Random(seed)
    for _ in range(SETS):
        data = damaged(rng)
        ours, theirs = answer(server, data), answer(reference, data)
        assert ours == theirs, f"to {shown(data)}\nreference: {shown(theirs)}\n   tested: {shown(ours)}"
