"""Keyspace events: the commands of all case files, and what is told of them, compared with redis-server.

A subscriber hears of everything. What it is told while a case runs must be the same, in the same order, whatever the case is about. What
expires by itself is told of at times of each server's own, so that is compared without its order.
"""
import difflib
import pathlib
import time

import pytest

from support.cases import Side, read_cases
from support.resp import Closed, Malformed

FILES = sorted((pathlib.Path(__file__).parent / "cases").glob("*.txt"))
# Files about connections, which would end the subscriber, and without keys.
LEFT_OUT = {"connection", "pubsub", "server", "tracking"}
# Fields that have expired and are still there, which only DEBUG brings about: here they go before a request looks at their hash.
TITLES_LEFT_OUT = {"writing to an expired field", "HSETEX: FNX and FXX are of all the fields"}
BY_THEMSELVES = {b"expired", b"hexpired"}


class Listener:
    def __init__(self, server, classes):
        self.server = server
        self.control = server.connect()
        assert self.control("CONFIG", "SET", "notify-keyspace-events", classes).raw == b"+OK\r\n"
        self.connection = server.connect()
        self.connection("PSUBSCRIBE", "__key*__:*")

    def heard(self):
        """What has come since: (channel, message)."""
        self.connection.send("PING", "nothing more")
        found = []
        while (message := self.connection.read().plain())[-1] != b"nothing more":
            found.append((message[2], message[3]))
        return found

    def close(self):
        self.control("CONFIG", "SET", "notify-keyspace-events", "")
        self.control.close()
        self.connection.close()


def events(case, server, classes):
    """Runs a case. Returns each step's text, whether it was answered with an error, and what was told of it."""
    side = Side(server, 2)
    listener = Listener(server, classes)
    told = []
    try:
        side.remember_settings({name for step in case.steps if [a.upper() for a in step.arguments[:2]] == [b"CONFIG", b"SET"]
                                for name in step.arguments[2::2]})
        for step in case.steps:
            failed = False
            if step.sleep is not None:
                time.sleep(step.sleep)
            else:
                try:
                    for index in range(step.repeat):
                        reply = side.run(step, step.rendered(index))
                        failed = reply is not None and reply.is_error
                except (Closed, Malformed, OSError):
                    break
            told.append((step.text, failed, listener.heard()))
    finally:
        side.close()
        listener.close()
    return told


def comparable(one, two):
    """The steps up to where one of the servers refuses what the other takes: it does not have the command."""
    for count, (mine, theirs) in enumerate(zip(one, two)):
        if mine[1] != theirs[1]:
            return one[:count], two[:count]
    return one, two


def of_commands(steps):
    """What is told, but for what expires by itself: that may be told of between any two others."""
    return [event for step in steps for event in step[2] if not is_of_its_own(event)]


def is_of_its_own(event):
    channel, message = event
    return message in BY_THEMSELVES or channel.split(b":", 1)[1] in BY_THEMSELVES


def difference(one, two):
    lines = [[line for text, _, heard in steps for line in [text, *[f"        {channel} {message}" for channel, message in heard]]]
             for steps in (two, one)]
    return [f"    {line}" for line in difflib.unified_diff(*lines, "reference", "tested", lineterm="", n=2)][2:]


def compare(path, classes, server, peers):
    problems = []
    for case in read_cases(path):
        if case.title in TITLES_LEFT_OUT or any(b"notify-keyspace-events" in step.arguments for step in case.steps):
            continue
        sleeps = any(step.sleep is not None for step in case.steps)
        tested, found = events(case, server, classes), []
        for peer in peers(case):
            one, two = comparable(tested, events(case, peer, classes))
            ours, theirs = of_commands(one), of_commands(two)
            # Where time passes, what is deleted with its last field may stand anywhere, too.
            if ours == theirs or (sleeps and sorted(ours) == sorted(theirs)):
                found = []
                break
            found = [f"{path.name}:{case.line} {case.title}", *difference(one, two)]
        problems += found
    assert not problems, "\n".join(problems[:200])


@pytest.mark.since72
@pytest.mark.parametrize("path", [path for path in FILES if path.stem not in LEFT_OUT], ids=lambda path: path.stem)
def test_events_of_all_commands(path, server, newer_redis, valkey, reference):
    """As Redis 8.2 tells of them, or Redis 7.0 where 8.2 has changed what a command does."""
    compare(path, "KEAmn", server, lambda case: [valkey] if case.peer == "valkey" else [newer_redis, reference])


@pytest.mark.since72
@pytest.mark.parametrize("path", [path for path in FILES if path.stem not in LEFT_OUT], ids=lambda path: path.stem)
def test_keys_that_are_overwritten(path, server, newer_redis):
    compare(path, "Egoc", server, lambda case: [] if case.peer == "valkey" else [newer_redis])


def test_expired_is_told_on_time(server, reference):
    """Of keys that nobody reads, among many that stay: of each once, not before its time, and soon after it, which redis-server does not promise."""
    for side in (reference, server):
        listener = Listener(side, "Ex")
        control = side.connect()
        try:
            stay = [["SET", f"stays:{number}", "v", "EX", "1000"] for number in range(10_000)]
            first = int(time.time() * 1000) + 1500
            go = [["SET", f"goes:{number}", "v", "PXAT", first + number] for number in range(1000)]
            assert all(reply.raw == b"+OK\r\n" for reply in control.pipeline(stay + go))
            missing = {f"goes:{number}".encode(): first + number for number in range(1000)}
            listener.connection.send("PING", "nothing more")
            while missing:
                channel, key = listener.connection.read().plain()[-2:]
                if key == b"nothing more":
                    continue
                assert channel.endswith(b"__:expired")
                late = time.time() * 1000 - missing.pop(key)
                assert late >= -1 and (side is reference or late < 5000)
        finally:
            control("FLUSHALL")
            control.close()
            listener.close()
