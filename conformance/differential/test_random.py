"""Random command sequences on both servers; see random_commands.py.

CONFORMANCE_SEED=<number> chooses the seed, CONFORMANCE_SEED=random a new one, CONFORMANCE_SEQUENCES=<n> how many sequences are run.
The seed is printed with the results; a failure names the sequence.
"""
import os
import random

import pytest

from differential.random_commands import MODES, Generator
from support.cases import Side
from support.compare import difference, scores
from support.resp import shown

DEFAULT_SEED = 72_2026
SEED = os.environ.get("CONFORMANCE_SEED", str(DEFAULT_SEED))
SEED = random.SystemRandom().randrange(1 << 32) if SEED == "random" else int(SEED)
SEQUENCES = int(os.environ.get("CONFORMANCE_SEQUENCES", "12"))
LENGTH = 400


# What the reference, if it is older, answers to OBJECT ENCODING, and what a server of version 7.2 does.
NEW_ENCODINGS = {(b"quicklist", b"listpack")}


def quoted(command):
    return " ".join('"%s"' % shown(word, 200) for word in command)


def answer(side, command, in_transaction):
    connection = side.on("a")
    mode, argument = MODES.get(command[0].upper(), ("exact", ""))
    if mode.startswith("walk") and not in_transaction and len(command) > 1:
        return side.walk(connection, command, pairs=mode == "walkpairs")
    return connection(*command)


def modes_of(reply, command):
    return MODES.get(command[0].upper(), ("exact", "")) if not reply.is_error and reply.raw != b"+QUEUED\r\n" else ("exact", "")


def compare(command, replies, queued):
    """The difference between two replies; those of EXEC are compared one by one, each in its own way."""
    theirs, ours = replies
    if command[0].upper() == b"EXEC" and theirs.kind == ours.kind == "*" and not theirs.is_null and not ours.is_null:
        if len(theirs.value) == len(ours.value) == len(queued):
            for inner, one, other in zip(queued, theirs.value, ours.value):
                mode, argument = modes_of(one, inner)
                problem = compare_one(inner, "shape" if mode.startswith("walk") else mode, argument, one, other)
                if problem and not mode.startswith("walk"):
                    return f"in the transaction, {quoted(inner)}:\n{problem}"
            return None
    return compare_one(command, *modes_of(theirs, command), theirs, ours)


def compare_one(command, mode, argument, theirs, ours):
    if command[0].upper() == b"OBJECT" and (theirs.value, ours.value) in NEW_ENCODINGS:
        return None
    if command[0].upper() in (b"SORT", b"SORT_RO") and b"converted into double" in theirs.raw:
        # Redis also refuses good numbers after any command has met one out of range.
        return None
    # Since Redis 7.4 a cursor that is none is refused before the options are looked at.
    if command[0].upper() == b"SCAN" and ours.raw == b"-ERR invalid cursor\r\n" and not command[1].isdigit():
        return None
    # Since Redis 7.2 their arguments are read before the key is looked for, and since 8.0 groups lag otherwise.
    if command[0].upper() in (b"BITCOUNT", b"BITPOS") and ours.is_error:
        return None
    if command[0].upper() == b"XINFO" and not theirs.is_error and b"lag" in theirs.raw:
        mode = "shape"
    return difference(mode, argument, theirs, ours)


def value_of(connection, kind, key):
    if kind == b"hash":
        return connection("HGETALL", key).as_pairs()
    if kind == b"list":
        return connection("LRANGE", key, 0, -1).plain()
    if kind == b"stream":
        groups = [group.as_pairs() for group in connection("XINFO", "GROUPS", key).value]
        pending = [connection("XPENDING", key, group[b"name"]).raw for group in groups]
        # Redis 7.2 makes consumers on occasions on which 7.0 does not, and since 8.0 groups lag otherwise.
        read = [{**group, b"consumers": None, b"entries-read": None, b"lag": None} for group in groups]
        return connection("XRANGE", key, "-", "+").raw, connection("XINFO", "STREAM", key).raw, read, pending
    if kind == b"set":
        return sorted(connection("SMEMBERS", key).plain())
    if kind == b"zset":
        return scores(connection("ZRANGE", key, 0, -1, "WITHSCORES"))
    return connection("GET", key).value


def state(connection):
    """All data: for each database and key its type, encoding, value, and whether it has a deadline."""
    found = {}
    for database in range(16):
        connection("SELECT", database)
        for key in connection("KEYS", "*").plain():
            kind = connection("TYPE", key).value
            value = value_of(connection, kind, key)
            encoding = connection("OBJECT", "ENCODING", key).value
            # Redis 7.0 has no packed lists and sets.
            encoding = {b"list": None, b"set": b"hashtable" if encoding == b"listpack" else encoding}.get(kind, encoding)
            found[database, key] = (kind, encoding, value, connection("PTTL", key).value > 0)
    return found


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("sequence", range(SEQUENCES))
def test_random_sequence(sequence, protocol, server, reference, record_property):
    seed = f"{SEED}/{sequence}/{protocol}"
    record_property("seed", SEED)
    print(f"seed {SEED}, sequence {sequence}, RESP{protocol}")
    generator = Generator(seed)
    sides = [Side(reference, protocol), Side(server, protocol)]
    told, queued, in_transaction = [], [], False
    try:
        for number in range(LENGTH):
            command = generator.command()
            told.append(command)
            replies = [answer(side, command, in_transaction) for side in sides]
            problem = compare(command, replies, queued)
            if problem:
                related = [one for one in told[:-1] if set(one[1:]) & set(command[1:]) or one[0].upper() in (b"MULTI", b"SELECT", b"SWAPDB")]
                raise AssertionError(f"seed {SEED}, sequence {sequence}, command {number}, RESP{protocol}; before it, on the same words:\n"
                                     + "\n".join("    " + quoted(one) for one in related[-20:])
                                     + f"\n  > {quoted(command)}\n{problem}")
            name = command[0].upper()
            if replies[0].raw == b"+QUEUED\r\n":
                queued.append(command)
            elif name == b"MULTI" and not replies[0].is_error:
                queued, in_transaction = [], True
            elif name == b"EXEC" or (name == b"DISCARD" and b"wrong number" not in replies[0].raw):
                queued, in_transaction = [], False
        states = [state(side.control) for side in sides]
        assert states[0] == states[1], f"seed {SEED}, sequence {sequence}, RESP{protocol}: the data differ at the end"
        server.check_alive()
    finally:
        for side in sides:
            side.close()
