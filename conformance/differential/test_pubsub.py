"""Publishing and subscribing with many clients: each gets the messages that it gets from redis-server."""
import random
import re

import pytest

from support.resp import eventually

CHANNELS = ["news", "news.sport", "news.art", "user:1", "user:2", "user:10:name", "a\x00b", "", "n*", "x" * 300]
PATTERNS = ["*", "n*", "news", "news.*", "n?ws", "user:*", "user:[12]", "user:[^1]*", "user:1*", "\\n*", "n\\*", "*:name", "**", "[", "", "x*x",
            "?*", "a\\"]


def received(connections):
    """What has come to each, each one's messages in order of their bytes: patterns are gone through in any order, and so is what an end
    of all subscriptions ends, whose counts are looked at apart."""
    found = []
    for connection in connections:
        connection.send("PING", "end of messages")
        raws = []
        while b"end of messages" not in (raw := connection.read().raw):
            confirmation = re.fullmatch(rb"(.{4}\$1[12]\r\n\w?unsubscribe\r\n.*)(:\d+\r\n)", raw, re.S)
            raws += confirmation.groups() if confirmation else [raw]
        found.append(sorted(raws))
    return found


def play(server, seed):
    """Random subscriptions and messages of some clients; returns all that they were sent."""
    rng, found = random.Random(seed), []
    connections = [server.connect(protocol=2 + number % 2) for number in range(6)]
    try:
        with server.connect() as publisher:
            for _ in range(150):
                connection = rng.choice(connections)
                kind = rng.choice(["", "", "p", "p", "s"])
                names = [rng.choice(PATTERNS if kind == "p" else CHANNELS) for _ in range(rng.choice([1, 1, 2, 5]))]
                what = rng.random()
                if what < 0.3:
                    connection.send(f"{kind}SUBSCRIBE", *names)
                elif what < 0.5:
                    connection.send(f"{kind}UNSUBSCRIBE", *names)
                elif what < 0.53:
                    connection.send(f"{kind}UNSUBSCRIBE")
                elif what < 0.55:
                    # What a transaction asks for is told all the same.
                    if connection("PING").kind == "+":
                        connection.send_raw(b"*1\r\n$5\r\nMULTI\r\n*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n*1\r\n$4\r\nEXEC\r\n")
                elif what < 0.57:
                    connection.send("RESET")
                # What was asked for has been done before the next message is published.
                found.append(received(connections))
                for name in rng.sample(CHANNELS, 3):
                    found.append(publisher(rng.choice(["PUBLISH", "PUBLISH", "SPUBLISH"]), name, f"message {len(found)}").raw)
                found.append(received(connections))
                found += [publisher("PUBSUB", "NUMPAT").raw, publisher("PUBSUB", "NUMSUB", *CHANNELS).raw,
                          publisher("PUBSUB", "SHARDNUMSUB", *CHANNELS).raw,
                          sorted(publisher("PUBSUB", "CHANNELS").plain()), sorted(publisher("PUBSUB", "CHANNELS", "*s*").plain())]
    finally:
        for connection in connections:
            connection.close()
    return found


@pytest.mark.parametrize("seed", range(8))
def test_random_subscriptions(seed, server, reference):
    tested, wanted = play(server, seed), play(reference, seed)
    for step, (one, other) in enumerate(zip(tested, wanted)):
        assert one == other, f"seed {seed} step {step}"


def test_many_subscribers_of_one_channel(server, reference):
    """A pipeline of messages reaches each of many clients whole and in order."""
    def told(one):
        clients = [one.connect(protocol=2 + number % 2) for number in range(400)]
        try:
            for client in clients:
                client("SUBSCRIBE", "c")
            with one.connect() as publisher:
                counts = [reply.raw for reply in publisher.pipeline([("PUBLISH", "c", f"{n}" * 50) for n in range(64)])]
            return counts, [b"".join(client.read().raw for _ in range(64)) for client in clients]
        finally:
            for client in clients:
                client.close()
    assert told(server) == told(reference)


