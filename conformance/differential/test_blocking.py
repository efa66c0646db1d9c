"""Commands that wait: who is served, when, in which order, and what is left behind.

Each scene is played on both servers, and all replies that it notes must be the same, byte for byte.
"""
import time

import pytest

from support.resp import eventually


class Stage:
    """One server with named connections; what they are answered is noted."""

    def __init__(self, server, protocol):
        self.server, self.protocol = server, protocol
        self.connections, self.notes = {}, []
        self.control = server.connect()

    def __getitem__(self, name):
        if name not in self.connections:
            self.connections[name] = self.server.connect(self.protocol)
        return self.connections[name]

    def __call__(self, name, *words):
        """A command that is answered at once."""
        self.notes.append((name, words, self[name](*words).raw))

    def blocks(self, name, *words):
        """A command that is not answered, and whose client is blocked then."""
        before = self.blocked()
        self[name].send(*words)
        eventually(lambda: self.blocked() == before + 1)

    def blocked(self):
        text = self.control("INFO", "clients").plain().decode()
        return int(text.split("blocked_clients:")[1].split()[0])

    def answered(self, *names):
        """Each of these connections gets a reply."""
        for name in names:
            self.notes.append((name, self[name].read(timeout=5).raw))

    def still_waits(self, name):
        assert self[name].silent(0.05), f"{name} was answered: {bytes(self[name].buffer)}"

    def close(self):
        for connection in [*self.connections.values(), self.control]:
            connection.close()


def play(scene, server, reference, protocol):
    noted = []
    for one in (reference, server):
        stage = Stage(one, protocol)
        try:
            scene(stage)
            eventually(lambda: stage.blocked() == 0)
            stage("end", "DEBUG", "DIGEST")
        finally:
            stage.close()
        noted.append(stage.notes)
    assert noted[0] == noted[1]


def served_by_a_push(stage):
    stage.blocks("a", "BLPOP", "k", "0")
    stage("w", "RPUSH", "k", "1", "2", "3")
    stage.answered("a")
    stage("w", "LRANGE", "k", "0", "-1")
    stage.blocks("b", "BRPOP", "absent", "other", "0")
    stage("w", "LPUSH", "other", "x", "y")
    stage.answered("b")
    stage("w", "EXISTS", "other")


def first_come_first_served(stage):
    for name in "abc":
        stage.blocks(name, "BLPOP", "k", "0")
    stage("w", "RPUSH", "k", "1")
    stage.answered("a")
    stage.still_waits("b")
    stage("w", "RPUSH", "k", "2", "3", "4")
    stage.answered("b", "c")
    stage("w", "LRANGE", "k", "0", "-1")


def one_key_of_many(stage):
    stage.blocks("a", "BLPOP", "k1", "k2", "k3", "k1", "0")
    stage.blocks("b", "BLPOP", "k3", "k2", "0")
    stage("w", "RPUSH", "k3", "x")
    stage.answered("a")
    stage.still_waits("b")
    stage("w", "RPUSH", "k1", "left alone")
    stage("w", "RPUSH", "k2", "y")
    stage.answered("b")


def pushes_in_a_transaction(stage):
    # Redis 7.0 serves from the key that was pushed to first, 7.2 from the first of the command: here they are the same.
    stage.blocks("a", "BLPOP", "k2", "k1", "0")
    stage.blocks("b", "BLPOP", "k2", "0")
    for words in [("MULTI",), ("RPUSH", "k2", "x"), ("RPUSH", "k1", "y"), ("RPUSH", "k2", "z"), ("LLEN", "k2"), ("EXEC",)]:
        stage("w", *words)
    stage.answered("a", "b")
    stage("w", "LRANGE", "k1", "0", "-1")
    stage("w", "LRANGE", "k2", "0", "-1")


