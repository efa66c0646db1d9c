"""What INFO counts of calls, refusals, failures and errors, what CLIENT LIST says of the last command, and which replies are left out:
the same as redis-server 8.2.3 after the same commands."""
import re

import pytest

from support.cases import split
from support.resp import encode

SEQUENCES = {
    "an error in a transaction counts once": "SET a x; MULTI; LPUSH a 1; INCR a; GET a; EXEC",
    "errors behind a long reply": "SET a x; SETRANGE b 300000 y; MULTI; LPUSH a 1; GET b; ECHO 'secret word'; INCR a; ECHO 'other words'; EXEC",
    "a transaction that is aborted": "MULTI; GET; SET k v; EXEC; EXEC; DISCARD; MULTI; MULTI; DISCARD",
    "watched keys": "WATCH a; MULTI; WATCH a; SET a 1; EXEC; WATCH a; SET a 2; MULTI; GET a; EXEC",
    "unknown commands": "foo; CLIENT foo; CLIENT; CLIENT KILL; CONFIG; CONFIG GET; GET; OBJECT HELP",
    "wrong types and arguments": "SET a x; INCR a; LPUSH a x; SELECT 99; HELLO 9; HELLO x; AUTH x; AUTH a b c",
    "replies left out": "CLIENT REPLY OFF; INCR a x; FOO; LPUSH; CLIENT REPLY ON; CLIENT REPLY SKIP; GET; PING",
    "a wait that times out": "BLPOP nokey 0.01; BLMOVE nokey other LEFT RIGHT 0.01; MULTI; BLPOP nokey 0.01; EXEC",
    "a wait that fails": "SET a x; BLPOP a 0; XREADGROUP GROUP g c STREAMS s >; XGROUP CREATE s g $ MKSTREAM; XREADGROUP GROUP g c BLOCK 1 STREAMS s >",
}


def statistics(connection):
    found = {}
    for line in connection("INFO", "commandstats", "errorstats", "stats").plain().decode().splitlines():
        if line.startswith("cmdstat_"):
            calls = re.match(r"(\S+):calls=(\d+),.*rejected_calls=(\d+),failed_calls=(\d+)", line)
            found[calls[1]] = calls.groups()[1:]
        elif line.startswith(("errorstat_", "total_error_replies")):
            name, value = line.split(":", 1)
            found[name] = value
    for name in ("cmdstat_info", "cmdstat_config|resetstat", "cmdstat_config"):
        found.pop(name, None)
    return found


def after(server, lines):
    with server.connect() as control, server.connect() as client:
        control("FLUSHALL")
        control("CONFIG", "RESETSTAT")
        for line in lines:
            client.send(*split(line))
        client.send("ECHO", "over")
        replies = []
        while not replies or replies[-1] != b"$4\r\nover\r\n":
            replies.append(client.read().raw)
        return replies, statistics(control)


@pytest.mark.ours
@pytest.mark.parametrize("name", SEQUENCES)
def test_counts(name, server, newer_redis):
    lines = [line.strip() for line in SEQUENCES[name].split(";")]
    theirs, ours = after(newer_redis, lines), after(server, lines)
    assert ours[1] == theirs[1]
    assert len(ours[0]) == len(theirs[0])


def last_command(control, identifier):
    return re.search(rb"cmd=(\S+)", control("CLIENT", "LIST", "ID", identifier).plain())[1]


@pytest.mark.ours
def test_last_command(server, newer_redis):
    """The one that was sent, not one that it ran; NULL after one that there is not."""
    def told(one):
        with one.connect() as control, one.connect() as client:
            identifier = client("CLIENT", "ID").value
            found = []
            for line in ("GET a", "GET", "nosuch", "PING", "CLIENT nosuch", "CLIENT SETNAME x", "MULTI", "SET a 1", "INCR", "GET a",
                         "EXEC", "MULTI", "LPUSH l 1", "EXEC"):
                client(*split(line))
                found.append(last_command(control, identifier))
            return found
    assert told(server) == told(newer_redis)


