"""A fuzzer on the wire: pipelines with bent bytes, cut anywhere, from many clients at once, to the server under test and to redis-server.

Both get the same bytes in the same pieces, and must send the same bytes back and close at the same places. Each client owns a prefix of
keys, and its values name it and carry checksums: after each round everybody's keys are read again and compared.

By itself, for as many pipelines as wanted:

    CONFORMANCE_SEED=7 SERVER=path .venv/bin/python -m hostile.bent_pipelines 1000000

What differs is told with the exact bytes, and can be sent again: `python -m hostile.bent_pipelines replay FILE`. Zero bytes are not sent:
Redis looks for line ends with functions of C, for which such a byte ends the input, and then waits."""
import json
import os
import random
import sys
import zlib

from support.crowd import inline
from support.resp import encode, shown

CLIENTS = 12
THE_END = b"the end of a whole pipeline"


class Differs(Exception):
    """The two servers answered the same bytes differently."""


class IsCutOff(Differs):
    """One client of the reference got less, and nothing else. Redis closes with input unread, and such a close can overtake the last
    replies; then the same bytes once more give the same answers."""


class Sequence:
    """The pipelines of one client in one round, and what they look like on the wire."""

    def __init__(self, rng, prefix):
        self.rng = rng
        self.prefix = prefix
        self.number = 0
        self.left_out = ()

    def key(self, kind):
        return self.prefix + b":" + kind + b"%d" % self.rng.randrange(3)

    def value(self):
        self.number += 1
        size = self.rng.choices([0, 5, 40, 300, 1100, 5000, 33_000, 70_000], [3, 6, 6, 4, 2, 1, 0.4, 0.2])[0]
        body = b"%s#%d#" % (self.prefix, self.number) + self.rng.randbytes(size).replace(b"\0", b"\1")
        return body + b"#%08x" % zlib.crc32(body)

    def words(self):
        pick = self.rng.randrange(24)
        key = self.key
        simple = [
            lambda: (b"SET", key(b"s"), self.value()),
            lambda: (b"GET", key(b"s")),
            lambda: (b"APPEND", key(b"s"), self.value()[:50]),
            lambda: (b"GETRANGE", key(b"s"), b"3", b"-4"),
            lambda: (b"RPUSH", key(b"l"), self.value(), self.value()),
            lambda: (b"LRANGE", key(b"l"), b"0", b"3"),
            lambda: (b"LPOP", key(b"l")),
            lambda: (b"HSET", key(b"h"), b"f%d" % self.rng.randrange(4), self.value()),
            lambda: (b"HGET", key(b"h"), b"f%d" % self.rng.randrange(4)),
            lambda: (b"HDEL", key(b"h"), b"f1"),
            lambda: (b"INCR", key(b"n")),
            lambda: (b"DEL", key(b"s"), key(b"l")),
            lambda: (b"MGET", key(b"s"), key(b"s"), key(b"h")),
            lambda: (b"MSET", key(b"s"), self.value(), key(b"s"), self.value()),
            lambda: (b"ECHO", self.value()),
            lambda: (b"PING",),
            lambda: (b"TYPE", key(b"s")),
            lambda: (b"ZADD", key(b"z"), b"%d" % self.rng.randrange(9), b"m%d" % self.rng.randrange(9)),
            lambda: (b"ZRANGE", key(b"z"), b"0", b"-1", b"WITHSCORES"),
            lambda: (b"SETRANGE", key(b"s"), b"%d" % self.rng.randrange(100), b"patch"),
            lambda: (b"STRLEN", key(b"s")),
            lambda: (b"EXISTS", key(b"s"), key(b"h")),
            lambda: (b"NOSUCH", b"a", self.value()[:30]),
            lambda: (b"GET",),
        ]
        return simple[pick]()

    def form(self, words):
        if sum(len(word) for word in words) > 12_000 or self.rng.random() < 0.75:
            return encode(*words)
        if self.rng.random() < 0.6 and all(word and all(33 <= byte < 127 and byte not in b"\"'\\*" for byte in word) for word in words):
            return b" ".join(words) + self.rng.choice([b"\r\n", b"\n"])
        if self.rng.random() < 0.3 and all(32 <= byte < 127 for word in words for byte in word):
            return b" ".join(b"'" + word.replace(b"'", b"\\'") + b"'" for word in words if not word.endswith(b"\\")) + b"\r\n"
        return inline(*words)

    def piece(self):
        """One request or a few that belong together."""
        pick = self.rng.randrange(20)
        if pick in self.left_out:
            pick = 11
        if pick == 0:
            return b"".join(self.form(words) for words in [(b"MULTI",), *(self.words() for _ in range(self.rng.randrange(5))), (b"EXEC",)])
        if pick == 1:
            return self.form((b"MULTI",)) + self.form(self.words()) + self.form((b"DISCARD",))
        if pick == 2:
            return self.form((b"CLIENT", b"REPLY", b"SKIP")) + self.form(self.words())
        if pick == 3:
            return self.form((b"CLIENT", b"REPLY", b"OFF")) + self.form(self.words()) + self.form((b"CLIENT", b"REPLY", b"ON"))
        if pick == 4:
            key = self.key(b"q")
            return self.form((b"RPUSH", key, self.value()[:60])) + self.form((b"BLPOP", key, b"0"))
        if pick == 5:
            key = self.key(b"q")
            return self.form((b"RPUSH", key, b"a", b"b")) + self.form((b"BLMOVE", key, self.key(b"l"), b"LEFT", b"RIGHT", b"0")) + self.form((b"DEL", key))
        if pick == 6:
            return self.form((b"WATCH", self.key(b"s"))) + self.form(self.words()) + self.form((b"UNWATCH",))
        if pick == 7:
            return self.form((b"SELECT", b"1")) + self.form(self.words()) + self.form((b"SELECT", b"0"))
        if pick == 8:
            return self.form((b"CLIENT", b"SETNAME", b"name-of-" + self.prefix)) + self.form((b"CLIENT", b"GETNAME"))
        if pick == 9:
            return self.rng.choice([b"\r\n", b"\n", b"*0\r\n", b"*-1\r\n", b" \r\n", self.form((b"RESET",)), self.form((b"EXEC",))])
        if pick == 10:
            return self.form(self.words()) * self.rng.choice([31, 32, 33, 64])
        return self.form(self.words())

    def bent(self, data):
        data = bytearray(data)
        for _ in range(self.rng.choice([1, 1, 2, 4])):
            place = self.rng.randrange(len(data))
            if len(data) > 3000 and self.rng.random() < 0.7:     # near the headers rather than in a long value
                place = self.rng.choice([self.rng.randrange(200), len(data) - 1 - self.rng.randrange(200)])
            action = self.rng.randrange(7)
            if action == 0:
                data[place] = self.rng.randrange(1, 256)
            elif action == 1:
                del data[place]
            elif action == 2:
                data[place:place] = data[place:place + self.rng.randint(1, 8)]
            elif action == 3:
                data[place:place] = self.rng.choice([b"\r\n", b"\n", b"*", b"$-1\r\n", b"*2\r\n", b"9", b'"', b"'", b" ", b"\\", b"\\x4", b"*1\r\n$8\r\n"])
            elif action == 4:
                data[place] = self.rng.choice(b"*$\r\n 0123456789-\"'\\")
            elif action == 5:
                del data[place:place + self.rng.randrange(1, 40)]
            else:
                data[place] ^= 1 << self.rng.randrange(7)
                if data[place] == 0:
                    data[place] = 1
            if not data:
                data = bytearray(b"\r\n")
        return bytes(data)

    def pipeline(self):
        """(bytes, what was done to them); whole ones end in a known reply."""
        way = self.rng.choices(["whole", "bent", "cut", "quit", "kill"], [4, 5, 1, 0.5, 0.5])[0]
        if way == "bent":
            # With an EXEC bent away CLIENT REPLY would stand in a transaction, where Redis 7 executes it and others do not.
            self.left_out = self.rng.choice([(0, 1), (2, 3)])
        data = b"".join(self.piece() for _ in range(self.rng.choice([1, 2, 4, 8])))
        if way == "whole":
            data += encode("ECHO", THE_END)
        elif way == "bent":
            data = self.bent(data)
        elif way == "cut":
            data = data[:self.rng.randrange(1, len(data) + 1)]
        elif way == "quit":
            data += self.form((b"QUIT",)) + self.piece()[:self.rng.randrange(20)]
        elif way == "kill":
            data += self.form((b"CLIENT", b"KILL", b"TYPE", b"nothing")) + b"*3\r\n$3\r\nSET\r\n"
        return data, way


