"""Scripts that take long: what others are told meanwhile, and how such a script is ended."""
import contextlib
import threading
import time

import pytest

from support import server as servers
from support.resp import Closed, eventually

LOOP = "while true do end"
BUSY = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."


@pytest.fixture
def quick():
    """A server for which a script is busy after 50 milliseconds."""
    launched = servers.Server(servers.under_test(), servers.TEST_FLAGS + ["--busy-reply-threshold", "50"])
    yield launched
    launched.discard()


def is_busy(client):
    reply = client("GET", "x")
    return reply.is_error and reply.value.decode() == BUSY


def begin(server, *command):
    """Sends a command that will not be answered for now."""
    client = server.connect()
    client.send(*command)
    return client


def kill(client):
    assert client("SCRIPT", "KILL").value == b"OK"


@pytest.mark.ours
def test_others_are_told_that_a_script_is_busy_until_it_is_killed(quick):
    with quick.connect() as other, begin(quick, "EVAL", LOOP, "0") as client:
        eventually(lambda: is_busy(other))
        assert other("PING").value.decode() == BUSY
        assert other("SET", "x", "1").value.decode() == BUSY
        assert other("MULTI").value == b"OK"
        assert other("DISCARD").value == b"OK"
        assert other("SHUTDOWN").value.decode() == BUSY
        assert other("FUNCTION", "KILL").value.decode() == BUSY
        kill(other)
        error = client.read().value.decode()
        assert error.startswith("ERR Error running script") or "Script killed by user with SCRIPT KILL" in error
        assert other("GET", "x").value is None
        assert client("GET", "x").value is None


@pytest.mark.ours
def test_a_script_is_busy_no_sooner_than_was_said():
    """By a clock of our own: however busy the machine is, this only makes it later."""
    launched = servers.Server(servers.under_test(), servers.TEST_FLAGS + ["--busy-reply-threshold", "600"])
    with contextlib.ExitStack() as stack:
        stack.callback(launched.discard)
        other, client = stack.enter_context(launched.connect()), stack.enter_context(launched.connect())
        begun = time.monotonic()
        client.send("EVAL", LOOP, "0")
        eventually(lambda: is_busy(other))
        assert time.monotonic() - begun >= 0.6
        kill(other)


@pytest.mark.ours
def test_a_script_cannot_catch_that_it_is_killed(quick):
    scripts = [
        "while true do pcall(function() while true do end end) end",
        # Whatever handles errors is asked to go on, too.
        "xpcall(function() while true do end end, function(e) while true do end end)",
        # What is a few tables may be as good as endless when it is written out.
        "local t = {} t.map = {a = t, b = t} return t",
        "local t = {1} for i = 1, 40 do t = {t, t} end return t",
        "local t = {1} for i = 1, 40 do t = {t, t} end return cjson.encode(t)",
        "local t = {1} for i = 1, 14 do t = {t, t, t, t} end return #cmsgpack.pack(t)",
        "local function f() while true do pcall(f) end end f()",
        "coroutine.wrap(function() while true do pcall(function() while true do end end) end end)()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
    ]
    for script in scripts:
        with quick.connect() as other, begin(quick, "EVAL", script, "0") as client:
            eventually(lambda: is_busy(other))
            kill(other)
            assert client.read().is_error
            assert other("SCRIPT", "KILL").value == b"NOTBUSY No scripts in execution right now."
            # The next one runs as usual.
            assert client("EVAL", "local n = 0 for i = 1, 1000000 do n = n + 1 end return n", "0").value == 1000000


@pytest.mark.ours
def test_a_script_that_has_written_is_not_killed_but_by_the_end_of_the_server(quick):
    with quick.connect() as other, begin(quick, "EVAL", "redis.call('set', 'x', 1) " + LOOP, "0"):
        eventually(lambda: is_busy(other))
        assert other("SCRIPT", "KILL").value.startswith(b"UNKILLABLE Sorry the script already executed write commands")
        other.send("SHUTDOWN", "NOSAVE")
        assert quick.process.wait(timeout=20) == 0


@pytest.mark.ours
def test_a_signal_ends_the_server_though_a_script_is_busy(quick):
    with quick.connect() as other, begin(quick, "EVAL", LOOP, "0"):
        eventually(lambda: is_busy(other))
        quick.process.terminate()
        assert quick.process.wait(timeout=20) == 0


@pytest.mark.ours
def test_what_a_client_has_sent_behind_its_script_is_answered_afterwards(quick):
    with quick.connect() as other, quick.connect() as client:
        for command in (("SET", "a", "1"), ("EVAL", LOOP, "0"), ("GET", "a"), ("INCR", "a")):
            client.send(*command)
        eventually(lambda: is_busy(other))
        client.send("GET", "a")
        kill(other)
        assert client.read().value == b"OK"
        assert client.read().is_error
        assert [client.read().value for _ in range(3)] == [b"1", 2, b"2"]


@pytest.mark.ours
def test_a_busy_script_within_a_transaction(quick):
    with quick.connect() as other, quick.connect() as client:
        for command in (("MULTI",), ("SET", "a", "1"), ("EVAL", LOOP, "0"), ("GET", "a"), ("EXEC",)):
            client.send(*command)
        eventually(lambda: is_busy(other))
        kill(other)
        assert [client.read().value for _ in range(4)] == [b"OK", b"QUEUED", b"QUEUED", b"QUEUED"]
        ok, error, value = client.read().value
        assert ok.value == b"OK" and error.is_error and value.value == b"1"