def undone_in_the_transaction(stage):
    stage.blocks("a", "BLPOP", "k", "0")
    for words in [("MULTI",), ("RPUSH", "k", "x"), ("DEL", "k"), ("EXEC",)]:
        stage("w", *words)
    stage.still_waits("a")
    for words in [("MULTI",), ("RPUSH", "k", "x"), ("DEL", "k"), ("SADD", "k", "m"), ("EXEC",)]:
        stage("w", *words)
    stage.still_waits("a")
    for words in [("MULTI",), ("DEL", "k"), ("RPUSH", "k", "y"), ("EXEC",)]:
        stage("w", *words)
    stage.answered("a")


def other_types_do_not_serve(stage):
    stage.blocks("a", "BLPOP", "k", "0")
    stage("w", "SET", "k", "v")
    stage.still_waits("a")
    stage("w", "ZADD", "z", "1", "m")
    stage("w", "RENAME", "z", "k")
    stage.still_waits("a")
    stage("w", "DEL", "k")
    stage("w", "RPUSH", "k", "x")
    stage.answered("a")
    stage("w", "ZADD", "z", "1", "m")
    stage("w", "BLPOP", "z", "0")
    stage("w", "BLPOP", "absent", "z", "0")


def renamed_onto(stage):
    stage.blocks("a", "BLPOP", "k", "0")
    stage("w", "RPUSH", "other", "x", "y")
    stage("w", "RENAME", "other", "k")
    stage.answered("a")
    stage.blocks("b", "BLPOP", "new", "0")
    stage("w", "RENAMENX", "k", "new")
    stage.answered("b")


def copied_onto(stage):
    stage.blocks("a", "BLPOP", "k", "0")
    stage("w", "RPUSH", "other", "x", "y")
    stage("w", "COPY", "other", "k")
    stage.answered("a")


def moved_to(stage):
    stage("a", "SELECT", "5")
    stage.blocks("a", "BLPOP", "k", "0")
    stage("w", "RPUSH", "k", "x")
    stage.still_waits("a")
    stage("w", "MOVE", "k", "5")
    stage.answered("a")


def restored(stage):
    stage("w", "RPUSH", "other", "x", "y")
    payload = stage["w"]("DUMP", "other").value
    stage.blocks("a", "BLPOP", "k", "0")
    assert stage["w"]("RESTORE", "k", "0", payload).raw == b"+OK\r\n"
    stage.answered("a")


def swapped_in(stage):
    stage.blocks("a", "BLPOP", "k", "0")
    stage("w", "SELECT", "3")
    stage("w", "RPUSH", "k", "x", "y")
    stage.still_waits("a")
    stage("w", "SWAPDB", "0", "3")
    stage.answered("a")
    stage("w", "SELECT", "0")
    stage("w", "LRANGE", "k", "0", "-1")


def sorted_into(stage):
    stage("w", "RPUSH", "numbers", "3", "1", "2")
    stage.blocks("a", "BLPOP", "k", "0")
    stage("w", "SORT", "numbers", "STORE", "k")
    stage.answered("a")


def chained_moves(stage):
    stage.blocks("b", "BLMOVE", "second", "third", "LEFT", "RIGHT", "0")
    stage.blocks("a", "BRPOPLPUSH", "first", "second", "0")
    stage.blocks("c", "BLPOP", "third", "0")
    stage("w", "RPUSH", "first", "x")
    stage.answered("a", "b", "c")
    stage("w", "EXISTS", "first", "second", "third")


def move_to_itself(stage):
    stage.blocks("a", "BRPOPLPUSH", "k", "k", "0")
    stage("w", "RPUSH", "k", "x", "y")
    stage.answered("a")
    stage("w", "LRANGE", "k", "0", "-1")


def move_onto_another_type(stage):
    stage("w", "SET", "target", "v")
    stage.blocks("a", "BLMOVE", "k", "target", "LEFT", "LEFT", "0")
    stage.blocks("b", "BLPOP", "k", "0")
    stage("w", "RPUSH", "k", "x")
    stage.answered("a", "b")


