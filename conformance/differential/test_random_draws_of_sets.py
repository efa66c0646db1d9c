"""Commands on sets with random replies: what they may reply, that the draws are uniform enough, and what is left."""
import collections

import pytest

KINDS = {
    "integers": (b"intset", [b"%d" % index for index in range(100)]),
    "packed": (b"listpack", [b"m%d" % index for index in range(100)]),
    "table": (b"hashtable", [b"m%d" % index for index in range(700)]),
}


@pytest.fixture(params=KINDS)
def members(request, server):
    encoding, names = KINDS[request.param]
    with server.connect() as client:
        client("SADD", "s", *names)
        assert client("OBJECT", "ENCODING", "s").value == encoding
    return names


def chi_square(seen, names):
    """How far the counts are from being equal; about the number of names when draws are independent and uniform."""
    mean = sum(seen.values()) / len(names)
    return sum((seen[name] - mean) ** 2 / mean for name in names)


def assert_fair(seen, names):
    assert set(seen) <= set(names)
    # Six standard deviations above the mean: not to be seen in a lifetime of runs.
    assert chi_square(seen, names) < len(names) + 6 * (2 * len(names)) ** 0.5


@pytest.mark.parametrize("count, draws", [(None, 1), (-50, 50), (5, 5), (1, 1)])
def test_srandmember_is_fair(server, members, count, draws):
    seen = collections.Counter()
    with server.connect() as client:
        for answer in client.pipeline([["SRANDMEMBER", "s"] + ([] if count is None else [count])] * (60 * len(members) // draws)):
            seen.update([answer.value] if count is None else answer.plain())
    assert_fair(seen, members)


def test_srandmember_of_most_is_fair(server, members):
    seen = collections.Counter()
    with server.connect() as client:
        for answer in client.pipeline([["SRANDMEMBER", "s", len(members) // 2]] * 100):
            seen.update(answer.plain())
    # Without repetitions the counts differ less than those of independent draws.
    assert_fair(seen, members)


def test_srandmember_gives_distinct_members(server, members):
    with server.connect() as client:
        for count in (1, 2, len(members) // 4, len(members) // 2, len(members) - 1):
            answer = client("SRANDMEMBER", "s", count).plain()
            assert len(answer) == len(set(answer)) == count and set(answer) <= set(members)


def test_srandmember_repeats_with_a_negative_count(server, members):
    with server.connect() as client:
        answer = client("SRANDMEMBER", "s", -3 * len(members)).plain()
        assert len(answer) == 3 * len(members) and set(answer) <= set(members)


def test_spop_takes_out_what_it_returns(server, members):
    with server.connect() as client:
        left = set(members)
        for count in (None, 1, 3, len(members) // 2, 5, len(members)):
            answer = client("SPOP", "s", *([] if count is None else [count]))
            popped = [answer.value] if count is None else answer.plain()
            assert len(popped) == len(set(popped)) == min(count or 1, len(left)) and set(popped) <= left
            left -= set(popped)
            assert set(client("SMEMBERS", "s").plain()) == left
        assert client("EXISTS", "s").value == 0


@pytest.mark.parametrize("count", [None, 5])
def test_spop_is_fair(server, members, count):
    seen = collections.Counter()
    rounds = 20 * len(members) // (count or 1)
    commands = [["COPY", "s", "t", "REPLACE"], ["SPOP", "t"] + ([] if count is None else [count])]
    with server.connect() as client:
        for answer in client.pipeline(commands * rounds)[1::2]:
            seen.update([answer.value] if count is None else answer.plain())
    assert_fair(seen, members)


@pytest.mark.parametrize("kept", [1, 10, 100])
def test_what_spop_leaves_of_a_large_set_is_kept_as_its_size_asks(server, kept):
    """When far more go than stay, what stays moves to a new set."""
    names = [b"m%d" % index for index in range(1000)]
    with server.connect() as client:
        client("SADD", "s", *names)
        client("EXPIRE", "s", 1000)
        popped = set(client("SPOP", "s", len(names) - kept).plain())
        assert len(popped) == len(names) - kept
        assert set(client("SMEMBERS", "s").plain()) == set(names) - popped
        assert 990 < client("TTL", "s").value <= 1000
        assert client("OBJECT", "ENCODING", "s").value == b"listpack"
