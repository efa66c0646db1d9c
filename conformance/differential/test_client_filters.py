"""CLIENT LIST and CLIENT KILL: which connections their filters choose, and what they say of wrong ones, as valkey-server 9.1.2 does, and as
redis-server 8.2.3 does for what it has."""
import re

import pytest

from support.cases import split
from support.resp import Closed, eventually

pytestmark = pytest.mark.ours

LISTS = r"""
NAME bee
NAME BEE
NAME ""
NAME bee NAME dee
NOT-NAME bee
NOT-NAME ""
name bee not-name dee
FLAGS N
FLAGS x
FLAGS T
FLAGS xT
FLAGS Tx
FLAGS NT
FLAGS ""
FLAGS S
FLAGS Z
FLAGS bZyQ
NOT-FLAGS N
NOT-FLAGS x
NOT-FLAGS xT
NOT-FLAGS ""
NOT-FLAGS Z
FLAGS T NOT-FLAGS x
LIB-NAME lib
LIB-NAME ""
LIB-VER 1.2
NOT-LIB-NAME lib
NOT-LIB-NAME ""
NOT-LIB-VER 1.2
NOT-LIB-VER ""
DB 3
DB 0
DB 3 DB 0
DB 15
DB 16
DB -1
DB x
DB " 1"
DB 2147483647
DB 2147483648
NOT-DB 3
NOT-DB 16
NOT-DB x
IP 127.0.0.1
IP 127.0.0
IP ::1
NOT-IP 127.0.0.1
NOT-IP 127.0.0.2
CAPA ""
CAPA r
CAPA rr
CAPA x
CAPA rxy
NOT-CAPA ""
NOT-CAPA r
NOT-CAPA x
USER default
USER nosuch
NOT-USER default
NOT-USER nosuch
ADDR 1.2.3.4:5
ADDR {A-addr}
LADDR {laddr}
NOT-ADDR {A-addr}
NOT-LADDR {laddr}
ADDR
TYPE normal
TYPE pubsub
TYPE primary
TYPE master
TYPE slave
TYPE replica
TYPE nosuch
TYPE
TYPE pubsub TYPE nosuch
NOT-TYPE normal
NOT-TYPE pubsub
NOT-TYPE primary
NOT-TYPE nosuch
NOT-TYPE pubsub NOT-TYPE normal
ID {B} {C} NAME bee
NAME bee ID {B} {C}
ID {C} {B} TYPE normal
ID {C} {B} {A} NOT-ID {B}
NOT-ID {A} {B}
NOT-ID {B} NOT-ID {C}
ID {A} TYPE normal ID {B}
ID NAME bee
ID {A} NAME
ID {A} 0 NAME bee
NOT-ID
NOT-ID 0
NOT-ID x
NOT-ID NAME bee
NOT-ID {A} 9223372036854775808
SKIPME yes
SKIPME no
SKIPME maybe
SKIPME
SKIPME yes SKIPME no
SKIPME yes DB 0
MAXAGE 100000
MAXAGE 0
MAXAGE -1
MAXAGE x
MAXAGE 99999999999999999999
MAXAGE 9223372036854775807
IDLE 100000
IDLE 0
IDLE -1
IDLE x
IDLE 9223372036854775807
NOT-MAXAGE 1
NOT-IDLE 1
NOT-SKIPME yes
NOT- x
FOO
FOO bar
NAME bee FOO
NAME bee FOO bar
""".strip().splitlines()

# What Redis has: ids in the order of the request, and its words about wrong ones.
REDIS_LISTS = r"""
ID {A}
ID {B} {A}
ID {B} {B} {A} 99999999
ID x
ID {A} x
ID 0
ID -1
ID {A} 9223372036854775808
ID
TYPE normal
TYPE master
TYPE nosuch
FOO bar
""".strip().splitlines()

KILLS = r"""
ID 99999999 99999998
ID 99999999 99999998 TYPE pubsub
ID 99999999 x
ID 99999999 0
ID 99999999 ID 99999998
ID 99999999 TYPE
TYPE primary
TYPE pubsub NAME bee
NAME nobody
NAME "a b"
NAME
DB 14
DB 16
DB x
FLAGS S
FLAGS Z
CAPA r
CAPA x
IP 1.2.3.4
IDLE 100000
IDLE 0
IDLE x
MAXAGE 100000
MAXAGE 0
LIB-NAME nobody
LIB-VER nobody
USER nosuch
NOT-TYPE normal
NOT-USER default
NOT-USER nosuch
NOT-IP 127.0.0.1
NOT-ID x
NOT-FOO x
FOO bar
FOO
SKIPME maybe
NAME nobody SKIPME no
""".strip().splitlines()

