"""Clients for tests of a server that is under attack: ones that own their keys and check every byte they are answered, ways to go
away, and what is in the databases at the end."""
import random
import socket
import struct
import threading
import zlib

from support.resp import Connection, encode, eventually, shown


def abort(connection):
    """Closes with a reset in place of an orderly end."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def send_pieces(connection, pieces):
    """Sends what the server takes; False if it closed the connection meanwhile."""
    try:
        for piece in pieces:
            connection.send_raw(piece)
        return True
    except (BrokenPipeError, ConnectionResetError):
        return False


def send_what_fits(connection, data):
    """Sends until all is taken, or the server closes, or it takes no more within the connection's time."""
    try:
        place = 0
        while place < len(data):
            place += connection.socket.send(data[place:place + 65536])
    except OSError:
        pass


def split(data, places):
    """`data` in pieces, cut at each of `places`."""
    bounds = [0, *sorted(places), len(data)]
    return [data[start:end] for start, end in zip(bounds, bounds[1:]) if start < end]


def inline(*words):
    """A request as a line; words are quoted in double quotes, with every byte that is not a letter or a digit escaped."""
    quoted = []
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        quoted.append(b'"' + b"".join(bytes([byte]) if chr(byte).isalnum() and byte < 128 else b"\\x%02x" % byte for byte in word) + b'"')
    return b" ".join(quoted) + b"\r\n"


def client_gone(control, identity):
    return control("CLIENT", "LIST", "ID", str(identity)).plain() == b""


def wait_until_alone(control, connections=1):
    """Waits until the server has noticed that all others are gone."""
    text = f"connected_clients:{connections}\r\n"
    assert eventually(lambda: text in control("INFO", "clients").plain().decode(), seconds=30), control("CLIENT", "LIST").plain().decode()


def contents(control):
    """All keys of the database and what they hold, in an order of its own for each type."""
    keys = sorted(control("KEYS", "*").plain())
    types = [reply.plain() for reply in control.pipeline([("TYPE", key) for key in keys])]
    reads = {b"string": ("GET",), b"list": ("LRANGE", "0", "-1"), b"hash": ("HGETALL",), b"set": ("SMEMBERS",),
             b"zset": ("ZRANGE", "0", "-1", "WITHSCORES"), b"stream": ("XLEN",)}
    replies = control.pipeline([(reads[kind][0], key, *reads[kind][1:]) for key, kind in zip(keys, types)])
    held = {}
    for key, kind, reply in zip(keys, types, replies):
        value = reply.plain()
        if kind == b"hash":
            value = sorted(zip(value[::2], value[1::2]))
        elif kind == b"set":
            value = sorted(value)
        held[key] = (kind, value)
    return held


