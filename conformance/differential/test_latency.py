"""LATENCY and INFO latencystats: what does not depend on times is the same as the peer's, and times are what they were."""
import re
import time

import pytest

from support.cases import split


def histograms(client, *names):
    """The calls of each command, and how many of them took up to how many microseconds."""
    reply = client("LATENCY", "HISTOGRAM", *names)
    found = {}
    for name, figures in reply.as_pairs().items():
        figures = pairs(figures)
        buckets = pairs(figures[b"histogram_usec"])
        found[name.decode()] = (figures[b"calls"], buckets)
    return found


def pairs(value):
    return value if isinstance(value, dict) else dict(zip(value[::2], value[1::2]))


# The ends of the buckets, in microseconds.
ENDS = [1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113, 4227, 8454, 16908, 33816, 67633, 135266, 270532, 541065, 1073741]


@pytest.mark.ours
@pytest.mark.parametrize("protocol", [2, 3])
def test_histograms(protocol, server, newer_redis):
    lines = ["SET k v", "GET k", "GET k", "GET", "GET absent", "CONFIG GET timeout", "CLIENT ID", "MULTI", "GET k", "LPUSH k 1", "EXEC",
             "NOSUCH", "BLPOP nokey 0.01", "OBJECT HELP"]
    found = []
    for one in (server, newer_redis):
        with one.connect(protocol=protocol) as client:
            client("CONFIG", "RESETSTAT")
            for line in lines:
                client(*split(line))
            all_of_them = histograms(client)
            for calls, buckets in all_of_them.values():
                assert set(buckets) <= set(ENDS) and list(buckets) == sorted(buckets)
                assert list(buckets.values()) == sorted(buckets.values()) and list(buckets.values())[-1] == calls
            some = histograms(client, "get", "config", "nosuch", "client|id", "SET", "blpop")
            found.append(({name: calls for name, (calls, _) in all_of_them.items()}, {name: calls for name, (calls, _) in some.items()}))
    assert found[0] == found[1]


def test_times_are_what_they_were(server, reference):
    for one in (reference, server):
        with one.connect() as client:
            client("CONFIG", "RESETSTAT")
            client("DEBUG", "SLEEP", "0.02")
            client("MULTI")
            client("DEBUG", "SLEEP", "0.003")
            client("EXEC")
            found = histograms(client)
            assert found["debug"][0] == 2
            (first, one_call), (last, two_calls) = found["debug"][1].items()
            assert one_call == 1 and two_calls == 2 and first >= 3000 and last >= 20_000
            # What a transaction took is what its commands took.
            assert min(found["exec"][1]) >= 3000
            fields = statistics(client)
            assert fields["debug"]["p99.9"] >= 20_000 and 3000 <= fields["debug"]["p50"] < 20_000
            usec = int(re.search(rb"cmdstat_exec:calls=1,usec=(\d+)", client("INFO", "commandstats").plain())[1])
            assert usec >= 3000


def statistics(client):
    found = {}
    for line in client("INFO", "latencystats").plain().decode().splitlines():
        if line.startswith("latency_percentiles_usec_"):
            name, fields = line.removeprefix("latency_percentiles_usec_").split(":", 1)
            assert re.fullmatch(r"(p[\d.]+=\d+\.\d{3}(,|$))*", fields), line
            found[name] = {field.split("=")[0]: float(field.split("=")[1]) for field in fields.split(",") if field}
    return found


def test_percentiles(server, reference):
    for one in (reference, server):
        with one.connect() as client:
            before = client("CONFIG", "GET", "latency-tracking-info-percentiles").plain()[1]
            assert before == b"50 99 99.9"
            client("CONFIG", "RESETSTAT")
            client("SET", "k", "v")
            assert list(statistics(client)["set"]) == ["p50", "p99", "p99.9"]
            client("CONFIG", "SET", "latency-tracking-info-percentiles", "0 12.5 100")
            assert list(statistics(client)["set"]) == ["p0", "p12.5", "p100"]
            client("CONFIG", "SET", "latency-tracking-info-percentiles", "")
            assert statistics(client)["set"] == {}
            client("CONFIG", "SET", "latency-tracking-info-percentiles", before)
            # Not counted while it is switched off; what was counted stays.
            client("CONFIG", "SET", "latency-tracking", "no")
            client("SET", "k", "v")
            assert statistics(client) == {} and histograms(client, "set")["set"][0] == 1
            client("CONFIG", "SET", "latency-tracking", "yes")
            client("SET", "k", "v")
            assert histograms(client, "set")["set"][0] == 2
            assert b"Latencystats" in client("INFO", "all").plain() and b"Latencystats" not in client("INFO").plain()


def test_spikes(server, reference):
    """Of each second the longest; the graph and the report tell of the same."""
    texts = []
    for one in (server, reference):
        with one.connect() as client, one.connect(3) as other:
            client("LATENCY", "RESET")
            client("CONFIG", "SET", "latency-monitor-threshold", "20")
            begin = int(time.time())
            time.sleep(1.02 - time.time() % 1)
            for seconds in ("0.001", "0.03", "0.06", "0.04"):
                client("DEBUG", "SLEEP", seconds)
            time.sleep(1.02 - time.time() % 1)
            client("DEBUG", "SLEEP", "0.1")
            first, second = client("LATENCY", "HISTORY", "command").plain()
            assert begin < first[0] < second[0] <= int(time.time()) + 1
            assert 60 <= first[1] < 100 <= second[1] < 500
            assert client("LATENCY", "LATEST").plain() == [[b"command", second[0], second[1], second[1]]]
            graph = client("LATENCY", "GRAPH", "command").plain().decode()
            texts.append(re.sub(r"\d+ ms|\ds", "N", graph))
            report = other("LATENCY", "DOCTOR")
            assert report.kind == "=" and other("LATENCY", "GRAPH", "command").kind == "="
            assert b"1. command: 2 latency spikes (average " in report.plain() and b"I have a few advices for you:" in report.plain()
            assert client("LATENCY", "RESET", "COMMAND", "nosuch").value == 1
            assert client("LATENCY", "LATEST").value == []
            client("CONFIG", "SET", "latency-monitor-threshold", "0")
    assert texts[0] == texts[1]


def test_blocked_client_that_is_released_waits_for_nobody(server, reference):
    """WAIT ends with the time, by CLIENT UNBLOCK, and with the client."""
    found = []
    for one in (server, reference):
        with one.connect() as control, one.connect() as client:
            replies = []
            identifier = client("CLIENT", "ID").value
            for reason in ("TIMEOUT", "ERROR"):
                client.send("WAIT", "1", "0")
                while b"blocked_clients:1\r\n" not in control("INFO", "clients").plain():
                    pass
                replies.append(control("CLIENT", "UNBLOCK", str(identifier), reason).raw)
                replies.append(client.read().raw)
            begin = time.monotonic()
            replies.append(client("WAIT", "1", "60").raw)
            assert time.monotonic() - begin >= 0.059
            client.send("WAIT", "1", "0")
            while b"blocked_clients:1\r\n" not in control("INFO", "clients").plain():
                pass
            client.close()
            while b"blocked_clients:0\r\n" not in control("INFO", "clients").plain():
                pass
            found.append(replies)
    assert found[0] == found[1]
