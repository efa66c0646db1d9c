"""Keys that are due but still there: whoever meets one removes it, and is not disturbed by that."""
import time

import pytest

MOVES = [["LMOVE", "s", "d", "LEFT", "LEFT"], ["RPOPLPUSH", "s", "d"], ["BLMOVE", "s", "d", "LEFT", "RIGHT", "0.01"], ["BRPOPLPUSH", "s", "d", "0.01"]]
OTHERS = [["SORT", "s", "STORE", "d"], ["COPY", "s", "d", "REPLACE"], ["RENAME", "s", "d"], ["BLMPOP", "0.01", "2", "d", "s", "LEFT"]]


@pytest.mark.parametrize("order", [["s", "o", "d"], ["d", "o", "s"]])
@pytest.mark.parametrize("words", [*MOVES, *OTHERS], ids=lambda words: words[0])
def test_a_destination_that_is_due_is_as_good_as_absent(words, order, server, reference):
    """Keys that are due and still there are removed on the way, and others may move in the table then."""
    noted = []
    for one in (reference, server):
        with one.connect() as client:
            client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
            for count in range(12):
                client("FLUSHALL")
                for key in order:
                    client("RPUSH", key, *range(1, 4))
                for filler in range(count):
                    client("SET", filler, "x")
                client("PEXPIRE", "d", 1)
                time.sleep(0.003)
                noted.append((one is server, client(*words).raw, client("DEBUG", "DIGEST").raw))
            client("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    assert [note[1:] for note in noted if note[0]] == [note[1:] for note in noted if not note[0]]
