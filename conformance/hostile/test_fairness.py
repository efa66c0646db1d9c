"""Clients that never stop sending: everybody else, and what the server does by itself, gets a turn between their requests.

What is measured is not time but turns: how many of the flood's requests are executed while another client waits for one reply. That depends
on how a server deals out its turns and little on how busy the machine is. A redis-server in the same test says how many are usual."""
import multiprocessing
import os
import threading

import pytest

from support.resp import Connection, encode, eventually

LONG = os.environ.get("FAIRNESS_LONG") == "1"
ASKED = 400 if LONG else 40
# A faster server executes more while a client on the same machine gets round to its next request.
FACTOR = 8

# What is sent without end, and how many lines of reply one request has.
FLOODS = {
    "HSET of a hundred fields": encode("HSET", "h", *[part for number in range(100) for part in (f"f{number}", f"value{number}")]),
    "SORT": encode("SORT", "short"),
    "GET": encode("GET", "none"),
    "PING as a line": b"PING\r\n",
    "quoted lines": b'SET "k" "v \\x41"\r\n',
    "SET of 100 KB": encode("SET", "k", b"v" * 100_000),
    "LRANGE": encode("LRANGE", "short", "0", "-1"),
    "transactions": encode("MULTI") + encode("INCR", "n") * 3 + encode("EXEC"),
    "EXEC of many": encode("MULTI") + encode("INCR", "n") * 200 + encode("EXEC"),
    "waits that find something": encode("RPUSH", "q", "v") + encode("BLPOP", "q", "0"),
    "errors": b"NOPE\r\n",
}


def flood(address, request, counter, stop):
    """Sends a request again and again and reads the replies; `counter` has their bytes."""
    connection = Connection(address, timeout=60)
    blob = request * max(1, (1 << 19) // len(request))

    def read():
        try:
            while chunk := connection.socket.recv(1 << 18):
                counter.value += len(chunk)
        except OSError:
            pass
    threading.Thread(target=read, daemon=True).start()
    try:
        while not stop.is_set():
            connection.socket.sendall(blob)
    except OSError:
        pass
    os._exit(0)


class Flood:
    """Flooding clients, each in a process of its own."""

    def __init__(self, server, request, count):
        with server.connect() as client:
            client("RPUSH", "short", *range(30))
            client.send_raw(request + encode("ECHO", "the end"))
            size = 0
            while (reply := client.read()).value != b"the end":
                size += len(reply.raw)
        self.reply_size = size
        context = multiprocessing.get_context("fork")
        self.stop = context.Event()
        self.counters = [context.Value("q", 0, lock=False) for _ in range(count)]
        self.processes = [context.Process(target=flood, args=(server.address, request, counter, self.stop), daemon=True) for counter in self.counters]

    def __enter__(self):
        for process in self.processes:
            process.start()
        assert eventually(lambda: all(counter.value for counter in self.counters), seconds=60)
        return self

    def __exit__(self, *_):
        self.stop.set()
        for process in self.processes:
            process.kill()
            process.join()

    def executed(self):
        return sum(counter.value for counter in self.counters) / self.reply_size


def between_replies(server, request, count, ask):
    """How many requests of the flood are executed for each call of `ask`."""
    with Flood(server, request, count) as flooding, server.connect(timeout=120) as client:
        ask(client)
        before = flooding.executed()
        for _ in range(ASKED):
            ask(client)
        return (flooding.executed() - before) / ASKED


def compare(server, reference, request, count, ask, slack):
    """Some tries, as another process may take the processor from whoever is being counted."""
    seen = []
    for _ in range(3):
        expected, actual = [between_replies(one, request, count, ask) for one in (reference, server)]
        seen.append(f"{actual:.0f} requests, redis-server {expected:.0f}")
        if actual <= FACTOR * expected + slack:
            return
    pytest.fail("; ".join(seen))


def ping(client):
    assert client("PING").value == b"PONG"


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("name", FLOODS)
def test_others_are_answered(name, count, server, reference):
    request = FLOODS[name]
    # As many requests as fit into 16 KiB are one turn of redis-server.
    turn = 16384 // len(request) + 1
    compare(server, reference, request, count, ping, turn * count)


def test_who_comes_is_let_in(server, reference):
    """Connecting and asking once."""
    def ask(client):
        with Connection((client.socket.getpeername()[0], client.socket.getpeername()[1]), timeout=60) as fresh:
            ping(fresh)
    compare(server, reference, FLOODS["SORT"], 4, ask, 16 * 16384 // len(FLOODS["SORT"]))


def test_many_others(server, reference):
    """Fifty clients that ask one after the other, none of them left out."""
    crowd = {}

    def ask(client):
        address = client.socket.getpeername()
        if address not in crowd:
            crowd[address] = [Connection(address, timeout=60) for _ in range(50)]
        for one in crowd[address]:
            one.send("PING")
        for one in crowd[address]:
            assert one.read().value == b"PONG"
    compare(server, reference, FLOODS["GET"], 4, ask, 100 * 16384 // len(FLOODS["GET"]))
    for connections in crowd.values():
        for one in connections:
            one.close()


@pytest.mark.parametrize("name", ["SORT", "HSET of a hundred fields", "SET of 100 KB"])
def test_keys_expire_meanwhile(name, server):
    """Keys whose time is over go while the flood lasts, although nobody asks for them."""
    with server.connect(timeout=60) as client, Flood(server, FLOODS[name], 4) as flooding:
        for start in range(0, 2000, 200):
            client.pipeline([("SET", f"short-lived-{number}", "v", "PX", 50) for number in range(start, start + 200)])
        client("BLPOP", "nothing", "0.05")      # a wait ends in time, too
        assert eventually(lambda: client("DBSIZE").value <= 5, seconds=60)
        before = flooding.executed()
        assert eventually(lambda: flooding.executed() > before), "the flood goes on"


def test_memory_of_dropped_values_is_freed_meanwhile(server):
    with server.connect(timeout=60) as client:
        for number in range(4):
            client("RPUSH", f"large{number}", *[b"e" * 1000] * 20_000)
        assert used_memory(client) > 70 << 20
        with Flood(server, FLOODS["SORT"], 4):
            assert client("UNLINK", "large0", "large1", "large2", "large3").value == 4
            assert eventually(lambda: used_memory(client) < 40 << 20, seconds=60)


def used_memory(client):
    return int(client("INFO", "memory").plain().split(b"\r\nused_memory:")[1].split(b"\r\n")[0])
