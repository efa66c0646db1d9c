"""Random command sequences on both servers; see random_commands.py.

CONFORMANCE_SEED=<number> chooses the seed, CONFORMANCE_SEED=random a new one, CONFORMANCE_SEQUENCES=<n> how many sequences are run.
The seed is printed with the results; a failure names the sequence.
"""
import os
import random

import pytest

from differential.random_commands import MODES, Generator
from differential.random_comparison import compare, quoted, state
from support.cases import Side

DEFAULT_SEED = 72_2026
SEED = os.environ.get("CONFORMANCE_SEED", str(DEFAULT_SEED))
SEED = random.SystemRandom().randrange(1 << 32) if SEED == "random" else int(SEED)
SEQUENCES = int(os.environ.get("CONFORMANCE_SEQUENCES", "12"))
LENGTH = 400


def answer(side, command, in_transaction):
    connection = side.on("a")
    mode, argument = MODES.get(command[0].upper(), ("exact", ""))
    if mode.startswith("walk") and not in_transaction and len(command) > 1:
        return side.walk(connection, command, pairs=mode == "walkpairs")
    return connection(*command)


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
