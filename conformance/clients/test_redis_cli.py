"""redis-cli as people and scripts use it."""
import os
import pty
import re
import subprocess

import pytest

from support.resp import eventually

PASSWORD = "open sesame"


@pytest.fixture
def cli(server):
    def run(*arguments, stdin=b"", status=0, target=server, environment=None):
        result = subprocess.run(["redis-cli", "-h", target.host, "-p", str(target.port), *arguments], input=stdin, capture_output=True,
                                timeout=30, env=environment)
        assert result.returncode == status, result
        return result.stdout
    return run


def test_connect(cli):
    assert cli("PING") == b"PONG\n"
    assert cli("-3", "PING") == b"PONG\n"
    assert cli("-n", "3", "SET", "k", "v") == b"OK\n"
    assert cli("-n", "3", "GET", "k") == b"v\n"
    assert cli("GET", "k") == b"\n"
    assert cli("--no-raw", "GET", "k") == b"(nil)\n"
    assert cli("-r", "3", "INCR", "n") == b"1\n2\n3\n"
    assert b"redis_version:" in cli("INFO", "server")


def test_connect_with_a_password(cli, guarded):
    assert cli("PING", target=guarded) == b"NOAUTH Authentication required.\n\n"
    assert cli("-a", PASSWORD, "--no-auth-warning", "PING", target=guarded) == b"PONG\n"
    assert cli("--user", "default", "--pass", PASSWORD, "--no-auth-warning", "PING", target=guarded) == b"PONG\n"
    assert cli("PING", target=guarded, environment={"REDISCLI_AUTH": PASSWORD}) == b"PONG\n"
    refused = subprocess.run(["redis-cli", "-p", str(guarded.port), "-a", "wrong", "--no-auth-warning", "PING"], capture_output=True)
    assert refused.stderr == b"AUTH failed: WRONGPASS invalid username-password pair or user is disabled.\n"
    assert refused.stdout == b"NOAUTH Authentication required.\n\n"


