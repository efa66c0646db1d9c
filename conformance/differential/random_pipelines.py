"""Random commands in pipelines: many times as many in the same time as one after the other, by itself and for as long as wanted:

    CONFORMANCE_SEED=7 SERVER=path .venv/bin/python -m differential.random_pipelines 10000000

Each pipeline goes to the server under test and to redis-server; as a rule both send the same bytes back. Where they do not, the replies
are compared one by one, as those of `test_random` are; cursors are not followed. What differs is told, and the session begins anew.
"""
import os
import sys

from differential.random_commands import Generator
from differential.random_comparison import compare, modes_of, quoted, state
from support.cases import Side
from support.resp import encode

BATCH = 64
BATCHES = 40
THE_END = b"the end of a pipeline"


class Differs(Exception):
    """The two servers answered the same commands differently."""


def run_session(servers, seed, protocol):
    """Random commands on empty servers; returns how many."""
    generator = Generator(seed)
    sides = [Side(server, protocol) for server in servers]
    told = []
    try:
        for _ in range(BATCHES):
            batch = [generator.command() for _ in range(BATCH)] + [[b"DISCARD"], [b"ECHO", THE_END]]
            told += batch
            data = b"".join(encode(*command) for command in batch)
            for side in sides:
                side.on("a").send_raw(data)
            raw = [take(side.on("a")) for side in sides]
            if raw[0] != raw[1]:
                compare_all(batch, raw, sides, told)
        states = [state(side.control) for side in sides]
        if states[0] != states[1]:
            keys = [key for key in states[0].keys() | states[1].keys() if states[0].get(key) != states[1].get(key)]
            raise Differs(f"the data differ at the end: {keys[:3]}\n" + "\n".join(
                f"{states[0].get(key)}\n{states[1].get(key)}" for key in keys[:3]) + related(told, [key for _, key in keys]))
        return BATCHES * BATCH
    finally:
        for side in sides:
            side.close()


def take(connection):
    """The bytes of all replies of a pipeline. They stay in the connection's buffer, to be read one by one if need be."""
    tail = encode(THE_END)[4:]
    while not connection.buffer.endswith(tail):
        connection._fill()
    raw = bytes(connection.buffer)
    connection.buffer.clear()
    return raw


def compare_all(batch, raw, sides, told):
    for side, data in zip(sides, raw):
        side.on("a").buffer += data
    queued = []
    for number, command in enumerate(batch):
        replies = [side.on("a").read() for side in sides]
        if modes_of(replies[0], command)[0].startswith("walk"):
            problem = None if replies[0].kind == replies[1].kind else "one is an error"
        else:
            problem = compare(command, replies, queued)
        if problem:
            before = told[:len(told) - len(batch) + number]
            raise Differs(f"> {quoted(command)}\n{problem}" + related(before, command[1:]))
        name = command[0].upper()
        if replies[0].raw == b"+QUEUED\r\n":
            queued.append(command)
        elif name == b"MULTI" and not replies[0].is_error:
            queued = []


def related(told, words):
    found = [one for one in told if set(one[1:]) & set(words) or one[0].upper() in (b"MULTI", b"SELECT", b"SWAPDB", b"DISCARD", b"EXEC")]
    return "\nbefore it, on the same words:\n" + "\n".join("    " + quoted(one) for one in found[-20:])


def main():
    from support import server as servers
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(os.environ.get("CONFORMANCE_SEED", "1"))
    launched = [servers.Server(binary, servers.TEST_FLAGS) for binary in (servers.reference(), servers.under_test())]
    count, number, found = 0, 0, 0
    try:
        while count < wanted:
            protocol = 2 + number % 2
            try:
                count += run_session(launched, f"{seed}/{number}/{protocol}", protocol)
            except Differs as difference:
                found += 1
                count += BATCH
                print(f"seed {seed}, session {number}, RESP{protocol}\n{difference}", flush=True)
            number += 1
            if number % 100 == 0:
                print(f"{count} commands, {found} differences", flush=True)
        print(f"{count} commands, {found} differences")
        sys.exit(found > 0)
    finally:
        for one in launched:
            one.check_alive()
            one.stop()


if __name__ == "__main__":
    main()
