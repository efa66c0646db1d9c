"""Requests in quotes, wherever in a pipeline they stand and wherever the packet is cut: unquoted once, as redis-server does it."""
import pytest

from support.crowd import split
from support.resp import encode, shown

# Lines whose last word is looked at. Each is sent as a value and comes back as the reply to GET.
VALUES = [b'"x y"', b"'x y'", rb'"\x41\x42"', rb'"a\nb\r\t\a\b"', rb'"say \"so\""', rb'"back\\slash"', rb'"\\x41"', rb'"\\\"\\"', rb"'it\'s here'",
          rb"'a\nb'", rb"'\x41'", rb"'say \"so\"'", b'""', b"''", rb'"\x00\xff\xFf"', rb'"\xg1\q"', b'plain', rb'un\x41quoted', b'"\'"', b"'\"'", rb'"\\\\\\n"',
          rb"'\\ '", rb"'\'\'\''", b'"' + b"\\x61" * 50 + b'"', b"'" + b"\\'" * 50 + b"'"]

# Lines that are errors: nothing behind them counts.
BROKEN = [b'"x', b"'x", b'"x"y', b"'x'y", rb'"x\"', rb"'x\'", b'"x""y"', b"'x''y'", rb'"\x4"1', b'"', b"'", rb'"\\\"', rb"'\'"]


def lines(key, values):
    return b"".join(b"SET %s %s\r\nGET '%s'\r\n" % (key, value, key) for value in values)


def multi(key, values):
    return encode("MULTI") + lines(key, values) + encode("EXEC")


# What stands before and behind the lines in the same packet. Each takes the key and the lines' values.
PLACES = {
    "alone": lambda key, values: lines(key, values),
    "in a transaction": multi,
    "in a transaction of lines": lambda key, values: b"MULTI\r\n" + lines(key, values) + b"EXEC\r\n",
    "behind EXEC": lambda key, values: encode("MULTI") + encode("PING") + encode("EXEC") + lines(key, values),
    "behind DISCARD": lambda key, values: encode("MULTI") + encode("PING") + b"DISCARD\r\n" + lines(key, values),
    "behind EXEC without MULTI": lambda key, values: b"EXEC\r\n" + lines(key, values),
    "behind WATCH": lambda key, values: encode("WATCH", key + b"w") + multi(key, values),
    "behind a wait that ends": lambda key, values: encode("BLPOP", key + b"none", "0.01") + lines(key, values),
    "behind a wait that is served": lambda key, values: encode("BLPOP", key + b"queue", "0") + lines(key, values),
    "behind a wait in quotes that is served": lambda key, values: b'BLPOP "%squeue" 0\r\n' % key + lines(key, values),
    "between waits that are served": lambda key, values: b"".join(encode("BLPOP", key + b"queue", "0") + lines(key, [value]) for value in values),
    "behind a wait that finds something": lambda key, values: encode("RPUSH", key + b"l", "e") + encode("BLPOP", key + b"l", "0") + lines(key, values),
    "behind SKIP": lambda key, values: b"".join(encode("CLIENT", "REPLY", "SKIP") + b"SET %s %s\r\nGET %s\r\n" % (key, value, key) for value in values),
    "behind OFF and ON": lambda key, values: encode("CLIENT", "REPLY", "OFF") + lines(key, values) + encode("CLIENT", "REPLY", "ON") + lines(key, values),
    "behind NO-EVICT": lambda key, values: encode("CLIENT", "NO-EVICT", "on") + lines(key, values),
    "behind SELECT": lambda key, values: b"SELECT 1\r\n" + lines(key, values) + b"SELECT 0\r\n" + lines(key, values),
    "behind SETNAME": lambda key, values: b"CLIENT SETNAME 'x'\r\n" + lines(key, values),
    "behind RESET": lambda key, values: b"RESET\r\n" + lines(key, values),
    "behind AUTH": lambda key, values: b"AUTH x\r\n" + lines(key, values),
    "behind a pause of its own": lambda key, values: encode("CLIENT", "PAUSE", "8", "ALL") + lines(key, values),
    "behind a pause of writes": lambda key, values: encode("CLIENT", "PAUSE", "20", "WRITE") + lines(key, values),
    "transaction behind a pause of writes": lambda key, values: encode("CLIENT", "PAUSE", "20", "WRITE") + multi(key, values),
    "behind a long command": lambda key, values: b"DEBUG SLEEP 0.002\r\n" + lines(key, values),
    "behind a large argument": lambda key, values: encode("SET", key + b"large", b"L" * 40_000) + lines(key, values),
    "behind an argument that is kept": lambda key, values: encode("SET", key + b"large", b"L" * 1500) + lines(key, values),
    "around the size of a batch": lambda key, values: encode("PING") * 29 + lines(key, values) + encode("PING") * 30 + multi(key, values),
    "behind empty lines": lambda key, values: b"\r\n\n*0\r\n" + lines(key, values),
    "behind an unknown command": lambda key, values: b"NOPE 'a b' \"c\"\r\n" + lines(key, values),
}
SLOW = {name for name in PLACES if "pause" in name or "ends" in name or "long" in name}