def several_at_once(stage):
    stage.blocks("a", "BLMPOP", "0", "2", "k1", "k2", "RIGHT", "COUNT", "2")
    stage("w", "RPUSH", "k2", "1", "2", "3")
    stage.answered("a")
    stage.blocks("a", "BZMPOP", "0", "2", "z1", "z2", "MAX", "COUNT", "2")
    stage("w", "ZADD", "z2", "1", "one", "2", "two", "3", "three")
    stage.answered("a")


def sorted_sets(stage):
    stage.blocks("a", "BZPOPMIN", "z", "0")
    stage.blocks("b", "BZPOPMAX", "z", "y", "0")
    stage("w", "ZADD", "z", "1.5", "m", "2", "n", "3", "o")
    stage.answered("a", "b")
    stage.blocks("c", "BZPOPMIN", "fresh", "0")
    stage("w", "ZADD", "fresh", "XX", "1", "m")
    stage.still_waits("c")
    stage("w", "ZINCRBY", "fresh", "4", "m")
    stage.answered("c")
    stage.blocks("c", "BZPOPMIN", "union", "0")
    stage("w", "ZUNIONSTORE", "union", "1", "z")
    stage.answered("c")


def streams(stage):
    stage("w", "XADD", "s", "1-1", "f", "v")
    stage.blocks("a", "XREAD", "BLOCK", "0", "STREAMS", "s", "$")
    stage.blocks("b", "XREAD", "COUNT", "1", "BLOCK", "0", "STREAMS", "t", "s", "0", "1-1")
    stage("w", "XADD", "s", "2-1", "f", "w")
    stage.answered("a", "b")
    stage.blocks("a", "XREAD", "BLOCK", "0", "STREAMS", "new", "$")
    for words in [("MULTI",), ("XADD", "new", "1-1", "a", "b"), ("XADD", "new", "1-2", "a", "b"), ("EXEC",)]:
        stage("w", *words)
    stage.answered("a")
    stage("w", "XREAD", "BLOCK", "0", "STREAMS", "s", "0")


