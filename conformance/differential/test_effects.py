"""What writes are told of as effects gives the same data elsewhere: every case file, random sequences, and what is particular to time.

The server runs its effects in a second store with another seed and a clock that is years ahead, where nothing relative to the time would
survive, and compares digests of all data. EFFECTS_SESSIONS=<n> is how many random sessions are run of each kind (CONFORMANCE_SEED as elsewhere).
"""
import os
import pathlib
import random
import re
import time

import pytest

from differential import random_commands, random_syntax
from support import server as servers
from support.cases import Side, read_cases
from support.effects import quoted, recorded
from support.resp import Closed, Malformed

pytestmark = pytest.mark.ours
SEED = os.environ.get("CONFORMANCE_SEED", "72")
SESSIONS = int(os.environ.get("EFFECTS_SESSIONS", "6"))
YEARS = 10 * 365 * 24 * 3600 * 1000
FILES = sorted((pathlib.Path(__file__).parent / "cases").glob("*.txt"))
# How the bytes of strings depend on settings is not part of the effects: they are run with the settings under which they were recorded.
SETTING_DEPENDENT = {b"hll-sparse-max-bytes"}


def play(case, server):
    """Runs a case on one server, whatever it answers; the problem with its effects or None."""
    side = Side(server, case.protocols[0])
    try:
        names = {name for step in case.steps if [a.upper() for a in step.arguments[:2]] == [b"CONFIG", b"SET"]
                 for name in step.arguments[2::2]}
        side.remember_settings(names)
        with recorded(side.control) as recording:
            problem = None
            for step in case.steps:
                if names and SETTING_DEPENDENT & set(step.arguments):
                    problem = problem or recording.problem(YEARS)
                    recording.restart()
                if step.sleep is not None:
                    time.sleep(step.sleep)
                    continue
                for index in range(step.repeat):
                    try:
                        side.run(step, step.rendered(index))
                    except (Closed, Malformed, OSError):
                        break
            problem = problem or recording.problem(YEARS)
            return problem and f"{case.path.name}:{case.line} {case.title}: {problem}, after\n" + "\n".join(
                quoted(words) for words in recording.log()[-30:])
    finally:
        side.close()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_case_file(path, server):
    problems = [play(case, server) for case in read_cases(path)]
    problems = [problem for problem in problems if problem]
    assert not problems, "\n\n".join(problems)


# --- random ------------------------------------------------------------------------------------------------------------------------------