def pieces_of(rng, data):
    count = rng.choices([0, 1, 2, 5], [5, 3, 2, 1])[0]
    near = [place for place in (1024, 16_384, 32_768, 65_536) if place < len(data)]
    cuts = sorted({rng.randrange(len(data)) if not near or rng.random() < 0.7 else rng.choice(near) + rng.randint(-2, 2) for _ in range(count)})
    bounds = [0, *[cut for cut in cuts if 0 < cut < len(data)], len(data)]
    return [data[start:end] for start, end in zip(bounds, bounds[1:])]


def make_round(seed, number):
    """For each client its prefix and its pipeline in pieces, and the order in which the pieces are sent."""
    rng = random.Random(f"{seed}/{number}")
    clients = []
    for _ in range(CLIENTS):
        prefix = bytes(rng.choice(b"abcdefghijklmnopqrstuvwxyz") for _ in range(8))
        sequence = Sequence(rng, prefix)
        data, way = sequence.pipeline()
        clients.append((prefix, pieces_of(rng, data), way))
    order = [index for index, (_, pieces, _) in enumerate(clients) for _ in pieces]
    rng.shuffle(order)
    return clients, order


def play(server, control, clients, order):
    """Sends all pieces in their order. Returns what each client was answered up to the end of its connection."""
    connections = [server.connect(timeout=30) for _ in clients]
    sent = [0] * len(clients)
    for index in order:
        piece = clients[index][1][sent[index]]
        sent[index] += 1
        try:
            connections[index].send_raw(piece)
        except OSError:
            pass        # closed already
    # Whole ones are answered to the end; all others end with what was sent.
    answers = [b""] * len(clients)
    for index, (connection, (_, _, way)) in enumerate(zip(connections, clients)):
        if way == "whole":
            answers[index] = until_the_end(connection)
    for connection in connections:
        try:
            connection.half_close()
        except OSError:
            pass
    for index, connection in enumerate(connections):
        try:
            answers[index] += connection.read_until_close(timeout=30)
        except TimeoutError:
            answers[index] += b"<not closed>"
        connection.close()
    return answers


