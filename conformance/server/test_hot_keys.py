"""HOTKEYS: which keys it finds, and what it tells of them and of the time."""
import random
import time

import pytest

from support.resp import eventually

pytestmark = pytest.mark.ours


def found(client):
    reply = client("HOTKEYS", "GET")
    (node,) = reply.value
    fields = node.as_pairs()
    for name in (b"by-cpu-time-us", b"by-net-bytes"):
        if name in fields:
            fields[name] = list(zip(fields[name][::2], fields[name][1::2]))
    return fields


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("metrics", [("1", "CPU"), ("1", "NET"), ("2", "CPU", "NET")])
def test_fields(metrics, protocol, server):
    with server.connect(protocol=protocol) as client:
        begin = time.time() * 1000
        client("HOTKEYS", "START", "METRICS", *metrics)
        client("SET", "k", "v")
        client("HOTKEYS", "STOP")
        fields = found(client)
        client("HOTKEYS", "RESET")
    wanted = ["tracking-active", "sample-ratio", "selected-slots", "all-commands-all-slots-us", "net-bytes-all-commands-all-slots",
              "collection-start-time-unix-ms", "collection-duration-ms"]
    wanted += ["total-cpu-time-user-ms", "total-cpu-time-sys-ms"] * ("CPU" in metrics) + ["total-net-bytes"] * ("NET" in metrics)
    wanted += ["by-cpu-time-us"] * ("CPU" in metrics) + ["by-net-bytes"] * ("NET" in metrics)
    assert [name.decode() for name in fields] == wanted
    assert fields[b"tracking-active"] == 0 and fields[b"sample-ratio"] == 1 and fields[b"selected-slots"] == [[0, 16383]]
    assert abs(fields[b"collection-start-time-unix-ms"] - begin) < 5000 and 0 <= fields[b"collection-duration-ms"] < 5000
    if "NET" in metrics:
        # *3 $3 SET $1 k $1 v, and +OK
        assert fields[b"by-net-bytes"] == [(b"k", 27 + 5)] and fields[b"total-net-bytes"] == 32
        assert fields[b"net-bytes-all-commands-all-slots"] >= 32
    if "CPU" in metrics:
        (key, microseconds), = fields[b"by-cpu-time-us"]
        assert key == b"k" and microseconds >= 1


def test_keys_share_what_their_command_took(server):
    with server.connect() as client:
        client("HOTKEYS", "START", "METRICS", "2", "NET", "CPU")
        client("MSET", "a", "1", "b", "2")
        client("PING")
        client("MULTI")
        client("SET", "c", "x" * 1000)
        client("GET", "nosuch")
        client("EXEC")
        client("SET", "big", "x" * 200_000)
        client("CONFIG", "RESETSTAT")
        client("GET", "big")
        client("HOTKEYS", "STOP")
        fields = found(client)
        client("HOTKEYS", "RESET")
    by_bytes = dict(fields[b"by-net-bytes"])
    assert by_bytes[b"a"] == by_bytes[b"b"] and set(by_bytes) == {b"a", b"b", b"c", b"nosuch", b"big"}
    assert 1000 < by_bytes[b"c"] < 1050 and 400_000 < by_bytes[b"big"] < 400_200
    assert fields[b"by-net-bytes"][0][0] == b"big"
    assert fields[b"net-bytes-all-commands-all-slots"] >= sum(by_bytes.values())
    assert fields[b"all-commands-all-slots-us"] >= 1


@pytest.mark.parametrize("ratio", [1, 2, 10, 100])
def test_hot_keys_are_found(ratio, server):
    """Ten of ten thousand keys have two thirds of all requests, whether these come one by one or in pipelines."""
    rng = random.Random(ratio)
    hot = [b"hot:%d" % number for number in range(10)]
    with server.connect() as client, server.connect() as other:
        client("HOTKEYS", "START", "METRICS", "2", "CPU", "NET", "SAMPLE", str(ratio))
        requests = [("SET", rng.choice(hot) if rng.random() < 0.66 else b"cold:%d" % rng.randrange(10_000), b"x" * 50)
                    for _ in range(30_000)]
        for start in range(0, len(requests), 1000):
            other.pipeline(requests[start:start + 1000])
            client(*requests[start])
        client("HOTKEYS", "STOP")
        fields = found(client)
        client("HOTKEYS", "RESET")
    assert len(set(dict(fields[b"by-net-bytes"])) & set(hot)) >= 8
    # Of few samples the times depend on what else the machine was doing.
    if ratio <= 2:
        assert len(set(dict(fields[b"by-cpu-time-us"])) & set(hot)) >= 6
    samples = fields[b"total-net-bytes"] / 95
    assert 30_000 / ratio * 0.6 < samples < 30_000 / ratio * 1.6


def test_the_end_comes_by_itself(server):
    with server.connect() as client:
        client("HOTKEYS", "START", "METRICS", "1", "CPU", "DURATION", "1")
        assert found(client)[b"tracking-active"] == 1
        assert eventually(lambda: found(client)[b"tracking-active"] == 0)
        assert 1000 <= found(client)[b"collection-duration-ms"] < 3000
        # Another may begin.
        assert client("HOTKEYS", "START", "METRICS", "1", "NET").raw == b"+OK\r\n"
        assert b"by-cpu-time-us" not in found(client)
        client("HOTKEYS", "STOP")
        client("HOTKEYS", "RESET")