REDIS_KILLS = r"""
ID x
ID 0
ID -1
ID 18446744073709551615
ID 99999999 ID x
ID 99999999
ADDR 1.2.3.4:5
LADDR 1.2.3.4:5
TYPE pubsub ID 1
TYPE nosuch
USER nosuch
1.2.3.4:5
1.2.3.4:5 x
""".strip().splitlines()


class Cast:
    """Four connections to a server: A asks, B has a transaction and database 3, C tells its library, D has a name."""

    def __init__(self, server, protocol=2):
        self.connections = {name: server.connect(protocol) for name in "ABCD"}
        a, b, c, d = self.connections.values()
        self.words = {name: str(one("CLIENT", "ID").value) for name, one in self.connections.items()}
        for command in ("CLIENT SETNAME bee", "SELECT 3", "CLIENT NO-TOUCH on", "MULTI"):
            assert b(*command.split()).raw == b"+OK\r\n"
        for command in ("CLIENT SETINFO LIB-NAME lib", "CLIENT SETINFO LIB-VER 1.2", "CLIENT NO-TOUCH on"):
            assert c(*command.split()).raw == b"+OK\r\n"
        assert d("CLIENT", "SETNAME", "dee").raw == b"+OK\r\n"
        self.words["A-addr"] = re.search(r" addr=(\S+)", a("CLIENT", "INFO").plain().decode())[1]
        self.words["laddr"] = re.search(r" laddr=(\S+)", a("CLIENT", "INFO").plain().decode())[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.connections.values():
            connection.close()

    def arguments(self, line):
        for word, value in self.words.items():
            line = line.replace("{%s}" % word, value)
        return split(line)

    def list(self, line):
        """The names of the connections that are listed, in order, or the error."""
        reply = self.connections["A"]("CLIENT", "LIST", *self.arguments(line))
        if reply.is_error:
            return reply.raw
        names = {value: name for name, value in self.words.items()}
        ids = re.findall(r"^id=(\d+) ", reply.plain().decode(), re.M)
        return [names[found] for found in ids if found in names]


@pytest.mark.parametrize("protocol", [2, 3])
def test_list(protocol, server, valkey):
    with Cast(server, protocol) as ours, Cast(valkey, protocol) as theirs:
        for side in (ours, theirs):
            assert side.connections["D"]("CLIENT", "CAPA", "redirect").raw == b"+OK\r\n"
        found = {line: (ours.list(line), theirs.list(line)) for line in LISTS}
    assert not {line: both for line, both in found.items() if both[0] != both[1]}


def test_list_as_in_redis(server, newer_redis):
    with Cast(server) as ours, Cast(newer_redis) as theirs:
        found = {line: (ours.list(line), theirs.list(line)) for line in REDIS_LISTS}
    assert not {line: both for line, both in found.items() if both[0] != both[1]}


@pytest.mark.parametrize("lines, peer", [(KILLS, "valkey"), (REDIS_KILLS, "newer_redis")])
def test_kill_of_nobody(lines, peer, server, request):
    """Nobody fits: how many were closed is 0, or what is wrong is said."""
    found = {}
    with Cast(server) as ours, Cast(request.getfixturevalue(peer)) as theirs:
        for line in lines:
            found[line] = tuple(side.connections["A"]("CLIENT", "KILL", *side.arguments(line)).raw for side in (ours, theirs))
        assert all(side.list("NAME dee") == ["D"] if side is ours or peer == "valkey" else True for side in (ours, theirs))
    assert not {line: both for line, both in found.items() if both[0] != both[1]}


@pytest.mark.parametrize("line, left", [
    ("NAME bee", "ACD"), ("DB 3", "ACD"), ("FLAGS T", "AD"), ("LIB-NAME lib", "ABD"), ("NOT-NAME dee DB 0", "ABD"), ("ID {B} {C}", "AD"),
    ("NOT-ID {B} {D}", "ABD"), ("IP 127.0.0.1", "A"), ("TYPE normal", "A"), ("NOT-TYPE pubsub FLAGS N", "ABC"),
    ("NOT-FLAGS T SKIPME yes", "ABC"), ("MAXAGE 100000", "ABCD"),
])
def test_kill(line, left, start):
    from support import server as servers
    counts = []
    for binary in (None, servers.valkey()):
        with Cast(start(binary=binary)) as cast:
            counts.append(cast.connections["A"]("CLIENT", "KILL", *cast.arguments(line)).raw)
            eventually(lambda: len(cast.list("SKIPME no")) == len(left))
            assert "".join(cast.list("SKIPME no")) == left
            for name in set("ABCD") - set(left):
                with pytest.raises((Closed, ConnectionResetError)):
                    cast.connections[name]("PING")
    assert counts[0] == counts[1] == b":%d\r\n" % (4 - len(left))


def test_kill_of_oneself_is_answered_first(server, valkey):
    for one in (server, valkey):
        for command in (["ID", "me", "SKIPME", "no"], ["NAME", "self", "SKIPME", "no"]):
            with one.connect() as client:
                client("CLIENT", "SETNAME", "self")
                me = str(client("CLIENT", "ID").value)
                client.send("CLIENT", "KILL", *[me if word == "me" else word for word in command])
                client.send("SET", "after", "x")
                assert client.read_until_close() == b":1\r\n"
        with one.connect() as client:
            address = re.search(r" addr=(\S+)", client("CLIENT", "INFO").plain().decode())[1]
            client.send("CLIENT", "KILL", address)
            assert client.read_until_close() == b"+OK\r\n"
            with one.connect() as other:
                assert other("EXISTS", "after").value == 0
                assert other("CLIENT", "KILL", address).raw == b"-ERR No such client\r\n"


def test_kill_of_many(server):
    """Also of those that wait, watch, are in a transaction, or have replies that were not read."""
    with server.connect() as client:
        many = [server.connect() for _ in range(300)]
        for index, one in enumerate(many):
            one("CLIENT", "SETNAME", "many")
            if index % 3 == 0:
                one("WATCH", "k")
                one("MULTI")
            elif index % 3 == 1:
                one.send("BLPOP", "list", "0")
            else:
                one.send("PING")
        assert eventually(lambda: b"blocked_clients:100\r\n" in client("INFO", "clients").plain())
        assert client("CLIENT", "KILL", "NAME", "many", "FLAGS", "x").value == 100
        assert client("CLIENT", "KILL", "NAME", "many").value == 200
        assert client("CLIENT", "KILL", "NAME", "many").value == 0
        fields = client("INFO", "clients").plain()
        for field in (b"connected_clients:1", b"blocked_clients:0", b"watching_clients:0", b"total_watched_keys:0"):
            assert field + b"\r\n" in fields
        assert client("RPUSH", "list", "x").value == 1
        for one in many:
            one.read_until_close()
            one.close()


LINE = re.compile(r"(\S+?)=(\S*)")


def test_fields_of_a_line(server, newer_redis):
    """Those of Redis, in its order."""
    lines = []
    for one in (server, newer_redis):
        with one.connect() as client:
            listed, told = client("CLIENT", "LIST").plain().decode(), client("CLIENT", "INFO").plain().decode()
        assert listed.endswith("\n") and told.endswith("\n")
        names = [name for name, _ in LINE.findall(told)]
        assert [name for name, _ in LINE.findall(listed.splitlines()[0])] == names
        lines.append(names)
    assert lines[0] == lines[1]


@pytest.mark.parametrize("protocol", [2, 3])
def test_counters_of_a_connection(protocol, server, newer_redis):
    """Commands that were executed, without the one that asks; bytes that came and went."""
    script = ["PING", "NOSUCH", "GET", "SET k v", "LPUSH k x", "OBJECT FOO", "MULTI; PING; GET k; EXEC", "MULTI; PING; DISCARD",
              "MULTI; GET; EXEC", "CLIENT REPLY foo", "BLPOP absent 0.01"]
    found = []
    for one in (server, newer_redis):
        with one.connect(protocol) as client:
            counted = []

            def count():
                reply = client("CLIENT", "INFO")
                fields = dict(LINE.findall(reply.plain().decode()))
                assert fields["io-thread"] == "0"
                counted.append([int(fields[name]) for name in ("tot-cmds", "tot-net-in", "tot-net-out")] + [len(reply.raw)])

            count()
            for commands in script:
                for command in commands.split("; "):
                    client(*command.split())
                count()
            client.pipeline([["PING"]] * 100)
            count()
            # What each server answers to CLIENT INFO is as long as it is.
            found.append([(commands, received) for commands, received, _, _ in counted])
            (_, _, before, length), (_, _, after, _) = counted[-2:]
            assert after - before == 700 + length, "100 replies, and what was told before"
    assert found[0] == found[1]


def test_watching_clients_are_counted(server, newer_redis):
    script = [("a", "WATCH k l"), ("b", "WATCH k"), ("c", "SELECT 1"), ("c", "WATCH k"), ("b", "WATCH k m"), ("a", "UNWATCH"), ("b", "MULTI"),
              ("b", "EXEC"), ("c", "RESET")]
    found = []
    for one in (server, newer_redis):
        connections = {name: one.connect() for name in "abc"}
        with one.connect() as client:
            steps = []
            for name, command in script:
                connections[name](*command.split())
                fields = client("INFO", "clients").plain().decode()
                steps.append(re.findall(r"(watching_clients|total_watched_keys|pubsub_clients):(\d+)", fields))
        for connection in connections.values():
            connection.close()
        found.append(steps)
    assert [sorted(step) for step in found[0]] == [sorted(step) for step in found[1]]
