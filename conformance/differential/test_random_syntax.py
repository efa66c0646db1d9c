"""Random commands from a grammar on both servers: see random_syntax.py and grammar.txt.

Against redis-server 7.0, and against 8.2.3 for what is newer. CONFORMANCE_SEED=<number> chooses other sequences, CONFORMANCE_SYNTAX=<n> how many
commands each test runs. The differences that are meant are told of here, each with its reason.
"""
import os
import re

import pytest

from differential.random_syntax import DEFAULTS, explore, flat

SEED = os.environ.get("CONFORMANCE_SEED", "72")
COMMANDS = int(os.environ.get("CONFORMANCE_SYNTAX", "6000"))

SCANS = {b"SCAN", b"HSCAN", b"SSCAN", b"ZSCAN"}
# What these say of wrong arguments since Redis 7.2 comes before they look at the key.
CHECKED_FIRST = {b"BITCOUNT", b"BITPOS"} | SCANS
FLOAT = re.compile(rb"-?(\d+\.?\d*(e[+-]?\d+)?|inf)")


def content(raw):
    """The bytes of a string, whatever says how long it is."""
    return raw.split(b"\r\n", 1)[1][:-2] if raw[:1] == b"$" else raw[1:-2]


def same_numbers(theirs, ours, tolerance=0):
    """Scores are written in the shortest form that reads back, as Redis does since 7.2: another text of the same number will do."""
    def alike(a, b):
        a, b = content(a), content(b)
        return a == b or (FLOAT.fullmatch(a) and FLOAT.fullmatch(b) and (float(a) == float(b) or abs(float(a) - float(b)) < tolerance))
    one, other = flat(theirs, []), flat(ours, [])
    return len(one) == len(other) and all(alike(a, b) for a, b in zip(one, other))


def meant(command, theirs, ours):
    """The differences from any Redis."""
    name = command[0].upper()
    if name == b"OBJECT":
        # No value is shared, and SORT does not convert what it sorts. Where a node of a list ends differs, and so which small list is packed.
        return command[1].upper() == b"REFCOUNT" or {theirs.value, ours.value} in ({b"skiplist", b"listpack"}, {b"quicklist", b"listpack"})
    if name == b"CONFIG" and theirs.is_error and ours.is_error:
        return True
    if name not in (b"SORT", b"SORT_RO"):
        return False
    # Redis also refuses good numbers after a command has met one out of range; where several elements compare alike, their order is any.
    return b"converted into double" in theirs.raw or (not theirs.is_error and not ours.is_error and b"BY" in [word.upper() for word in command])


def meant_with_70(command, theirs, ours):
    name = command[0].upper()
    if meant(command, theirs, ours):
        return True
    # Small sets are packed since Redis 7.2, and hashes that are given many pairs at once are not.
    if name == b"OBJECT" and {theirs.value, ours.value} == {b"hashtable", b"listpack"}:
        return True
    if name in CHECKED_FIRST and (ours.is_error or (name in SCANS and theirs.value == b"ERR invalid cursor")):
        return True
    if name in (b"ZRANK", b"ZREVRANK") and theirs.is_error and ours.is_error:
        return True
    # Since Redis 7.2 a consumer is made whenever one asks, and groups lag otherwise since 8.0.
    if name == b"XINFO" or (name == b"XGROUP" and {theirs.raw, ours.raw} <= {b":0\r\n", b":1\r\n"}) or (name == b"COMMAND" and theirs.is_error and ours.is_error):
        return True
    # XREAD knows "+" as an id since Redis 7.4.
    if name == b"EXEC" and any(text in theirs.raw for text in (b"timeout is", b"Unbalanced", b"Invalid stream ID")):
        return True
    return (name[:1] == b"Z" or name in (b"EXEC",)) and same_numbers(theirs, ours)


def meant_with_82(command, theirs, ours):
    name = command[0].upper()
    if meant(command, theirs, ours):
        return True
    # Redis 8 keeps strings otherwise, and writes positions in the shortest form.
    if name == b"OBJECT" and {theirs.value, ours.value} == {b"raw", b"embstr"}:
        return True
    if name.startswith(b"GEO") and not theirs.is_error and not ours.is_error:
        return same_numbers(theirs, ours, tolerance=1e-15)
    # Redis 8 reads scores to the end, not to a zero byte, and no hexadecimal ones.
    if theirs.value == b"ERR min or max is not a float" and any(b"\0" in word or b"0x" in word for word in command):
        return True
    # NX and XX of HSETEX are Valkey's.
    if name == b"HSETEX" and theirs.raw.upper() in (b"-ERR UNKNOWN ARGUMENT: NX\r\n", b"-ERR UNKNOWN ARGUMENT: XX\r\n"):
        return True
    # Newer versions say it in other words.
    return b"Unbalanced" in theirs.raw and b"Unbalanced" in ours.raw


def check(theirs, ours, seed, version, protocol, only, accepted):
    with theirs.connect(protocol) as one, ours.connect(protocol) as other:
        found = explore(one, other, seed, version, COMMANDS, only, accepted)
        # The servers are others' afterwards.
        for connection in (one, other):
            connection.pipeline([[b"CONFIG", b"SET", name, value] for name, value in DEFAULTS])
    assert not found, f"seed {seed}: {len(found)} kinds of differences\n\n" + "\n\n".join(story for _, story in list(found.values())[:8])


# All together, and by family, where more of what is done meets what was done before.
FAMILIES = {"all": None, "strings": "(?!S(ADD|REM|IS|M|CARD|INTER|UNION|DIFF|SCAN|RAND|POP|ORT))(GET|SET|M|STR|APP|INC|DEC|SUB|LCS|BIT|PF|S).*", "hashes": "H.*|DEL|CONFIG",
            "lists": "[LR](?!ENAME|ESTORE).*|B[LR].*|DEL|CONFIG", "sets": "S(?!ET|TR|UBSTR).*|DEL|CONFIG", "sorted sets": "B?Z.*|GEO.*|SADD|DEL|CONFIG",
            "streams": "X.*|DEL|CONFIG"}


@pytest.mark.since72
@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_same_as_redis_70(family, protocol, server, reference):
    check(reference, server, f"{SEED}/{family}/{protocol}", (7, 0), protocol, FAMILIES[family], meant_with_70)


@pytest.mark.since72
@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_same_as_redis_82(family, protocol, server, newer_redis):
    check(newer_redis, server, f"{SEED}/{family}/{protocol}", (8, 2), protocol, FAMILIES[family], meant_with_82)