class Owner:
    """Makes requests on keys of its own and knows what each is answered. Each value names its owner and carries a checksum, so that
    a byte of somebody else's request, or of another request of its own, cannot pass for the right one."""

    def __init__(self, name, seed, large=True):
        self.name = name
        self.rng = random.Random(f"{seed}/{name}")
        self.sizes = [3, 30, 30, 300, 2000] + ([33_000, 70_000] if large else [])
        self.number = 0
        self.strings, self.lists, self.hashes = {}, {}, {}

    def key(self, kind):
        return f"{self.name}:{kind}:{self.rng.randrange(5)}".encode()

    def value(self):
        self.number += 1
        body = f"{self.name}#{self.number}#".encode() + self.rng.randbytes(self.rng.choice(self.sizes))
        return body + b"#%08x" % zlib.crc32(body)

    def command(self):
        """(words, bytes of the reply) of one command on its own keys."""
        pick = self.rng.randrange(9)
        if pick == 0:
            key, value = self.key("s"), self.value()
            self.strings[key] = value
            return ("SET", key, value), b"+OK\r\n"
        if pick == 1:
            key = self.key("s")
            return ("GET", key), bulk(self.strings.get(key))
        if pick == 2:
            key, value = self.key("s"), self.value()[:100]
            self.strings[key] = self.strings.get(key, b"") + value
            return ("APPEND", key, value), b":%d\r\n" % len(self.strings[key])
        if pick == 3:
            key, values = self.key("l"), [self.value() for _ in range(self.rng.randint(1, 3))]
            self.lists.setdefault(key, []).extend(values)
            return ("RPUSH", key, *values), b":%d\r\n" % len(self.lists[key])
        if pick == 4:
            key = self.key("l")
            held = self.lists.get(key, [])
            if held and self.rng.random() < 0.7:
                value = held.pop(0)
                if not held:
                    del self.lists[key]
                return ("LPOP", key), bulk(value)
            return ("LRANGE", key, "0", "2"), array(held[:3])
        if pick == 5:
            key, field, value = self.key("h"), b"f%d" % self.rng.randrange(20), self.value()
            held = self.hashes.setdefault(key, {})
            new = field not in held
            held[field] = value
            return ("HSET", key, field, value), b":%d\r\n" % new
        if pick == 6:
            key, field = self.key("h"), b"f%d" % self.rng.randrange(20)
            return ("HGET", key, field), bulk(self.hashes.get(key, {}).get(field))
        if pick == 7:
            value = self.value()
            return ("ECHO", value), bulk(value)
        key = self.key("s")
        return ("DEL", key), b":%d\r\n" % (self.strings.pop(key, None) is not None)

    def pipeline(self, length=None):
        """(bytes of requests, bytes of their replies): some as lines, some in transactions, some that wait for keys that are there."""
        sent, expected = [], []
        for _ in range(length or self.rng.choice([1, 1, 2, 5, 40])):
            form = encode if self.rng.random() < 0.8 else inline
            pick = self.rng.randrange(12)
            if pick == 0:
                inside = [self.command() for _ in range(self.rng.randint(0, 5))]
                sent += [form("MULTI"), *(limited(form, words)(*words) for words, _ in inside), form("EXEC")]
                expected += [b"+OK\r\n", b"+QUEUED\r\n" * len(inside), b"*%d\r\n" % len(inside), *(reply for _, reply in inside)]
            elif pick == 1:
                key, value = f"{self.name}:w".encode(), self.value()
                sent += [encode("RPUSH", key, value), form("BLPOP", key, "0")]
                expected += [b":1\r\n", array([key, value])]
            elif pick == 2:
                sent += [form("CLIENT", "REPLY", "SKIP"), form("GET", self.key("s"))]
            elif pick == 3:
                words, _ = self.command()
                sent += [form("CLIENT", "REPLY", "OFF"), limited(form, words)(*words), form("CLIENT", "REPLY", "ON")]
                expected.append(b"+OK\r\n")
            else:
                words, reply = self.command()
                sent.append(limited(form, words)(*words))
                expected.append(reply)
        return b"".join(sent), b"".join(expected)

    def contents(self):
        """What must be in its keys now, as `contents` shows it."""
        held = {key: (b"string", value) for key, value in self.strings.items()}
        held |= {key: (b"list", values) for key, values in self.lists.items()}
        held |= {key: (b"hash", sorted(fields.items())) for key, fields in self.hashes.items()}
        return held

    def play(self, connection, rounds=1):
        """Sends pipelines in pieces and insists on the bytes of each reply."""
        for _ in range(rounds):
            sent, expected = self.pipeline()
            cuts = self.rng.randrange(4)
            pieces = split(sent, [self.rng.randrange(len(sent)) for _ in range(cuts)])
            exchange(connection, pieces, expected)


def limited(form, words):
    """A line holds no more than 64 KiB: what would not fit goes as a multibulk."""
    return form if sum(len(word) for word in words if isinstance(word, bytes)) * 4 < 60_000 else encode


def exchange(connection, pieces, expected):
    """Sends pieces and insists on these very bytes in return. What is sent is bounded, so that both sides' buffers take it."""
    for piece in pieces:
        connection.send_raw(piece)
    received = bytearray()
    while len(received) < len(expected):
        try:
            chunk = connection.socket.recv(len(expected) - len(received))
        except OSError as problem:
            raise AssertionError(f"{problem!r} after {len(received)} bytes of {len(expected)}\n{first_difference(received, expected)}") from problem
        assert chunk, f"closed after {len(received)} bytes of {len(expected)}\n{first_difference(received, expected)}"
        received += chunk
    assert received == expected, first_difference(received, expected)


def first_difference(received, expected):
    place = next((at for at, (one, other) in enumerate(zip(received, expected)) if one != other), min(len(received), len(expected)))
    return f"at {place}: expected {shown(bytes(expected[place:place + 100]))}\nreceived {shown(bytes(received[place:place + 100]))}"


def bulk(value):
    return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)


def array(values):
    return b"*%d\r\n" % len(values) + b"".join(bulk(value) for value in values)


class Innocents:
    """Owners at work, each in a thread of its own, while the test does what it does."""

    def __init__(self, server, count=4, seed=0, reconnect=True, large=True, password=None):
        self.server, self.reconnect, self.password = server, reconnect, password
        self.owners = [Owner(f"innocent{number}", seed, large) for number in range(count)]
        self.failures, self.rounds, self.running = [], 0, True
        self.threads = [threading.Thread(target=self.work, args=(owner,)) for owner in self.owners]

    def work(self, owner):
        try:
            connection = Connection(self.server.address, timeout=60, password=self.password)
            while self.running:
                owner.play(connection)
                self.rounds += 1
                if self.reconnect and owner.rng.random() < 0.1:
                    connection.close()
                    connection = Connection(self.server.address, timeout=60, password=self.password)
            connection.close()
        except Exception as failure:    # told to the test by __exit__
            self.failures.append((owner.name, failure))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.running = False
        for thread in self.threads:
            thread.join()
        if kind is None:
            assert not self.failures, "\n".join(f"{name}: {failure}" for name, failure in self.failures)
            assert self.rounds > 0

    def contents(self):
        held = {}
        for owner in self.owners:
            held |= owner.contents()
        return held
