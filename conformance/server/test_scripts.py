"""Scripts, where there is nothing to compare with, or more than one reply to look at."""
import hashlib
import os

import pytest

from support.resp import eventually


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
                b"OOM command not allowed when used memory > 'maxmemory'.")
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
@pytest.mark.parametrize("kind", ["script", "function"])
def test_memory_that_one_has_used_up_is_there_for_the_next(kind, start):
    server = start("--script-memory-limit", "64mb")
    filling = "local t = {} while true do t = {t} end"
    with server.connect() as client:
        if kind == "script":
            run, fill = ["EVAL", "local t = {1, 2, 3} return #t", "0"], ["EVAL", filling, "0"]
        else:
            client("FUNCTION", "LOAD", "#!lua name=l\nlocal runs = 0\nredis.register_function('f', function() " + filling + " end) "
                   "redis.register_function('g', function() runs = runs + 1 return 3 end)")
            run, fill = ["FCALL", "g", "0"], ["FCALL", "f", "0"]
        for _ in range(3):
            assert b"not enough memory" in client(*fill).value
            for _ in range(3):
                assert client(*run).value == 3
        digest = client("SCRIPT", "LOAD", "#!lua\nreturn 7").plain()
        assert eventually(lambda: memory(client)["used_memory_vm_total"] < 1 << 20)
        # Compiled anew, if the interpreter was.
        assert client("EVALSHA", digest, "0").value == 7 and client("SCRIPT", "EXISTS", digest).plain() == [1]


def memory(client):
    lines = client("INFO", "memory").plain().decode().splitlines()
    return {name: int(value) for name, _, value in (line.partition(":") for line in lines) if value.isdigit()}


@pytest.mark.ours
def test_figures_of_scripts_move(start):
    with start().connect() as client:
        names = ["used_memory_lua", "used_memory_vm_eval", "used_memory_scripts_eval", "number_of_cached_scripts", "used_memory_vm_functions",
                 "used_memory_vm_total", "used_memory_functions", "used_memory_scripts", "number_of_functions", "number_of_libraries"]
        assert [memory(client)[name] for name in names] == [0] * 10
        before = memory(client)["used_memory"]
        client("EVAL", "return 1", "0")
        client("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)")
        found = memory(client)
        assert all(found[name] > 0 for name in names)
        assert (found["number_of_cached_scripts"], found["number_of_functions"], found["number_of_libraries"]) == (1, 1, 1)
        assert found["used_memory"] >= before + found["used_memory_vm_total"] + found["used_memory_scripts"]
        numbers = client("MEMORY", "STATS").plain()
        numbers = dict(zip(numbers[::2], numbers[1::2]))
        assert numbers[b"lua.caches"] == found["used_memory_scripts_eval"] + found["used_memory_vm_eval"]
        assert numbers[b"functions.caches"] == found["used_memory_functions"] + found["used_memory_vm_functions"]
        for number in range(600):
            client("EVAL", f"return {number}", "0")
        assert b"\r\nevicted_scripts:100\r\n" in client("INFO", "stats").plain()
        client("SCRIPT", "FLUSH")
        client("FUNCTION", "FLUSH")
        assert [memory(client)[name] for name in names] == [0] * 10


@pytest.mark.ours
@pytest.mark.parametrize("first", ["SCRIPT", "EVAL"])
def test_what_script_load_brought_is_never_evicted(start, first):
    """Whether EVAL brought it before or not, and also within a transaction. Redis 8 evicts what EVAL brought first; Valkey does not."""
    text = "return 'kept'"
    for isQueued in (False, True):
        with start().connect() as client:
            if first == "EVAL":
                client("EVAL", text, 0)
            if isQueued:
                client("MULTI")
            client("SCRIPT", "LOAD", text)
            if isQueued:
                client("EXEC")
            for number in range(1100):
                client("EVAL", f"return {number}", 0)
            assert client("EVALSHA", hashlib.sha1(text.encode()).hexdigest(), 0).value == b"kept"


@pytest.mark.ours
def test_what_scripts_run_is_looked_at(start):
    """As any other command: its time, its histogram, and the size of its reply."""
    with start().connect() as client:
        client("CLIENT", "SETNAME", "bob")
        client("CONFIG", "SET", "slowlog-log-slower-than", 0, "commandlog-reply-larger-than", 100)
        for kind in ("slow", "large-reply"):
            client("COMMANDLOG", "RESET", kind)
        client("EVAL", "redis.call('set', KEYS[1], string.rep('x', 200)) return #redis.call('get', KEYS[1])", "1", "k")
        client("CONFIG", "SET", "slowlog-log-slower-than", -1)
        logged = [(entry[3][0], entry[5]) for entry in client("SLOWLOG", "GET", -1).plain()]
        assert [name for name, _ in logged][-5:-2] == [b"EVAL", b"get", b"set"] and logged[-3] == (b"set", b"bob")
        assert [entry[3] for entry in client("COMMANDLOG", "GET", -1, "large-reply").plain()][1:] == [[b"get", b"k"]]
        assert client("LATENCY", "HISTOGRAM", "get", "set").plain()[::2] == [b"get", b"set"]
        assert client("CLIENT", "INFO").plain().split()[-1] == b"tot-cmds=11"