def stream_groups(stage):
    stage("w", "XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    stage.blocks("a", "XREADGROUP", "GROUP", "g", "one", "BLOCK", "0", "STREAMS", "s", ">")
    stage.blocks("b", "XREADGROUP", "GROUP", "g", "two", "BLOCK", "0", "STREAMS", "s", ">")
    stage("w", "XADD", "s", "1-1", "f", "v")
    stage.answered("a")
    stage("w", "XADD", "s", "1-2", "f", "v")
    stage.answered("b")
    stage.blocks("a", "XREADGROUP", "GROUP", "g", "one", "BLOCK", "0", "STREAMS", "s", ">")
    stage("w", "DEL", "s")
    # What is said of the group's end differs between versions in all but its code.
    reply = stage["a"].read(timeout=5).raw
    assert reply.startswith(b"-NOGROUP ") or reply.startswith(b"-UNBLOCKED "), reply


def unblocked(stage):
    stage("w", "CLIENT", "UNBLOCK", "99999999")
    for words in [(), ("TIMEOUT",), ("ERROR",)]:
        stage.blocks("a", "BLPOP", "k", "0")
        assert stage["w"]("CLIENT", "UNBLOCK", _id(stage, "a"), *words).raw == b":1\r\n"
        stage.answered("a")
        assert stage["w"]("CLIENT", "UNBLOCK", _id(stage, "a"), *words).raw == b":0\r\n"
    for command in [("BLMOVE", "k", "l", "LEFT", "LEFT", "0"), ("BRPOPLPUSH", "k", "l", "0"), ("BLMPOP", "0", "1", "k", "LEFT"),
                    ("BZPOPMIN", "k", "0"), ("BZMPOP", "0", "1", "k", "MIN"), ("XREAD", "BLOCK", "0", "STREAMS", "k", "$")]:
        stage.blocks("a", *command)
        stage("w", "RPUSH", "other", "x")
        assert stage["w"]("CLIENT", "UNBLOCK", _id(stage, "a")).raw == b":1\r\n"
        stage.answered("a")
        stage("a", "PING")


def _id(stage, name):
    """The identity of a connection, by CLIENT LIST: it may not be able to tell by itself."""
    port = stage[name].socket.getsockname()[1]
    for line in stage.control("CLIENT", "LIST").plain().decode().splitlines():
        if f" addr=127.0.0.1:{port} " in line:
            return line.split("id=")[1].split()[0]
    raise AssertionError("the connection is not listed")


def time_is_over(stage):
    for command in [("BLPOP", "k", "0.05"), ("BRPOP", "k", "l", "0.01"), ("BLMOVE", "k", "l", "LEFT", "LEFT", "0.05"),
                    ("BRPOPLPUSH", "k", "l", "0.05"), ("BLMPOP", "0.05", "1", "k", "LEFT"), ("BZPOPMIN", "k", "0.05"),
                    ("BZPOPMAX", "k", "0.0001"), ("BZMPOP", "0.05", "1", "k", "MIN"), ("XREAD", "BLOCK", "50", "STREAMS", "k", "$"),
                    ("XREAD", "BLOCK", "1", "STREAMS", "k", "0")]:
        stage("a", *command)


def wrong_times(stage):
    for time_out in ["-1", "x", "", "nan", "-0.5"]:
        stage("a", "BLPOP", "k", time_out)
        stage("a", "BZPOPMIN", "k", time_out)
        stage("a", "BLMOVE", "k", "l", "LEFT", "RIGHT", time_out)
        stage("a", "BLMPOP", time_out, "1", "k", "LEFT")
    for time_out in ["-1", "x", "", "1.5"]:
        stage("a", "XREAD", "BLOCK", time_out, "STREAMS", "k", "0")


def nobody_waits_in_a_transaction(stage):
    for words in [("MULTI",), ("BLPOP", "k", "0"), ("BLMOVE", "k", "l", "LEFT", "LEFT", "0"), ("BZPOPMIN", "k", "0"),
                  ("BLMPOP", "0", "1", "k", "LEFT"), ("XREAD", "BLOCK", "0", "STREAMS", "k", "$"), ("RPUSH", "k", "x"),
                  ("BLPOP", "k", "0"), ("EXEC",)]:
        stage("a", *words)


def what_follows_waits_too(stage):
    before = stage.blocked()
    for words in [("SET", "first", "1"), ("BLPOP", "k", "0"), ("APPEND", "first", "2"), ("BLPOP", "k", "0"), ("GET", "first")]:
        stage["a"].send(*words)
    stage.answered("a")
    eventually(lambda: stage.blocked() == before + 1)
    stage("w", "GET", "first")
    stage("w", "RPUSH", "k", "x", "y")
    stage.answered("a", "a", "a", "a")


def a_pipeline_serves_between_its_commands(stage):
    stage.blocks("a", "BLPOP", "k", "0")
    for reply in stage["w"].pipeline([("RPUSH", "k", "x"), ("LPOP", "k"), ("EXISTS", "k"), ("PING",)]):
        stage.notes.append(reply.raw)
    stage.answered("a")


def flushed_and_filled(stage):
    stage.blocks("a", "BLPOP", "k", "0")
    stage("w", "FLUSHALL")
    stage.still_waits("a")
    stage("w", "RPUSH", "k", "x")
    stage.answered("a")


def who_has_gone_takes_nothing(stage):
    stage.blocks("a", "BLPOP", "k", "0")
    stage.blocks("b", "BLPOP", "k", "0")
    stage["a"].close()
    eventually(lambda: stage.blocked() == 1)
    stage("w", "RPUSH", "k", "x", "y")
    stage.answered("b")
    stage("w", "LRANGE", "k", "0", "-1")


def who_hung_up_at_once_takes_nothing(stage):
    stage["a"].send("BLPOP", "k", "0")
    stage["a"].half_close()
    stage["a"].read_until_close()
    stage("w", "RPUSH", "k", "x")
    stage("w", "LRANGE", "k", "0", "-1")


def killed_while_waiting(stage):
    stage.blocks("a", "BLPOP", "k", "0")
    assert stage["w"]("CLIENT", "KILL", "ID", _id(stage, "a")).raw == b":1\r\n"
    stage["a"].read_until_close()
    stage("w", "RPUSH", "k", "x")
    stage("w", "LLEN", "k")


def without_replies(stage):
    stage["a"].send("CLIENT", "REPLY", "OFF")
    stage.blocks("a", "BLPOP", "k", "0")
    stage("w", "RPUSH", "k", "x")
    eventually(lambda: stage.blocked() == 0)
    stage["a"].send("CLIENT", "REPLY", "ON")
    stage.answered("a")
    stage("a", "EXISTS", "k")


def watched_by_who_waits_for_it(stage):
    stage("w", "WATCH", "k")
    stage.blocks("a", "BLPOP", "k", "0")
    stage("x", "RPUSH", "k", "1")
    stage.answered("a")
    stage("w", "MULTI")
    stage("w", "PING")
    stage("w", "EXEC")


def due_while_waited_for(stage):
    stage.blocks("a", "BLPOP", "k", "0")
    for words in [("MULTI",), ("RPUSH", "k", "x"), ("PEXPIRE", "k", "-1"), ("EXEC",)]:
        stage("w", *words)
    stage.still_waits("a")
    stage("w", "RPUSH", "k", "y")
    stage.answered("a")


def what_the_other_key_has_become_ends_no_wait(stage):
    """A key that gets another type is passed over, in whichever way it is waited for."""
    for push, commands in {("RPUSH", "k2", "x"): [("BLPOP", "k1", "k2", "0"), ("BRPOP", "k1", "k2", "0"),
                                                  ("BLMPOP", "0", "2", "k1", "k2", "LEFT")],
                           ("ZADD", "k2", "1", "x"): [("BZPOPMIN", "k1", "k2", "0"), ("BZPOPMAX", "k1", "k2", "0"),
                                                      ("BZMPOP", "0", "2", "k1", "k2", "MIN")],
                           ("XADD", "k2", "1-1", "f", "v"): [("XREAD", "BLOCK", "0", "STREAMS", "k1", "k2", "$", "$")]}.items():
        for command in commands:
            stage.blocks("a", *command)
            stage("w", "SADD", "k1", "m")
            stage.still_waits("a")
            stage("w", *push)
            stage.answered("a")
            stage("w", "TYPE", "k1")
            stage("w", "DEL", "k1", "k2")


def a_move_to_another_type_fails_when_it_comes_to_it(stage):
    for command in [("BLMOVE", "k", "d", "LEFT", "LEFT", "0"), ("BRPOPLPUSH", "k", "d", "0")]:
        stage.blocks("a", *command)
        stage("w", "SADD", "d", "m")
        stage("w", "SADD", "k", "m")
        stage.still_waits("a")
        stage("w", "DEL", "k")
        stage.still_waits("a")
        stage("w", "RPUSH", "k", "x")
        stage.answered("a")
        stage("w", "DEL", "k", "d")


def what_others_do_with_a_stream_wakes_nobody(stage):
    stage("w", "XADD", "s", "1-1", "f", "v")
    stage("w", "XADD", "s", "1-2", "f", "v")
    stage("w", "XGROUP", "CREATE", "s", "g", "0")
    stage("w", "XGROUP", "CREATE", "s", "h", "$")
    stage.blocks("a", "XREAD", "BLOCK", "0", "STREAMS", "s", "t", "$", "$")
    stage.blocks("b", "XREADGROUP", "GROUP", "h", "b", "BLOCK", "0", "STREAMS", "s", ">")
    stage("w", "SET", "t", "v")
    for words in [("XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "s", ">"), ("XACK", "s", "g", "1-1"),
                  ("XGROUP", "CREATECONSUMER", "s", "g", "d"), ("XGROUP", "CREATE", "s", "i", "0"),
                  ("XREADGROUP", "GROUP", "g", "d", "NOACK", "STREAMS", "s", ">"), ("XGROUP", "DESTROY", "s", "i"),
                  ("XGROUP", "SETID", "s", "h", "1-1"), ("XSETID", "s", "3-1"), ("XDEL", "s", "1-1")]:
        stage("w", *words)
        stage.still_waits("a")
        stage.still_waits("b")
    stage("w", "XADD", "s", "4-1", "f", "v")
    stage.answered("a", "b")


def each_group_hears_of_an_entry(stage):
    for group in "gh":
        stage("w", "XGROUP", "CREATE", "s", group, "$", "MKSTREAM")
    for name, group in [("a", "g"), ("b", "g"), ("c", "h"), ("d", "h")]:
        stage.blocks(name, "XREADGROUP", "GROUP", group, name, "BLOCK", "0", "STREAMS", "s", ">")
    stage.blocks("e", "XREAD", "BLOCK", "0", "STREAMS", "s", "$")
    stage.blocks("f", "XREAD", "BLOCK", "0", "STREAMS", "s", "5-0")
    stage("w", "XADD", "s", "1-1", "f", "v")
    stage.answered("a", "c", "e")
    for name in "bdf":
        stage.still_waits(name)
    stage("w", "XADD", "s", "6-1", "f", "v")
    stage.answered("b", "d", "f")


def each_type_has_its_waiters(stage):
    stage.blocks("a", "BZPOPMIN", "k", "0")
    stage.blocks("b", "BLPOP", "k", "0")
    stage.blocks("c", "XREAD", "BLOCK", "0", "STREAMS", "k", "$")
    stage.blocks("d", "BZPOPMAX", "k", "0")
    stage.blocks("e", "BRPOP", "k", "0")
    stage("w", "RPUSH", "k", "1")
    stage.answered("b")
    stage("w", "ZADD", "k", "1", "m", "2", "n")
    stage.answered("a", "d")
    stage("w", "XADD", "k", "1-1", "f", "v")
    stage.answered("c")
    stage("w", "DEL", "k")
    stage("w", "RPUSH", "k", "2")
    stage.answered("e")


def swapped_in_for_some(stage):
    """A database that comes serves those for whose keys it has what they want, and those whose group has gone."""
    stage("w", "XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    stage.blocks("a", "BLPOP", "k", "l", "0")
    stage.blocks("b", "BZPOPMIN", "k", "0")
    stage.blocks("c", "BLPOP", "absent", "0")
    stage.blocks("d", "XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", ">")
    stage("x", "SELECT", "3")
    stage.blocks("x", "BLPOP", "only in 0", "0")
    stage("w", "RPUSH", "only in 0", "y")
    stage("v", "SELECT", "3")
    stage("v", "SADD", "k", "m")
    stage("v", "RPUSH", "l", "x")
    stage("w", "SWAPDB", "0", "3")
    stage.answered("a", "x")
    assert stage["d"].read(timeout=5).is_error
    stage.still_waits("b")
    stage.still_waits("c")
    stage("w", "SWAPDB", "0", "3")
    stage("v", "DEL", "k")
    stage("v", "ZADD", "k", "1", "m")
    stage("w", "SWAPDB", "3", "0")
    stage.answered("b")
    stage("w", "RPUSH", "absent", "x")
    stage.answered("c")


SCENES = [
    served_by_a_push, first_come_first_served, one_key_of_many, pushes_in_a_transaction, undone_in_the_transaction,
    other_types_do_not_serve, renamed_onto, copied_onto, moved_to, restored, swapped_in, sorted_into, chained_moves, move_to_itself,
    move_onto_another_type, several_at_once, sorted_sets, streams, stream_groups, unblocked, time_is_over, wrong_times,
    nobody_waits_in_a_transaction, what_follows_waits_too, a_pipeline_serves_between_its_commands, flushed_and_filled,
    who_has_gone_takes_nothing, who_hung_up_at_once_takes_nothing, killed_while_waiting, without_replies,
    watched_by_who_waits_for_it, due_while_waited_for, what_the_other_key_has_become_ends_no_wait,
    a_move_to_another_type_fails_when_it_comes_to_it, what_others_do_with_a_stream_wakes_nobody, each_group_hears_of_an_entry,
    each_type_has_its_waiters, swapped_in_for_some,
]


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_scene(scene, protocol, server, reference):
    play(scene, server, reference, protocol)


def test_waits_end_on_time(server):
    """Not before their time, and at least once in twenty times within 50 milliseconds of it."""
    with server.connect() as client:
        for seconds in (0.001, 0.02, 0.25):
            times = []
            while not times or min(times) >= seconds + 0.05 and len(times) < 20:
                start = time.monotonic()
                assert client("BLPOP", "k", str(seconds)).is_null
                times.append(time.monotonic() - start + 0.001)
            assert seconds <= min(times) < seconds + 0.05


def test_a_thousand_who_wait_are_served_in_order_and_leave_nothing(server):
    clients = [server.connect() for _ in range(1000)]
    try:
        with server.connect() as control:
            def field(name):
                return int(control("INFO", "clients").plain().decode().split(name + ":")[1].split()[0])
            for number, client in enumerate(clients):
                client.send("BLPOP", f"own{number}", "common", "100" if number % 2 else "0")
                if number % 100 == 99:
                    eventually(lambda: field("blocked_clients") == number + 1)
            assert field("clients_in_timeout_table") == 500
            for client in clients[1::4]:
                client.close()
            eventually(lambda: field("blocked_clients") == 750)
            left = [client for number, client in enumerate(clients) if number % 4 != 1]
            control("RPUSH", "common", *range(len(left)))
            assert [client.read().plain() for client in left] == [[b"common", b"%d" % n] for n in range(len(left))]
            assert field("blocked_clients") == 0 and field("clients_in_timeout_table") == 0
            assert control("DBSIZE").value == 0
    finally:
        for client in clients:
            client.close()


def test_client_list_tells_who_waits(server):
    with server.connect() as control, server.connect() as client:
        client.send("BLPOP", "k", "0")
        eventually(lambda: b" flags=b " in control("CLIENT", "LIST").plain())
        control("RPUSH", "k", "x")
        client.read()
        assert b" flags=b " not in control("CLIENT", "LIST").plain()


def test_no_wait_is_shorter_than_a_millisecond(server):
    """A fraction of a millisecond is rounded up: it is neither for ever nor over at once."""
    with server.connect() as client:
        for command in [("BLPOP", "k", "0.0005"), ("BRPOP", "k", "0.0000001"), ("BLMOVE", "k", "l", "LEFT", "LEFT", "0.0005"),
                        ("BLMPOP", "0.0005", "1", "k", "LEFT"), ("BZPOPMIN", "k", "0.0005"), ("BZMPOP", "1e-9", "1", "k", "MIN"),
                        ("XREAD", "BLOCK", "1", "STREAMS", "k", "$"), ("BRPOPLPUSH", "k", "l", "0.001")]:
            for _ in range(20):
                start = time.monotonic()
                client.send(*command)
                assert client.read(timeout=5).is_null, command
                assert time.monotonic() - start >= 0.001, command


@pytest.mark.ours
def test_what_others_read_can_be_claimed_later(server):
    """Who waits with CLAIM when nothing is pending hears of what becomes so, and so does who waits behind it."""
    with server.connect() as control, server.connect() as first, server.connect() as second:
        control("XGROUP", "CREATE", "k", "g", "0", "MKSTREAM")
        for number, client in enumerate((first, second), 1):
            client.send("XREADGROUP", "GROUP", "g", f"c{number}", "BLOCK", "0", "CLAIM", "150", "STREAMS", "k", ">")
            eventually(lambda: b"blocked_clients:%d" % number in control("INFO", "clients").plain())
        for command in [("MULTI",), ("XADD", "k", "1-1", "f", "v"), ("XREADGROUP", "GROUP", "g", "other", "STREAMS", "k", ">"), ("EXEC",)]:
            control(*command)
        first.close()
        [[_, [[entry, _, idle, deliveries]]]] = second.read(timeout=5).plain()
        assert entry == b"1-1" and idle >= 150 and deliveries == 1


@pytest.mark.ours
def test_a_broken_watch_counts_no_keys(server):
    """As since Redis 7: who has lost its watch watches nothing any more, until EXEC, DISCARD or UNWATCH."""
    with server.connect() as control, server.connect() as client:
        def fields():
            [line] = [line for line in control("CLIENT", "LIST").plain().decode().splitlines() if f" id={identity} " in " " + line]
            return [word for word in line.split() if word.startswith(("flags=", "watch="))]
        identity = client("CLIENT", "ID").value
        client("WATCH", "a", "b", "a")
        assert fields() == ["flags=N", "watch=2"]
        control("SET", "a", "1")
        assert fields() == ["flags=d", "watch=0"]
        client("WATCH", "c")
        assert fields() == ["flags=d", "watch=0"]
        client("UNWATCH")
        assert fields() == ["flags=N", "watch=0"]


@pytest.mark.ours
@pytest.mark.parametrize("timeout", ["0", "5000"])
def test_what_becomes_claimable_is_claimed(timeout, server):
    """A consumer that waits with CLAIM gets what another has left alone for long enough, as Redis 8.4 does it."""
    with server.connect() as control, server.connect() as client:
        for number in (1, 2, 3):
            control("XADD", "k", f"{number}-1", "f", "v")
        control("XGROUP", "CREATE", "k", "g", "0")
        control("XREADGROUP", "GROUP", "g", "gone", "COUNT", 2, "STREAMS", "k", ">")
        control("XREADGROUP", "GROUP", "g", "busy", "STREAMS", "k", ">")
        client.send("XREADGROUP", "GROUP", "g", "c", "BLOCK", timeout, "CLAIM", "200", "STREAMS", "k", ">")
        assert client.silent(0.05)
        # The oldest goes away, and another gets a new time: neither ends the wait, which is for the third then.
        control("XACK", "k", "g", "1-1")
        control("XCLAIM", "k", "g", "busy", 0, "2-1")
        [[name, entries]] = client.read(timeout=5).plain()
        claimed = [entry[0] for entry in entries]
        assert name == b"k" and claimed[0] == b"3-1" and set(claimed) <= {b"2-1", b"3-1"}
        assert entries[0][1] == [b"f", b"v"] and entries[0][2] >= 200 and entries[0][3] == 1
        info = control("INFO", "clients").plain()
        assert b"blocked_clients:0" in info and b"clients_in_timeout_table:0" in info


@pytest.mark.ours
def test_what_is_not_claimable_in_time_is_not_waited_for(server):
    with server.connect() as control, server.connect() as client:
        control("XADD", "k", "1-1", "f", "v")
        control("XGROUP", "CREATE", "k", "g", "0")
        control("XREADGROUP", "GROUP", "g", "gone", "STREAMS", "k", ">")
        client.send("XREADGROUP", "GROUP", "g", "c", "BLOCK", "60", "CLAIM", "30000", "STREAMS", "k", ">")
        assert client.read(timeout=5).is_null
        client.send("XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "CLAIM", str(2**63 - 1), "STREAMS", "k", ">")
        assert client.silent(0.05)
        control("XADD", "k", "2-1", "f", "w")
        assert client.read(timeout=5).plain() == [[b"k", [[b"2-1", [b"f", b"w"], 0, 0]]]]


@pytest.mark.parametrize("served", [True, False])
def test_a_skipped_reply_that_comes_late_is_skipped(served, server, reference):
    for one in (reference, server):
        with one.connect() as control, one.connect() as client:
            client.send("CLIENT", "REPLY", "SKIP")
            client.send("BLPOP", "k", "0" if served else "0.05")
            client.send("PING", "1")
            eventually(lambda: b"blocked_clients:1" in control("INFO", "clients").plain() or not served)
            control("RPUSH", "k" if served else "other", "x")
            assert client.read(timeout=5).plain() == b"1"
            assert client("PING", "2").plain() == b"2"