@pytest.mark.ours
def test_waits_count_when_they_end(server, newer_redis):
    def told(one):
        found = []
        with one.connect() as control, one.connect() as waiter, one.connect() as killed:
            control("FLUSHALL")
            control("CONFIG", "RESETSTAT")
            identifier, gone = waiter("CLIENT", "ID").value, killed("CLIENT", "ID").value
            for reason in ("ERROR", "TIMEOUT"):
                waiter.send("BLPOP", "nokey", "0")
                wait_until_blocked(control, 1)
                found.append(statistics(control).get("cmdstat_blpop"))
                control("CLIENT", "UNBLOCK", identifier, reason)
                found.append(waiter.read().raw)
                found.append({name: value for name, value in statistics(control).items() if "blpop" in name or "UNBLOCKED" in name})
            waiter.send("BLPOP", "nokey", "0")
            killed.send("BRPOP", "nokey", "0")
            wait_until_blocked(control, 2)
            control("CLIENT", "KILL", "ID", gone)
            control("RPUSH", "nokey", "x")
            waiter.read()
            found.append([statistics(control).get(name) for name in ("cmdstat_blpop", "cmdstat_brpop")])
        return found
    assert told(server) == told(newer_redis)


def wait_until_blocked(control, count):
    while f"blocked_clients:{count}\r\n".encode() not in control("INFO", "clients").plain():
        pass


@pytest.mark.parametrize("pipeline, answer", [
    ("CLIENT REPLY SKIP; RESET; PING", b"+PONG\r\n"),
    ("CLIENT REPLY OFF; RESET; PING", b"+RESET\r\n+PONG\r\n"),
    ("CLIENT REPLY SKIP; CLIENT REPLY ON; PING", b"+OK\r\n+PONG\r\n"),
    ("MULTI; SET k 1; CLIENT KILL SKIPME no TYPE normal; SET k 2; GET k; EXEC",
     b"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*4\r\n+OK\r\n:1\r\n"),
])
def test_replies_that_are_left_out(pipeline, answer, server, reference):
    for one in (reference, server):
        with one.connect() as client:
            client.send_raw(b"".join(encode(*split(line.strip())) for line in pipeline.split(";")))
            client.half_close()
            assert client.read_until_close() == answer, one
        with one.connect() as control:
            control("DEL", "k")


@pytest.mark.parametrize("script", [
    "return redis.call('select',99)", "return redis.pcall('select',99)", "redis.pcall('select',99) return 1",
    "return redis.call('nosuch')", "redis.pcall('nosuch') return 1", "return {1,redis.pcall('select',99)}", "return {err='X y'}",
    "return {1,{err='X y'}}", "return redis.call('get')", "error('boo')", "local a,e=pcall(redis.call,'select',99) return 1",
    "local e=redis.pcall('select',99) error(e)", "redis.pcall('select',99) return {err='MY error'}",
    "redis.pcall('select',99) redis.pcall('select',99) return redis.pcall('incr')",
])
@pytest.mark.parametrize("within", ["alone", "transaction"])
def test_a_script_fails_if_it_answers_with_an_error(script, within, server, reference):
    """Also with one that a command of it had, which is counted once among the errors."""
    def figures(one):
        with one.connect() as client:
            client("CONFIG", "RESETSTAT")
            for request in [["MULTI"], ["EVAL", script, "0"], ["EXEC"]] if within == "transaction" else [["EVAL", script, "0"]]:
                client(*request)
            text = b"".join(client("INFO", section).plain() for section in ("commandstats", "errorstats", "stats")).decode()
        lines = re.findall(r"cmdstat_(eval|select|get|incr|exec):calls=(\d+),.*rejected_calls=(\d+),failed_calls=(\d+)", text)
        return sorted(lines), sorted(re.findall(r"errorstat_\S+", text)), re.findall(r"total_error_replies:\d+", text)
    assert figures(server) == figures(reference)