def test_pipeline(cli):
    commands = b"".join(b"INCRBY n %d\n" % number for number in range(500))
    assert cli(stdin=commands) == b"".join(b"%d\n" % (number * (number + 1) // 2) for number in range(500))


def test_pipe_mode(cli, client):
    commands = b"".join(b"*3\r\n$3\r\nSET\r\n$%d\r\nk%d\r\n$1\r\nv\r\n" % (len(str(number)) + 1, number) for number in range(5000))
    answer = cli("--pipe", stdin=commands)
    assert b"errors: 0, replies: 5000" in answer
    assert client("DBSIZE").value == 5000
    answer = cli("--pipe", stdin=b"*2\r\n$4\r\nINCR\r\n$2\r\nk1\r\n*1\r\n$3\r\nGET\r\n", status=1)
    assert b"errors: 2, replies: 2" in answer


def test_transaction(cli):
    assert cli("--no-raw", stdin=b"MULTI\nSET a 1\nINCR a\nHSET h f v\nHGETALL h\nEXEC\n") == (
        b'OK\nQUEUED\nQUEUED\nQUEUED\nQUEUED\n1) OK\n2) (integer) 2\n3) (integer) 1\n4) 1) "f"\n   2) "v"\n')
    assert cli("--no-raw", stdin=b"MULTI\nSET a 5\nDISCARD\nGET a\n") == b'OK\nQUEUED\nOK\n"2"\n'


def test_binary(cli, client):
    everything = bytes(range(256))
    assert cli("-x", "SET", "k", stdin=everything) == b"OK\n"
    assert client("GET", "k").value == everything
    assert cli("--raw", "GET", "k") == everything + b"\n"
    assert cli("--no-raw", stdin=b'SET "\\x00\\n" "\\xff\\"q"\nGET "\\x00\\n"\n') == b'OK\n"\\xff\\"q"\n'


def test_formats(cli):
    cli("HSET", "h", "f", "v", "g", "w")
    assert cli("--csv", "HGETALL", "h") == b'"f","v","g","w"\n'
    assert cli("-3", "--no-raw", "HGETALL", "h") == b'1# "f" => "v"\n2# "g" => "w"\n'
    assert cli("-3", "--json", "HGETALL", "h") == b'{"f":"v","g":"w"}\n'
    assert cli("--no-raw", "HMGET", "h", "f", "absent") == b'1) "v"\n2) (nil)\n'


def test_errors(cli):
    cli("HSET", "h", "f", "v")
    assert cli("GET", "h").startswith(b"WRONGTYPE ")
    assert cli("-e", "NOSUCH", status=1) == b""
    assert cli("GET") == b"ERR wrong number of arguments for 'get' command\n\n"
    assert cli(stdin=b"NOSUCH\nPING\n").endswith(b"PONG\n")


def test_scan_mode(cli, client):
    client.pipeline([["SET", f"key:{number}", "v"] for number in range(300)])
    assert sorted(cli("--scan").split()) == sorted(b"key:%d" % number for number in range(300))
    assert sorted(cli("--scan", "--pattern", "key:29*").split()) == sorted(
        [b"key:29"] + [b"key:%d" % number for number in range(290, 300)])


def test_bigkeys_mode(cli, client):
    client("SET", "s", "x" * 1000)
    client("HSET", "h", "f", "v", "g", "w")
    report = cli("--bigkeys")
    assert b'Biggest string found "s" has 1000 bytes' in report.replace(b'found \'"s"\'', b'found "s"')
    assert b"2 fields" in report


def test_latency_mode(cli):
    smallest, largest, mean, count = cli("--latency", "--raw", "-i", "1").split()
    assert int(smallest) <= float(mean) <= int(largest) and int(count) > 20


def test_stat_mode(server, client):
    client("SET", "k", "v")
    terminal, inner = pty.openpty()
    process = subprocess.Popen(["redis-cli", "-h", server.host, "-p", str(server.port), "--stat", "-i", "0.05"], stdout=inner)
    os.close(inner)
    try:
        output = b""
        while output.count(b"\n") < 4:
            output += os.read(terminal, 4096)
    finally:
        process.terminate()
        process.wait()
        os.close(terminal)
    assert b"keys" in output.splitlines()[0] + output.splitlines()[1]
    assert output.splitlines()[2].split()[0] == b"1"


def filled(client):
    client("RPUSH", "list:1", *range(50))
    client("HSET", "hash:1", *range(40))
    for number in range(10):
        client("SET", f"str:{number}", "x" * (number + 3))


@pytest.fixture
def streamed(server):
    """Starts a tool that goes on until it is ended. No client of it is left behind."""
    processes = []

    def start(*arguments):
        processes.append(subprocess.Popen(["stdbuf", "-oL", "redis-cli", "-h", server.host, "-p", str(server.port), *arguments],
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        return processes[-1]
    with server.connect() as control:
        def clients():
            return control("CLIENT", "LIST").plain().count(b"\n")
        before = clients()
        yield start
        for process in processes:
            process.kill()
            process.communicate()
        assert eventually(lambda: clients() <= before)


def lines_until(process, pattern):
    """The lines that it prints, up to one like that."""
    found = []
    for line in process.stdout:
        found.append(line.decode(errors="replace").rstrip("\n"))
        if re.search(pattern, found[-1]):
            return found
    raise AssertionError(f"{pattern} is not in {found}")


def test_memory_of_keys(cli, client):
    filled(client)
    told = cli("--memkeys").decode()
    assert "Sampled 12 keys in the keyspace!" in told
    assert re.search(r"Biggest   list found '\"list:1\"' has \d+ bytes", told)


def test_hot_keys_need_frequencies(cli, client, server):
    filled(client)
    refused = subprocess.run(["redis-cli", "-p", str(server.port), "--hotkeys"], capture_output=True, timeout=30)
    assert refused.returncode == 1
    assert b"An LFU maxmemory policy is not selected, access frequency not tracked." in refused.stderr + refused.stdout
    client("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    try:
        for _ in range(300):
            client("GET", "str:7")
        assert re.search(rb"hot key found with counter: \d+\tkeyname: \"str:7\"", cli("--hotkeys"))
    finally:
        client("CONFIG", "SET", "maxmemory-policy", "noeviction")


def test_latency_tools(streamed):
    lines_until(streamed("--latency-history", "-i", "1"), r"^\d+ \d+ [\d.]+ \d+$")
    lines_until(streamed("--latency-dist", "-i", "1"), r"A,B,C,D,E        10,20,30,40,50  milliseconds")


def test_script_from_a_file(cli, client, tmp_path):
    filled(client)
    script = tmp_path / "s.lua"
    script.write_text("return {KEYS, ARGV, redis.call('get', KEYS[1])}")
    assert cli("--eval", str(script), "str:0", "k2", ",", "a", "b c", "7") == b"str:0\nk2\na\nb c\n7\nxxx\n"


@pytest.mark.ours
def test_the_debugger_is_refused(cli, client, tmp_path):
    script = tmp_path / "s.lua"
    script.write_text("return redis.call('incr', KEYS[1])")
    told = cli("--ldb", "--eval", str(script), "n", stdin=b"quit\n")
    assert b"SCRIPT DEBUG is not supported" in told
    assert client("GET", "n").is_null


def test_monitor(streamed, client):
    process = streamed("MONITOR")
    assert process.stdout.readline() == b"OK\n"
    client("EVAL", "return redis.call('set', KEYS[1], ARGV[1])", "1", "k", "x y")
    lines_until(process, r'^\d+\.\d{6} \[0 lua\] "set" "k" "x y"$')


def test_subscribers(streamed, client):
    process = streamed("--csv", "subscribe", "c")
    lines_until(process, r'^"subscribe","c",1$')
    client("PUBLISH", "c", "hi")
    lines_until(process, r'^"message","c","hi"$')


def test_no_cluster(cli, server):
    address = f"{server.host}:{server.port}"
    assert f"[ERR] Node {address} is not configured as a cluster node." in cli("--cluster", "check", address, status=1).decode()


def test_benchmark(server):
    def run(*arguments):
        return subprocess.run(["redis-benchmark", "-h", server.host, "-p", str(server.port), *arguments], capture_output=True, text=True,
                              timeout=120)
    result = run("-n", "2000", "-c", "10", "--csv")
    names = [line.split(",")[0].strip('"') for line in result.stdout.splitlines()]
    assert result.returncode == 0 and names == [
        "test", "PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP", "SADD", "HSET", "SPOP", "ZADD", "ZPOPMIN",
        "LPUSH (needed to benchmark LRANGE)", "LRANGE_100 (first 100 elements)", "LRANGE_300 (first 300 elements)",
        "LRANGE_500 (first 500 elements)", "LRANGE_600 (first 600 elements)", "MSET (10 keys)"]
    assert run("-n", "2000", "--threads", "3", "-q").stdout.count("requests per second") == 20
    assert "Error from server: ERR wrong number of arguments for 'lpush' command" in (lambda r: r.stdout + r.stderr)(run("-q", "lpush", "p1"))