@pytest.mark.ours
def test_no_debugger_no_script(server):
    """redis-cli --ldb does not look at the reply of SCRIPT DEBUG: its script must not run all the same."""
    with server.connect() as client:
        client("DEL", "n")
        for mode in ("YES", "SYNC"):
            refusal = client("SCRIPT", "DEBUG", mode).raw
            assert refusal.startswith(b"-ERR SCRIPT DEBUG is not supported")
            assert client("EVAL", "return redis.call('incr', KEYS[1])", "1", "n").raw == refusal
        assert client("SCRIPT", "DEBUG", "NO").raw == b"+OK\r\n"
        assert client("EVAL", "return redis.call('incr', KEYS[1])", "1", "n").value == 1


@pytest.mark.ours
@pytest.mark.parametrize("protocol", [2, 3])
def test_what_a_script_publishes_is_bounded(protocol, start):
    server = start("--client-output-buffer-limit", "pubsub 1mb 0 0")
    with server.connect() as client, server.connect(protocol) as slow, server.connect(protocol) as reader:
        slow("SUBSCRIBE", "c")
        reader("SUBSCRIBE", "c")
        script = "local x = string.rep('x', 10000) for i = 1, 5000 do redis.call('publish', 'c', x) end return 1"
        assert client("EVAL", script, "0").value == 1
        assert b"\r\nclient_output_buffer_limit_disconnections:2\r\n" in client("INFO", "stats").plain()
        assert server.peak_bytes() < 60 << 20
    if protocol == 3:
        with server.connect(3) as own:
            own("SUBSCRIBE", "c")
            own.send("EVAL", script, "0")
            with pytest.raises(Exception):
                while True:
                    own.read()
            assert server.peak_bytes() < 60 << 20


@pytest.mark.ours
@pytest.mark.parametrize("command", [
    "'SCRIPT', 'FLUSH'", "'SCRIPT', 'LOAD', 'return 1'", "'FUNCTION', 'FLUSH'", "'EVAL', 'return 2', 0", "'FCALL', 'f', 0",
    "'FUNCTION', 'LOAD', 'REPLACE', '#!lua name=lib\\nredis.register_function(\"f\", function() return 3 end)'"])
def test_no_script_has_a_hand_in_scripts(command, start):
    """Not even where DEBUG allows all commands: its interpreter is at work."""
    library = f"#!lua name=lib\nredis.register_function('f', function() return redis.call({command}) end)"
    with start("--enable-debug-command", "yes").connect() as client:
        client("DEBUG", "SET-DISABLE-DENY-SCRIPTS", "1")
        assert client("FUNCTION", "LOAD", library).value == b"lib"
        for request in (("EVAL", f"return redis.call({command})", "0"), ("FCALL", "f", "0")):
            assert b"This Redis command is not allowed from script" in client(*request).value
        assert client("EVAL", "return redis.call('CLIENT', 'ID')", "0").value == client("CLIENT", "ID").value


def without_interpreter(folder):
    """An environment in which no Lua is found, but files in a folder that are none."""
    for name in ("liblua5.1.so.0", "liblua-5.1.so", "liblua5.1.so"):
        (folder / name).write_bytes(b"")
    return {**os.environ, "LD_LIBRARY_PATH": str(folder)}


@pytest.mark.ours
def test_without_the_interpreter(start, tmp_path):
    """The start says that scripts are off, and their replies what to install; all else works."""
    server = start(environment=without_interpreter(tmp_path))
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
@pytest.mark.parametrize("kept_in", ["snapshot", "base", "increment"])
def test_functions_are_not_lost_without_the_interpreter(kept_in, start, tmp_path):
    """The server does not start, says what to install, and leaves the files as they are."""
    data = tmp_path / "data"
    data.mkdir()
    flags = ["--dir", str(data), "--appendonly", "no" if kept_in == "snapshot" else "yes"]
    server = start(*flags, test_flags=False)
    with server.connect() as client:
        client("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 7 end)")
        if kept_in == "snapshot":
            client("SAVE")
        elif kept_in == "base":
            client("BGREWRITEAOF")
            eventually(lambda: b"aof_rewrite_in_progress:0" in client("INFO", "persistence").plain())
    server.stop()
    files = {path: path.read_bytes() for path in data.rglob("*.*") if path.suffix in (".rdb", ".aof", ".manifest")}
    assert files
    refused = start(*flags, environment=without_interpreter(tmp_path), ready=False, test_flags=False)
    refused.exit_expected = True
    assert refused.process.wait(20) == 1
    log = refused.log_path.read_text()
    assert "Scripts are off: install Lua 5.1 (Debian, Ubuntu: apt-get install liblua5.1-0; " in log, log
    assert "redis-check" not in log, log
    assert files == {path: path.read_bytes() for path in files}
    with start(*flags, test_flags=False).connect() as client:
        assert client("FCALL", "f", "0").value == 7


@pytest.mark.ours
def test_with_the_interpreter_the_start_says_nothing_of_it(start):
    assert "Scripts are off" not in start().log_path.read_text()
