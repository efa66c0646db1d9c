"""Which replies to random commands are as good as the reference's, and what a server holds."""
import re

from differential.random_commands import MODES
from support.compare import difference, scores
from support.resp import shown

# What the reference, if it is older, answers to OBJECT ENCODING, and what a server of version 7.2 does.
NEW_ENCODINGS = {(b"quicklist", b"listpack")}


def quoted(command):
    return " ".join('"%s"' % shown(word, 200) for word in command)


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
    if command[0].upper() == b"XINFO" and not theirs.is_error:
        if b"lag" in theirs.raw:
            mode = "shape"
        elif without_nodes(theirs.raw) == without_nodes(ours.raw):
            return None
    # Redis 7.0 writes seventeen digits, 7.2 as few as will do.
    if command[0].upper().startswith(b"Z") and mode == "exact":
        mode = "scores"
    return difference(mode, argument, theirs, ours)


def without_nodes(raw):
    """XINFO STREAM of an empty stream without its nodes: where XTRIM MINID removed the last entries of a node, but not its very last,
    which had been deleted before, Redis keeps the empty node."""
    return re.sub(rb"(radix-tree-(keys|nodes)\r\n):\d+", rb"\1", raw) if b"length\r\n:0\r\n" in raw else raw


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
        return connection("XRANGE", key, "-", "+").raw, without_nodes(connection("XINFO", "STREAM", key).raw), read, pending
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
            # Redis 7.0 has no listpacks and sets.
            encoding = {b"list": None, b"set": b"hashtable" if encoding == b"listpack" else encoding}.get(kind, encoding)
            found[database, key] = (kind, encoding, value, connection("PTTL", key).value > 0)
    return found