def until_the_end(connection):
    data = bytearray()
    try:
        while not data.endswith(THE_END + b"\r\n"):
            chunk = connection.socket.recv(1 << 18)
            if not chunk:
                break
            data += chunk
    except OSError as problem:
        data += repr(problem).encode()
    return bytes(data)


READS = {b"s": (b"GET",), b"l": (b"LRANGE", b"0", b"-1"), b"h": (b"HGETALL",), b"n": (b"GET",), b"z": (b"ZRANGE", b"0", b"-1", b"WITHSCORES"), b"q": (b"LRANGE", b"0", b"-1")}


def left(control, clients):
    """What all clients' keys hold, in both databases, and how many keys there are."""
    requests = [(b"%s:%s%d" % (prefix, kind, number), read) for prefix, _, _ in clients for kind, read in READS.items() for number in range(3)]
    held = []
    for database in (b"1", b"0"):
        batch = [(b"SELECT", database), *((read[0], key, *read[1:]) for key, read in requests), (b"DBSIZE",)]
        replies = control.pipeline(batch)
        for (key, read), reply in zip(requests, replies[1:]):
            if read[0] == b"HGETALL" and isinstance(reply.value, list):
                flat = reply.plain()
                held.append((key, sorted(zip(flat[::2], flat[1::2]))))
            else:
                held.append((key, reply.raw))
        held.append(("DBSIZE " + database.decode(), replies[-1].raw))
    return held