def test_what_is_told_of_subscribers(server, reference):
    """CLIENT LIST and INFO count the same."""
    def told(one):
        found = []

        def look(*names):
            for name in names:
                text = control("CLIENT", "LIST", "ID", name).plain().decode()
                found.append([field for field in text.split() if field.split("=")[0] in ("flags", "sub", "psub", "ssub", "cmd", "resp")])
            info = dict(line.split(":", 1) for line in control("INFO").plain().decode().splitlines() if ":" in line)
            found.append({name: info.get(name) for name in ("pubsub_channels", "pubsub_patterns", "pubsubshard_channels")})
            found.append([len(control("CLIENT", "LIST", "TYPE", kind).plain().splitlines()) for kind in ("pubsub", "normal")])
        with one.connect() as control, one.connect() as first, one.connect(protocol=3) as second, one.connect() as third:
            ids = [str(client("CLIENT", "ID").value) for client in (first, second, third)]
            look(*ids)
            first("SUBSCRIBE", "a")
            second("SUBSCRIBE", "a")
            second("PSUBSCRIBE", "a*")
            look(*ids)
            second("SSUBSCRIBE", "s")
            third("PSUBSCRIBE", "b*")
            look(*ids)
            second("UNSUBSCRIBE")
            second("MULTI")
            first("UNSUBSCRIBE", "a")
            look(*ids)
            second("DISCARD")
            second("PUNSUBSCRIBE")
            second("SUNSUBSCRIBE")
            third("RESET")
            look(*ids)
        return found
    assert told(server) == told(reference)


def test_an_idle_subscriber_is_not_closed(start):
    """`timeout` closes who sends nothing, but not who is subscribed to something."""
    server = start("--timeout", "1")
    with server.connect() as channel, server.connect() as pattern, server.connect(protocol=3) as shard, server.connect() as left:
        channel("SUBSCRIBE", "c")
        pattern("PSUBSCRIBE", "c*")
        shard("SSUBSCRIBE", "s")
        left("SUBSCRIBE", "c")
        left("UNSUBSCRIBE", "c")
        assert left.read_until_close() == b""
        with server.connect() as publisher:
            assert publisher("PUBLISH", "c", "x").value == 2 and publisher("SPUBLISH", "s", "x").value == 1
        assert [client.read().plain()[-1] for client in (channel, pattern, shard)] == [b"x"] * 3


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_subscriber_that_does_not_read(protocol, server):
    """It is closed by the limit of its class; the others get everything."""
    with server.connect() as control, server.connect(protocol, receive_buffer=4096) as slow, server.connect(protocol) as reader, \
            server.connect() as publisher:
        control("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
        try:
            before = int(dict(line.split(":", 1) for line in control("INFO", "stats").plain().decode().splitlines()[1:])[
                "client_output_buffer_limit_disconnections"])
            slow("SUBSCRIBE", "c")
            reader("SUBSCRIBE", "c")
            count = 0
            while len(control("CLIENT", "LIST", "TYPE", "pubsub").plain().splitlines()) == 2:
                assert [reply.kind for reply in publisher.pipeline([("PUBLISH", "c", "m" * 10_000)] * 20)] == [":"] * 20
                count += 20
                assert all(reader.read().plain()[2] == b"m" * 10_000 for _ in range(20))
            assert publisher("PUBLISH", "c", "last").value == 1 and reader.read().plain()[2] == b"last"
            info = dict(line.split(":", 1) for line in control("INFO", "stats").plain().decode().splitlines()[1:])
            assert int(info["client_output_buffer_limit_disconnections"]) == before + 1
        finally:
            control("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60")


def test_a_message_beyond_the_limit(server):
    """One message that is longer than the limit closes who cannot take it at once, and the server keeps no copy for each."""
    with server.connect() as control, server.connect() as publisher:
        control("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
        try:
            clients = [server.connect(receive_buffer=4096) for _ in range(20)]
            for client in clients:
                client("SUBSCRIBE", "c")
            assert publisher("PUBLISH", "c", "m" * 30_000_000).value == 20
            eventually(lambda: control("PUBSUB", "NUMSUB", "c").plain() == [b"c", 0])
            for client in clients:
                client.close()
            assert publisher("PING").raw == b"+PONG\r\n"
        finally:
            control("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60")
