"""Scripts, where there is nothing to compare with, or more than one reply to look at."""
import hashlib
import os

import pytest


def digest(script):
    return hashlib.sha1(script.encode()).hexdigest()


@pytest.mark.ours
def test_scripts_of_eval_are_the_newest_500(server):
    with server.connect() as client:
        client("SCRIPT", "FLUSH")
        loaded = client("SCRIPT", "LOAD", "return 'loaded'").plain().decode()
        for number in range(600):
            assert client("EVAL", f"return {number}", "0").value == number
            # One that is used stays.
            assert client("EVAL", "return 0", "0").value == 0
        known = [reply.value for reply in client("SCRIPT", "EXISTS", *(digest(f"return {n}") for n in range(600))).value]
        assert known[0] == 1 and known[1:101] == [0] * 100 and known[101:] == [1] * 499
        assert client("SCRIPT", "EXISTS", loaded).value[0].value == 1


@pytest.mark.ours
def test_a_script_leaves_nothing_for_another(server):
    leaving = [
        "KEYS[1] = 'x' ARGV[1] = 'y' return 1",
        "cjson.encode_max_depth(1) cjson.decode_invalid_numbers(false) cjson.encode_sparse_array(true) return 1",
        "pcall(function() redis[1] = 1 end) return 1",
        "pcall(table.insert, redis, 1, 'x') pcall(table.insert, _G, 'x') pcall(rawset, string, 1, 'x') return 1",
        "pcall(function() getmetatable('').__index = {} end) return 1",
        "math.randomseed(5) return 1",
        "collectgarbage('stop') return 1",
        "redis.setresp(3) redis.call('select', 5) return 1",
    ]
    with server.connect() as client:
        for script in leaving:
            assert client("EVAL", script, "0").value == 1, script
            looking = """local t = {} for i = 1, 12 do t[i] = i end
                return {#KEYS, #ARGV, cjson.encode({{{{1}}}}), rawget(redis, 1) or 0, rawget(_G, 1) or 0, rawget(string, 1) or 0,
                    ('x'):upper(), tostring(cjson.decode('[nan]')[1] ~= nil), tostring(redis.call('get', 'absent'))}"""
            reply = [element.value for element in client("EVAL", looking, "0").value]
            assert reply == [0, 0, b"[[[[1]]]]", 0, 0, 0, b"X", b"true", b"false"], script
        numbers = {client("EVAL", "return math.random(1000000000)", "0").value for _ in range(5)}
        assert len(numbers) == 5


@pytest.mark.ours
def test_scripts_are_off_without_memory_for_writes(server):
    with server.connect() as client:
        client("SET", "k", "v")
        client("CONFIG", "SET", "maxmemory", "1")
        try:
            assert client("EVAL", "return redis.call('set', 'x', 1)", "0").value.startswith(
                b"OOM command not allowed when used memory > 'maxmemory'. script: ")
            assert client("EVAL", "return redis.call('get', 'k')", "0").value == b"v"
            assert client("EVAL", "#!lua\nreturn 1", "0").value == (
                b"OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'")
            assert client("EVAL", "#!lua flags=allow-oom\nreturn redis.call('set', 'x', 1)", "0").value == b"OK"
            assert client("EVAL", "#!lua flags=no-writes\nreturn redis.call('get', 'k')", "0").value == b"v"
            # What has begun to write goes on.
            assert client("EVAL", "redis.call('del', 'x') return redis.call('set', 'x', 1)", "0").value == b"OK"
        finally:
            client("CONFIG", "SET", "maxmemory", "0")


@pytest.mark.ours
def test_what_a_script_does_is_one_group_of_effects(server):
    with server.connect() as client:
        client("FLUSHALL")
        client("DEBUG", "EFFECTS", "START")
        client("EVAL", "redis.call('set', 'a', 1) redis.call('incr', 'a') redis.call('get', 'a') return 1", "0")
        client("EVAL", "return redis.call('get', 'a')", "0")
        client("EVAL", "redis.set_repl(redis.REPL_NONE) redis.call('set', 'hidden', 1) redis.set_repl(redis.REPL_ALL) return redis.call('del', 'a')", "0")
        log = [[word for word in request.plain()] for request in client("DEBUG", "EFFECTS", "LOG").value]
        client("DEBUG", "EFFECTS", "STOP")
    told = b" ".join(b" ".join(request) for request in log)
    assert told == b"MULTI SELECT 0 set a 1 incr a EXEC del a"


@pytest.mark.ours
def test_what_scripts_run_is_shown_to_monitors(server):
    with server.connect() as client, server.connect() as monitor:
        monitor("MONITOR")
        client("EVAL", "redis.call('set', KEYS[1], ARGV[1]) return redis.call('get', KEYS[1])", "1", "k", "v")
        lines = [monitor.read().value.split(b"] ", 1) for _ in range(3)]
        assert lines[0][1].startswith(b'"EVAL" ')
        assert [(line[0].split(b"[")[1], line[1]) for line in lines[1:]] == [(b"0 lua", b'"set" "k" "v"'), (b"0 lua", b'"get" "k"')]


@pytest.mark.ours
def test_libraries_come_back_from_a_dump(server, reference):
    code = "#!lua name=one\nredis.register_function{function_name='f', callback=function(keys, args) return args[1] end, flags={'no-writes'}}"
    with server.connect() as client, reference.connect() as other:
        for one in (client, other):
            one("FUNCTION", "FLUSH")
            one("FUNCTION", "LOAD", code)
        ours, theirs = client("FUNCTION", "DUMP").value, other("FUNCTION", "DUMP").value
        assert ours == theirs
        for one, payload in ((client, theirs), (other, ours)):
            assert one("FUNCTION", "RESTORE", payload).value == b"ERR Library one already exists"
            assert one("FUNCTION", "RESTORE", payload, "REPLACE").value == b"OK"
            assert one("FUNCTION", "RESTORE", payload, "FLUSH").value == b"OK"
            one("FUNCTION", "FLUSH")
            assert one("FUNCTION", "RESTORE", payload).value == b"OK"
            assert one("FCALL_RO", "f", "0", "x").value == b"x"
            damaged = payload[:5] + b"\xff" + payload[6:]
            assert one("FUNCTION", "RESTORE", damaged).value == b"ERR DUMP payload version or checksum are wrong"
            one("FUNCTION", "FLUSH")


@pytest.mark.ours
def test_without_the_interpreter(start, tmp_path):
    """The start says that scripts are off, and their replies what to install; all else works."""
    for name in ("liblua5.1.so.0", "liblua-5.1.so", "liblua5.1.so"):
        (tmp_path / name).write_bytes(b"")
    server = start(environment={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)})
    advice = "Scripts are off: install Lua 5.1 (Debian, Ubuntu: apt-get install liblua5.1-0; "
    assert server.log_path.read_text().count(f"# {advice}") == 1
    with server.connect() as client:
        for request in (["EVAL", "return 1", "0"], ["EVAL_RO", "return 1", "0"], ["SCRIPT", "LOAD", "return 1"],
                        ["FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)"]):
            assert client(*request).raw.startswith(f"-ERR {advice}".encode()), request
        assert client("EVALSHA", "0" * 40, "0").raw.startswith(b"-NOSCRIPT ")
        assert client("FCALL", "f", "0").raw == b"-ERR Function not found\r\n"
        assert client("SET", "k", "v").raw == b"+OK\r\n" and client("GET", "k").value == b"v"


@pytest.mark.ours
def test_with_the_interpreter_the_start_says_nothing_of_it(start):
    assert "Scripts are off" not in start().log_path.read_text()
