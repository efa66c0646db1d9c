"""Commands with random replies: what they may reply, and that the draws are uniform enough."""
import collections

import pytest

SMALL, LARGE = 20, 700          # listpack and table


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
def fields(request, server):
    names = [b"f%d" % index for index in range(request.param)]
    with server.connect() as client:
        client("HSET", "h", *[part for name in names for part in (name, b"v" + name)])
        assert client("OBJECT", "ENCODING", "h").value == (b"listpack" if request.param == SMALL else b"hashtable")
    return names


def test_hrandfield_positive_count_gives_distinct_fields(server, fields):
    with server.connect() as client:
        for count in (1, 2, len(fields) // 2, len(fields) - 1):
            answer = client("HRANDFIELD", "h", count).plain()
            assert len(answer) == len(set(answer)) == count and set(answer) <= set(fields)


def test_hrandfield_withvalues_pairs_fields_with_their_values(server, fields):
    with server.connect(2) as two, server.connect(3) as three:
        for count in (3, len(fields), -3, -2 * len(fields)):
            flat = two("HRANDFIELD", "h", count, "WITHVALUES").plain()
            assert all(value == b"v" + name for name, value in zip(flat[::2], flat[1::2]))
            assert len(flat) == 2 * abs(count)
            nested = three("HRANDFIELD", "h", count, "WITHVALUES").plain()
            assert len(nested) == abs(count) and all(value == b"v" + name for name, value in nested)


@pytest.mark.parametrize("count, draws", [(None, 1), (-50, 50), (5, 5)])
def test_hrandfield_reaches_every_field(server, fields, count, draws):
    """Each draw hits each field equally: the most frequent is not far above the mean, and none is left out."""
    wanted = 60 * len(fields)       # a mean of 60 per field
    command = ["HRANDFIELD", "h"] + ([] if count is None else [count])
    seen = collections.Counter()
    with server.connect() as client:
        for answer in client.pipeline([command] * (wanted // draws)):
            seen.update([answer.value] if count is None else answer.plain())
    assert set(seen) == set(fields)
    assert max(seen.values()) < 60 * 4


def test_randomkey_reaches_every_key(server):
    with server.connect() as client:
        client.pipeline([["SET", f"k{index}", "v"] for index in range(100)])
        seen = collections.Counter(reply.value for reply in client.pipeline([["RANDOMKEY"]] * 6000))
    assert len(seen) == 100
    assert max(seen.values()) < 60 * 5


def test_randomkey_does_not_show_what_has_expired(server):
    with server.connect() as client:
        client("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        try:
            client.pipeline([["SET", f"gone{index}", "v", "PX", "1"] for index in range(50)])
            client.pipeline([["SET", f"kept{index}", "v"] for index in range(5)])
            client("DEBUG", "SLEEP", "0.05")
            assert all(reply.value.startswith(b"kept") for reply in client.pipeline([["RANDOMKEY"]] * 100))
        finally:
            client("DEBUG", "SET-ACTIVE-EXPIRE", "1")