def answers(server, packets, place, whole=True):
    """What comes back for each packet, given as its pieces. All first pieces are sent before any second one, so that the server has seen
    them alone. If they are not good requests, the connection ends with them."""
    with server.connect() as control:
        control("FLUSHALL")
        crowd = [server.connect(timeout=30) for _ in packets]
        for step in range(max(len(pieces) for pieces in packets)):
            for connection, pieces in zip(crowd, packets):
                if step < len(pieces):
                    connection.send_raw(pieces[step])
            assert control("PING").value == b"PONG"
        received = []
        for number, connection in enumerate(crowd):
            if "served" in place:
                for _ in VALUES if "between" in place else (1,):
                    control("RPUSH", b"k%04dqueue" % number, "e")
            data = bytearray()
            if whole:
                connection.send_raw(encode("ECHO", "the end"))
                while not data.endswith(b"the end\r\n"):
                    chunk = connection.socket.recv(65536)
                    assert chunk, f"closed after {shown(bytes(data))} to {shown(b''.join(packets[number]))}"
                    data += chunk
            else:
                connection.half_close()
                data = connection.read_until_close()
            received.append(bytes(data))
            connection.close()
        return received


def key_of(number):
    return b"k%04d" % number


def compare(packets, place, server, reference, whole=True):
    expected, actual = [answers(one, packets, place, whole) for one in (reference, server)]
    for pieces, theirs, ours in zip(packets, expected, actual):
        assert ours == theirs, f"to {' | '.join(shown(piece) for piece in pieces)}\nreference: {shown(theirs)}\n   tested: {shown(ours)}"


@pytest.mark.parametrize("place", PLACES)
def test_all_forms_in_one_packet(place, server, reference):
    packets = [[PLACES[place](key_of(number), [value])] for number, value in enumerate(VALUES)]
    packets.append([PLACES[place](key_of(len(VALUES)), VALUES)])
    compare(packets, place, server, reference)


@pytest.mark.parametrize("place", PLACES)
def test_at_every_cut(place, server, reference):
    values = [rb'"x \x41\"y"', rb"'it\'s here'"]
    whole = PLACES[place](key_of(0), values)
    # In a long packet the cuts are those near the lines.
    places = range(1, len(whole)) if len(whole) < 600 else [*range(1, len(whole), max(1, len(whole) // 30)), *range(len(whole) - 110, len(whole))]
    if place in SLOW:
        places = list(places)[::4]
    packets = [split(PLACES[place](key_of(number), values), [cut]) for number, cut in enumerate(places)]
    compare(packets, place, server, reference)


@pytest.mark.parametrize("place", PLACES)
def test_one_byte_after_the_other(place, server, reference):
    values = [rb'"x \x41\"y"', rb"'it\'s here'"]
    whole = PLACES[place](key_of(0), values)
    if len(whole) < 2000:
        compare([[whole[at:at + 1] for at in range(len(whole))]], place, server, reference)
    else:
        compare([[whole[at:at + 500] for at in range(0, len(whole), 500)]], place, server, reference)


@pytest.mark.parametrize("place", [name for name in PLACES if name not in SLOW])
def test_broken_forms(place, server, reference):
    packets = [[PLACES[place](key_of(number), [b"good", value, b"good"])] for number, value in enumerate(BROKEN)]
    compare(packets, place, server, reference, whole=False)


@pytest.mark.ours
def test_behind_no_touch(server):
    """Redis has CLIENT NO-TOUCH since 7.2."""
    with server.connect() as client:
        for value, plain in [(rb'"x \x41\"y"', b'x A"y'), (rb"'it\'s here'", b"it's here"), (b'"x y"', b"x y")]:
            client.send_raw(encode("CLIENT", "NO-TOUCH", "on") + lines(b"k", [value] * 3))
            assert client.read().raw == b"+OK\r\n"
            for _ in range(3):
                assert client.read().raw == b"+OK\r\n"
                assert client.read().value == plain