class ShortLived(random_syntax.Generator):
    """The commands of the grammar with deadlines that pass while they run."""

    def far(self, scale, start=0):
        return self.timed((start + self.random.choice([1, 3, 10, 30, 100, 1000, 1_000_000])) // scale)

    word_sec = lambda self: self.far(1)
    word_ms = lambda self: self.far(1)
    word_usec = lambda self: self.far(1000, int(time.time() * 1000))
    word_ums = lambda self: self.far(1, int(time.time() * 1000))


def short_lived(seed):
    # Settings decide how values are kept, and that is no effect.
    generator = ShortLived(seed, (99, 0), only="(?!CONFIG).*")
    commands = []
    while len(commands) < 300:
        batch = random_syntax.batch_of(generator, generator.random.choice([1, 1, 1, 4]))
        draw = generator.random.random()
        if draw < 0.02:
            batch = [[b"DEBUG", b"SET-ACTIVE-EXPIRE", generator.random.choice([b"0", b"1"])]]
        elif draw < 0.05:
            batch = [generator.random.choice([[b"SELECT", b"1"], [b"SELECT", b"0"], [b"SWAPDB", b"0", b"1"]])]
        elif draw < 0.12:
            key = generator.word_s
            batch = [generator.random.choice([
                [b"MOVE", key(), generator.random.choice([b"0", b"1"])],
                [b"COPY", key(), key(), b"DB", generator.random.choice([b"0", b"1"]), b"REPLACE"],
                [b"COPY", key(), key(), b"DB", generator.random.choice([b"0", b"1"])],
                [b"PEXPIRE", key(), b"%d" % generator.random.choice([1, 2, 5, 20])],
                [b"DEBUG", b"SLEEP", b"0.003"]])]
        elif len(batch) > 1 and draw < 0.3 and not any(command[0].upper() in (b"MULTI", b"EXEC") for command in batch):
            batch = [[b"MULTI"], *batch, [b"EXEC"]]
        commands += batch
    return commands


def long_lived(seed):
    generator = random_commands.Generator(seed)
    return [generator.command() for _ in range(400)] + [[b"DISCARD"]]


# Runs the commands that its arguments are, each with its number of words in front. What a command refuses ends nothing.
SCRIPT = """
local place = 1
while ARGV[place] do
    local count = tonumber(ARGV[place])
    redis.pcall(unpack(ARGV, place + 1, place + count))
    place = place + count + 1
end
"""


def scripted(seed):
    """The commands of both kinds, run by scripts of some each, within transactions now and then."""
    plain = [command for pair in zip(long_lived(seed), short_lived(seed)) for command in pair]
    draw, commands = random.Random(seed), []
    while plain:
        count = draw.choice([1, 2, 5])
        batch, plain = plain[:count], plain[count:]
        script = ["EVAL", SCRIPT, 0, *[word for command in batch for word in (len(command), *command)]]
        commands += [["MULTI"], script, batch[0], ["EXEC"]] if draw.random() < 0.1 else [script]
    return commands + [["DISCARD"]]


def run(commands, server, each):
    """Runs commands; the problem with their effects or None. `each`: looks after each one, and tells which it was."""
    with server.connect() as connection, server.connect() as control, recorded(control) as recording:
        try:
            if not each:
                for start in range(0, len(commands), 50):
                    connection.pipeline(commands[start:start + 50])
                return recording.problem(YEARS)
            for number, command in enumerate(commands):
                connection(*command)
                problem = recording.problem(YEARS)
                if problem:
                    return (f"{problem}, first after\n" + "\n".join(map(quoted, commands[max(0, number - 20):number + 1]))
                            + "\nthe last effects:\n" + "\n".join(map(quoted, recording.log()[-10:])))
        finally:
            connection("DISCARD")
            connection("SELECT", 0)
            connection("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    return None


@pytest.mark.parametrize("make", [long_lived, short_lived, scripted], ids=lambda make: make.__name__)
def test_random_commands(make, server):
    for session in range(SESSIONS):
        seed = f"{SEED}/{session}"
        commands = make(seed)
        problem = run(commands, server, each=False)
        if problem:
            problem = run(commands, server, each=True) or problem + ", but not when looked at after each command"
        assert not problem, f"CONFORMANCE_SEED {SEED}, session {session}: {problem}"
        server.check_alive()


# --- waits that are served ---------------------------------------------------------------------------------------------------------------


def waiting(server, *commands):
    """Clients that wait, each for its command, in this order."""
    clients = []
    with server.connect() as control:
        for command in commands:
            clients.append(server.connect())
            clients[-1].send(*command)
            deadline = time.monotonic() + 10
            while control("INFO", "clients").plain().count(b"blocked_clients:%d\r\n" % len(clients)) == 0:
                assert time.monotonic() < deadline, f"{command} does not wait"
    return clients


SERVED = [
    ([["BLPOP", "l", 0], ["BRPOP", "l", 0]], [["RPUSH", "l", 1, 2, 3]],
     [["RPUSH l 1 2 3"], ["LPOP l"], ["RPOP l"]]),
    ([["BLMOVE", "l", "m", "LEFT", "RIGHT", 0], ["BRPOPLPUSH", "m", "n", 0], ["BLMPOP", 0, 2, "x", "n", "LEFT", "COUNT", 5]], [["LPUSH", "l", 1]],
     [["LPUSH l 1"], ["LMOVE l m LEFT RIGHT"], ["RPOPLPUSH m n"], ["LPOP n 1"]]),
    ([["BLMOVEM", "l", "m", "LEFT", "RIGHT", 0, "EXACTLY", 3, "BULK"]], [["RPUSH", "l", 1, 2], ["RPUSH", "l", 3, 4]],
     [["RPUSH l 1 2", "RPUSH l 3 4"], ["LMOVEM l m LEFT RIGHT EXACTLY 3 BULK"]]),
    ([["BZPOPMIN", "y", "z", 0], ["BZPOPMAX", "z", 0], ["BZMPOP", 0, 1, "z", "MAX", "COUNT", 2]], [["ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d"]],
     [["ZADD z 1 a 2 b 3 c 4 d"], ["ZPOPMIN z"], ["ZPOPMAX z"], ["ZPOPMAX z 2"]]),
    ([["XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">"]], [["XADD", "s", "7-1", "f", "v"]],
     [["XGROUP CREATECONSUMER s g c"], ["XADD s 7-1 f v"],
      ["XCLAIM s g c 0 7-1 TIME T RETRYCOUNT 1 FORCE JUSTID LASTID 7-1", "XGROUP SETID s g 7-1 ENTRIESREAD 1"]]),
    ([["BLPOP", "l", 0]], [["RPUSH", "l", 1], ["LPOP", "l"]], [["RPUSH l 1", "LPOP l"]]),
]


def words_of(log):
    """What was recorded as texts, by groups, times of now as T."""
    groups, inside = [], False
    for words in log:
        text = b" ".join([words[0].upper(), *words[1:]]).decode("latin1")
        text = re.sub(r"\b\d{13}\b", lambda found: "T" if abs(int(found[0]) - time.time() * 1000) < 10 ** 9 else found[0], text)
        if text.startswith("SELECT"):
            continue
        if text in ("MULTI", "EXEC"):
            inside = text == "MULTI"
            if inside:
                groups.append([])
        elif inside:
            groups[-1].append(text)
        else:
            groups.append([text])
    return groups


# What several writes do comes between them unless they are one transaction.
SERVED = [(*case, in_transaction) for case in SERVED for in_transaction in (False, True) if in_transaction or len(case[1]) == 1]


@pytest.mark.parametrize("waits, writes, told, in_transaction", SERVED)
def test_served_waits(waits, writes, told, in_transaction, server):
    with server.connect() as control, recorded(control) as recording:
        prepared = any(wait[0] == "XREADGROUP" for wait in waits)
        if prepared:
            control("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
        clients = waiting(server, *waits)
        try:
            if in_transaction:
                assert control("MULTI").value == b"OK"
            for write in writes:
                control(*write)
            if in_transaction:
                assert not control("EXEC").is_error
            found = words_of(recording.log())
            assert found[prepared:] == told
            recording.check(YEARS)
        finally:
            for client in clients:
                client.close()


# --- time --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("active", [0, 1])
def test_what_expires(active, server):
    """Keys and fields whose time passes, then written to, moved onto, copied over, found by patterns, or left alone."""
    with server.connect() as control, recorded(control) as recording:
        control("DEBUG", "SET-ACTIVE-EXPIRE", active)
        try:
            for database in (0, 1):
                control("SELECT", database)
                for key in "abcdefghij":
                    control("SET", key, 5, "PX", 20)
                for name in ("whole", "kept", "filled"):
                    control("HSETEX", name, "PX", 20, "FIELDS", 2, "f", 1, "g", 2)
                control("PEXPIRE", "filled", 1_000_000)
                control("HSET", "kept", "h", 3)
                control("RPUSH", "l", 1, 2)
                control("PEXPIRE", "l", 20)
            control("RPUSH", "m", "a", "b")
            time.sleep(0.03)
            for words in (["INCR", "a"], ["APPEND", "b", "x"], ["RENAME", "c", "x"], ["MOVE", "d", 0], ["COPY", "m", "e", "DB", 0], ["RPUSHX", "l", 3],
                          ["RPUSH", "l", 3], ["SORT", "m", "BY", "*", "GET", "*", "STORE", "sorted"], ["HINCRBY", "whole", "f", 1], ["HSETNX", "kept", "g", 9],
                          ["HSETEX", "filled", "FIELDS", 2, "f", 7, "g", 8], ["SETNX", "f", 1], ["MSETNX", "g", 1, "h", 2], ["GETEX", "i", "PERSIST"],
                          ["DEL", "j"], ["SELECT", 0], ["COPY", "whole", "copied"], ["PERSIST", "a"], ["MOVE", "b", 1], ["SWAPDB", 0, 1], ["PFADD", "c", "x"],
                          ["SDIFFSTORE", "x", "d"], ["HPERSIST", "kept", "FIELDS", 2, "f", "h"], ["HLEN", "kept"], ["HGETALL", "whole"]):
                control(*words)
                recording.check(YEARS)
            control("DEBUG", "SET-ACTIVE-EXPIRE", 1)
            recording.check(YEARS)
        finally:
            control("DEBUG", "SET-ACTIVE-EXPIRE", 1)


# --- what Redis tells --------------------------------------------------------------------------------------------------------------------

# Each line is told of in the same words as in the append-only file of redis-server 8.2.3. Left out is where the words differ and mean the
# same: conditions of SET, EXPIRE, HEXPIRE and HSETEX are left out once they are found true, a consumer is told of when it is made, entries
# that were deleted while pending are acknowledged, approximate MINID is told as MAXLEN, and FLUSHALL of nothing is not told of.
AS_REDIS = """
SET k v EX 100|SET k v PX 100000 GET|SET k v2 KEEPTTL|SET k v EXAT 33000000000 XX|SETEX k 100 v|PSETEX k 100000 v|GETEX k|GETEX k EX 50|GETEX k PERSIST
GETEX k PXAT 1|SET k v|EXPIRE k 100|EXPIREAT k 1|SET k v|EXPIRE k -1|SET k 1|INCR k|INCRBYFLOAT k 1.5|GETSET k 5|GETDEL k|GETDEL k|APPEND k a
SETRANGE k 0 b|MSET a 1 b 2|MSETNX a 1 c 2|SETNX a 1|DEL a b nosuch|DEL nosuch|UNLINK nosuch|PERSIST k|FLUSHDB|SWAPDB 0 1|SWAPDB 0 0|SWAPDB 1 0
SET m 1|MOVE m 3|SET r 1 EX 1000|COPY r q|COPY r q REPLACE|RENAME r t|RENAME t t|RENAMENX t u|FLUSHALL
SADD s 1|SADD s 1|SPOP s|SADD s 1 2|SPOP s 5|SPOP s 5|SADD s 1|SPOP s 0|SMOVE s t 1|SINTERSTORE x nosuch|SUNIONSTORE x t|SINTERSTORE x nosuch
RPUSH l 3 1 2|SORT l STORE d|SORT nosuch STORE d|SORT nosuch STORE d|LPOP l|RPOP l 5|RPOP l|RPUSH l 1 2 3 4 5|BLPOP l 0|BRPOP x l 0
BLMOVE l m LEFT RIGHT 0|BRPOPLPUSH l m 0|BLMPOP 0 2 zz l LEFT COUNT 3|LMPOP 2 zz m RIGHT|LMPOP 2 zz m RIGHT COUNT 7|RPUSH l 1|LTRIM l 1 0
ZADD z 1 a 2 b 3 c 4 d 5 e|ZADD z 1 a|ZADD z XX CH 2 a|ZINCRBY z 1 a|BZPOPMIN z 0|BZPOPMAX z 0|ZPOPMIN z|BZMPOP 0 2 q z MIN|ZMPOP 2 q z MIN COUNT 5
ZADD z 1 a|ZRANGESTORE y z 0 -1|ZRANGESTORE y z 5 6|ZUNIONSTORE y 1 z|GEOADD g 13.3 38.1 a 15.0 37.5 b|GEORADIUS g 15 37 200 km STORE gs
GEORADIUS g 15 37 200 km|GEOSEARCHSTORE gs g FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1 ANY|PFADD p a b c|PFADD p a|PFCOUNT p|PFCOUNT p|PFMERGE pp p
SETBIT b 1 1|SETBIT b 1 1|BITFIELD b GET u8 0|BITFIELD b SET u8 0 1|BITFIELD b SET u8 0 1|BITOP AND bb b nosuch|BITOP AND bc nosuch nosuch2
HSET h a 1 b 2 c 3|HSET h a 1|HSETNX h a 1|HINCRBY h a 0|HEXPIRE h 100 FIELDS 2 a b|HINCRBYFLOAT h a 1.5|HPEXPIREAT h 1 FIELDS 1 c|HPERSIST h FIELDS 1 a
HPERSIST h FIELDS 1 a|HGETEX h EX 100 FIELDS 1 a|HGETEX h PERSIST FIELDS 1 a|HGETEX h PXAT 1 FIELDS 1 a|HGETEX h FIELDS 1 b|HGETDEL h FIELDS 1 b
HSETEX h EX 100 FIELDS 2 a 1 b 2|HSETEX h KEEPTTL FIELDS 1 a 9|HSETEX h PXAT 1 FIELDS 1 q 9|HDEL h a zz|HDEL h zz
XADD x 1-1 a 1|XADD x * a 1|XADD x 99999999999999-* a 1|XADD x MAXLEN ~ 2 99999999999999-5 a 1|XADD x MAXLEN 2 99999999999999-6 a 1|XTRIM x MAXLEN ~ 2
XADD x NOMKSTREAM 99999999999999-9 a 1|XTRIM x MAXLEN 2|XADD x 99999999999999-10 b 1|XGROUP CREATE x g 0|XGROUP CREATECONSUMER x g c1
XGROUP CREATECONSUMER x g c2|XREADGROUP GROUP g c1 COUNT 2 STREAMS x >|XREADGROUP GROUP g c2 NOACK COUNT 1 STREAMS x >|XREADGROUP GROUP g c2 STREAMS x >
XCLAIM x g c2 0 99999999999999-9|XCLAIM x g c2 0 99999999999999-9 JUSTID|XCLAIM x g c1 0 99999999999999-9 IDLE 1000 RETRYCOUNT 5|XAUTOCLAIM x g c2 0 0
XAUTOCLAIM x g c1 100000 0|XACK x g 99999999999999-9|XACK x g 99999999999999-9|XGROUP DELCONSUMER x g c1|XGROUP SETID x g $|XGROUP DESTROY x nosuch
XSETID x 99999999999999-20|XDEL x 99999999999999-9|XDEL x 99999999999999-9|MULTI|SET a 1|EXEC|MULTI|SET a 1|GET a|SET b 1|EXEC|MULTI|GET a|EXEC
"""


def append_only_file(server):
    data = b"".join(path.read_bytes() for path in sorted(server.directory.glob("appendonlydir/*.incr.aof")))
    log, place = [], 0

    def line():
        nonlocal place
        end = data.index(b"\r\n", place)
        text, place = data[place:end], end + 2
        return text
    while place < len(data):
        words = []
        for _ in range(int(line()[1:])):
            length = int(line()[1:])
            words.append(data[place:place + length])
            place += length + 2
        log.append(words)
    return log


def test_as_redis_tells(server):
    commands = [text.split(" ") for row in AS_REDIS.strip().split("\n") for text in row.split("|")]
    peer = servers.Server(servers.newer_redis(), ["--save", "", "--appendonly", "yes", "--appendfsync", "always"])
    try:
        with peer.connect() as connection:
            replies = [connection(*command) for command in commands]
        theirs = words_of(append_only_file(peer))
    finally:
        peer.stop()
    with server.connect() as control, recorded(control) as recording:
        ours_replies = [control(*command) for command in commands]
        assert [reply.is_error for reply in replies] == [reply.is_error for reply in ours_replies]
        ours = words_of(recording.log())
        recording.check(YEARS)
    assert ours == theirs