@pytest.mark.ours
def test_clients_come_and_go_while_a_script_is_busy(quick):
    with quick.connect() as other, begin(quick, "EVAL", LOOP, "0") as client:
        eventually(lambda: is_busy(other))
        for _ in range(50):
            with quick.connect() as guest:
                assert is_busy(guest)
        with quick.connect() as pipelined:
            for _ in range(1000):
                pipelined.send("PING")
            assert all(pipelined.read().value.decode() == BUSY for _ in range(1000))
        kill(other)
        assert client.read().is_error


@pytest.mark.ours
def test_nothing_expires_and_nobody_is_served_while_a_script_is_busy(quick):
    with quick.connect() as other, quick.connect() as waiting, quick.connect() as client:
        client("SET", "k", "v", "PX", "300")
        waiting.send("BLPOP", "list", "0")
        eventually(lambda: b"blocked_clients:1" in other("INFO", "clients").plain())
        script = """redis.call('rpush', 'list', 'a') local first = redis.call('get', 'k') local n = 0
            for i = 1, 3e8 do n = n + 1 end
            return {first, redis.call('get', 'k'), redis.call('llen', 'list')}"""
        client.send("EVAL", script, "0")
        eventually(lambda: is_busy(other))
        first, last, length = client.read(timeout=60).value
        assert first.value == b"v" and last.value == b"v" and length.value == 1
        assert [part.value for part in waiting.read().value] == [b"list", b"a"]


# Microseconds from the first TIME until it has moved by 100 milliseconds, or -1 if it never does in this many instructions.
UNTIL_LATER = """local function now() local time = redis.call('time') return time[1] * 1000000 + time[2] end
    local first = now()
    for i = 1, tonumber(ARGV[1]) do
        local passed = now() - first
        if passed >= 100000 then return passed end
    end
    return -1"""


@pytest.mark.ours
def test_time_stands_still_for_a_script_until_it_is_busy(quick):
    """So a script that waits for a moment comes to an end. Within one that takes no time it is always the same time."""
    with quick.connect() as client:
        assert client("EVAL", UNTIL_LATER, "0", "3e7").value >= 100_000
        client("CONFIG", "SET", "busy-reply-threshold", "0")
        assert client("EVAL", UNTIL_LATER, "0", "3e5").value == -1


@pytest.mark.ours
def test_script_kill_after_ends_scripts_that_only_read(quick):
    with quick.connect() as client:
        assert client("CONFIG", "SET", "script-kill-after", "100").value == b"OK"
        error = client("EVAL", LOOP, "0").value.decode()
        assert "Script ended as it took longer than script-kill-after allows" in error
        # What has written goes on.
        script = "redis.call('set', 'x', 1) local n = 0 for i = 1, 5e7 do n = n + 1 end return n"
        assert client("EVAL", script, "0").value == 50000000


@pytest.mark.ours
def test_script_memory_limit(quick):
    with quick.connect() as client:
        assert client("CONFIG", "SET", "script-memory-limit", "16mb").value == b"OK"
        for script in (
            "return string.rep('x', 20000000)",
            "local t = {} for i = 1, 1e9 do t[i] = i end",
            "local s = 'x' while true do s = s .. s end",
            "return cjson.encode({string.rep('x', 10000000), string.rep('y', 3000000)})",
        ):
            assert b"not enough memory" in client("EVAL", script, "0").value
        assert client("EVAL", "return #string.rep('x', 1000000)", "0").value == 1000000
        client("SETRANGE", "large", str(20 << 20), "x")
        assert b"not enough memory" in client("EVAL", "return redis.call('get', 'large')", "0").value
        assert client("EVAL", "return redis.call('strlen', 'large')", "0").value == (20 << 20) + 1


@pytest.mark.ours
def test_a_function_is_killed_as_a_function(quick):
    with quick.connect() as other:
        other("FUNCTION", "LOAD", "#!lua name=slow\nredis.register_function('loop', function() while true do end end)")
        with begin(quick, "FCALL", "loop", "0") as client:
            eventually(lambda: other("GET", "x").is_error)
            text = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
            assert other("GET", "x").value.decode() == text
            assert other("SCRIPT", "KILL").value.decode() == text
            running = other("FUNCTION", "STATS").as_pairs()[b"running_script"]
            assert running[:3] == [b"name", b"loop", b"command"] and running[3] == [b"FCALL", b"loop", b"0"]
            assert other("FUNCTION", "KILL").value == b"OK"
            assert client.read().is_error
            assert client("FUNCTION", "STATS").as_pairs()[b"running_script"] is None


@pytest.mark.ours
def test_a_library_that_does_not_come_to_an_end_is_not_loaded(quick):
    with quick.connect() as client:
        error = client("FUNCTION", "LOAD", "#!lua name=endless\nwhile true do end").value
        assert error == b"ERR Error registering functions: ERR FUNCTION LOAD timeout"
        assert client("FUNCTION", "LIST").value == []