class Fuzzer:
    def __init__(self, reference, server, seed):
        self.servers = (reference, server)
        self.controls = [one.connect(timeout=60) for one in self.servers]
        self.seed = seed
        self.pipelines = 0

    def run_round(self, number):
        clients, order = make_round(self.seed, number)
        for attempt in range(5):
            try:
                self.compare(clients, order, number)
                break
            except IsCutOff:
                if attempt == 4:
                    raise
                for control in self.controls:
                    control("FLUSHALL")
        self.pipelines += len(clients)

    def compare(self, clients, order, number):
        answers = [play(server, control, clients, order) for server, control in zip(self.servers, self.controls)]
        for index, (theirs, ours) in enumerate(zip(*answers)):
            if not same(theirs, ours):
                kind = IsCutOff if clients[index][2] == "bent" and ours.startswith(theirs) else Differs
                raise kind(self.told(clients, order, number, f"client {index}, {clients[index][2]}: {[shown(piece, 1500) for piece in clients[index][1]]}\n"
                                        f"reference: {difference(theirs, ours)}\n   tested: {difference(ours, theirs)}"))
        held = [left(control, clients) for control in self.controls]
        for theirs, ours in zip(*held):
            if theirs != ours:
                raise Differs(self.told(clients, order, number, f"reference: {str(theirs)[:2000]}\n   tested: {str(ours)[:2000]}"))
        for control in self.controls:
            control("FLUSHALL")

    def told(self, clients, order, number, text):
        path = f"/tmp/bent-{self.seed}-{number}.json"
        with open(path, "w") as file:
            json.dump({"order": order, "clients": [(prefix.decode(), [piece.hex() for piece in pieces], way) for prefix, pieces, way in clients]}, file)
        return f"seed {self.seed}, round {number}, kept in {path}\n{text}"

    def close(self):
        for control in self.controls:
            control.close()


def same(theirs, ours):
    """Whether the answers are the same. A long one may be cut off: Redis closes when it sees the end of the requests, whatever is unsent."""
    kept = min(len(theirs), len(ours))
    return theirs == ours or kept > 30_000 and theirs[:kept] == ours[:kept]


def difference(one, other):
    """The place where `one` begins to differ."""
    place = next((at for at, (left_byte, right_byte) in enumerate(zip(one, other)) if left_byte != right_byte), min(len(one), len(other)))
    return f"{len(one)} bytes, at {place}: {shown(one[max(0, place - 100):place])} >>> {shown(one[place:place + 300])}"


def main():
    from support import server as servers
    arguments = sys.argv[1:]
    seed = int(os.environ.get("CONFORMANCE_SEED", "1"))
    launched = [servers.Server(binary, servers.TEST_FLAGS) for binary in (servers.reference(), servers.under_test())]
    fuzzer = Fuzzer(*launched, seed)
    try:
        if arguments[:1] == ["replay"]:
            with open(arguments[1]) as file:
                kept = json.load(file)
            clients = [(prefix.encode(), [bytes.fromhex(piece) for piece in pieces], way) for prefix, pieces, way in kept["clients"]]
            fuzzer.compare(clients, kept["order"], 0)
            return print("the same")
        wanted = int(arguments[0]) if arguments else 100_000
        number, found = 0, 0
        while fuzzer.pipelines < wanted:
            try:
                fuzzer.run_round(number)
            except Differs as difference:
                found += 1
                fuzzer.pipelines += CLIENTS
                print(difference, flush=True)
                for control in fuzzer.controls:
                    control("FLUSHALL")
            number += 1
            if number % 1000 == 0:
                print(f"{fuzzer.pipelines} pipelines, {found} differences", flush=True)
        print(f"{fuzzer.pipelines} pipelines, {found} differences")
        sys.exit(found > 0)
    finally:
        fuzzer.close()
        for one in launched:
            one.check_alive()
            one.stop()


if __name__ == "__main__":
    main()
