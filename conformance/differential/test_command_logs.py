"""SLOWLOG and COMMANDLOG: which commands are logged with which words and sizes: the same as the peer's. Times are not compared."""
import pytest

from support.cases import split
from support.resp import encode

LARGE = "v" * 2000


def entries(control, *command):
    """The entries of a log, the newest first: number, value, words, and who asked."""
    found = []
    for number, time, value, words, address, name in control(*command).plain():
        assert time > 1_600_000_000 and value >= 0
        found.append((number, value, words, address, name))
    return found


def logged(server, lines, protocol=2):
    """What SLOWLOG tells after some commands of one client, all of which count as slow."""
    with server.connect(protocol=protocol) as control, server.connect() as client:
        control("CONFIG", "SET", "slowlog-log-slower-than", "-1")
        control("SLOWLOG", "RESET")
        control("CONFIG", "SET", "slowlog-log-slower-than", "0")
        own = control.socket.getsockname()[1]
        for line in lines:
            client.send(*split(line))
        client.send("ECHO", "over")
        while client.read().raw != b"$4\r\nover\r\n":
            pass
        control("CONFIG", "SET", "slowlog-log-slower-than", "-1")
        found = entries(control, "SLOWLOG", "GET", "-1")
        assert [number for number, *_ in found] == list(range(found[0][0], found[0][0] - len(found), -1))
        port = client.socket.getsockname()[1]
        result = []
        for _, _, words, address, name in found:
            if address == f"127.0.0.1:{own}".encode():
                continue
            assert address == f"127.0.0.1:{port}".encode()
            result.append((words, name))
        control("CONFIG", "SET", "slowlog-log-slower-than", "10000")
        control("SLOWLOG", "RESET")
        return result


SEQUENCES = {
    "commands": "SET k v; get k; CLIENT SETNAME me; GET k; PING; NOSUCH; GET; LPUSH k 1",
    "long words": "SET k <a*128>; SET k <a*129>; SET k <b*100000>; SET <k*200> v",
    "large words that are kept and freed": "MSET k <a*100000> k <b*100000>; SET k <c*70000> PXAT 1; APPEND k <d*70000>",
    "many words": "DEL " + " ".join(map(str, range(30))) + "; DEL " + " ".join(map(str, range(31))) + "; DEL " + " ".join(map(str, range(32)))
                  + "; DEL " + " ".join(map(str, range(100))),
    "a transaction": "MULTI; SET k v; GET k; EXEC; MULTI; GET; EXEC; MULTI; DISCARD; WATCH k; UNWATCH",
    "secrets": "AUTH secret; AUTH user secret; HELLO 2 AUTH default secret SETNAME me; CONFIG SET masterauth secret; "
               "CONFIG SET timeout 0 masterauth secret MASTERUSER secret; CONFIG SET masterauth '' masteruser ''",
    "containers": "OBJECT ENCODING k; OBJECT NOSUCH; CONFIG GET timeout; CLIENT ID; COMMAND COUNT",
    "replies left out": "CLIENT REPLY OFF; SET k v; CLIENT REPLY ON; CLIENT REPLY SKIP; GET k",
    "binary words": r'SET "\x00\xff\r\n" "\xc3\x28"',
}


# What has waited is logged since 7.2 when its wait ends.
WAITS = "BLPOP nokey 0.01; RPUSH list a b; BLPOP list 0; BLMOVE list other LEFT RIGHT 0; MULTI; BLPOP nokey 1; EXEC; WAIT 1 10; BLMPOP 0.01 1 none LEFT"


@pytest.mark.ours
def test_commands_that_wait(server, newer_redis):
    lines = WAITS.split("; ")
    assert logged(server, lines) == logged(newer_redis, lines)


@pytest.mark.parametrize("name", SEQUENCES)
def test_slow_commands(name, server, reference):
    lines = [line.strip() for line in SEQUENCES[name].split("; ")]
    assert logged(server, lines) == logged(reference, lines)


def test_the_form_of_an_entry(server, reference):
    for protocol in (2, 3):
        forms = []
        for one in (server, reference):
            with one.connect(protocol=protocol) as client:
                client("CONFIG", "SET", "slowlog-log-slower-than", "0")
                client("PING")
                reply = client("SLOWLOG", "GET", "1")
                client("CONFIG", "SET", "slowlog-log-slower-than", "10000")
                forms.append((reply.kind, [part.kind for part in reply.value[0].value], [word.kind for word in reply.value[0].value[3].value]))
        assert forms[0] == forms[1]


def test_how_long_and_how_many(server, reference):
    """Durations are microseconds; the log keeps the newest; its setting shortens it at once."""
    for one in (reference, server):
        with one.connect() as client:
            client("SLOWLOG", "RESET")
            client("CONFIG", "SET", "slowlog-log-slower-than", "20000")
            client("DEBUG", "SLEEP", "0.03")
            client("PING")
            (number, value, words, _, _), = entries(client, "SLOWLOG", "GET")
            assert words == [b"DEBUG", b"SLEEP", b"0.03"] and 30_000 <= value < 3_000_000
            client("CONFIG", "SET", "slowlog-log-slower-than", "0")
            for index in range(20):
                client("ECHO", str(index))
            client("CONFIG", "SET", "slowlog-max-len", "5")
            assert client("SLOWLOG", "LEN").value == 5
            assert len(entries(client, "SLOWLOG", "GET", "3")) == 3
            found = entries(client, "SLOWLOG", "GET", "100")
            assert len(found) == 5 and found[-1][0] > number
            client("CONFIG", "SET", "slowlog-max-len", "0")
            assert client("SLOWLOG", "LEN").value == 0
            client("CONFIG", "SET", "slowlog-max-len", "128", "slowlog-log-slower-than", "10000")
            client("SLOWLOG", "RESET")
            assert client("SLOWLOG", "GET").value == []


@pytest.mark.ours
def test_only_the_own_time_counts(server, newer_redis):
    """A wait counts as slow by what its command did, not by how long it waited; a transaction by each of its commands."""
    for one in (newer_redis, server):
        with one.connect() as client:
            client("SLOWLOG", "RESET")
            client("CONFIG", "SET", "slowlog-log-slower-than", "50000")
            client("BLPOP", "nokey", "0.1")
            client("MULTI")
            client("DEBUG", "SLEEP", "0.06")
            client("PING")
            client("EXEC")
            found = [words for _, _, words, _, _ in entries(client, "SLOWLOG", "GET", "-1")]
            client("CONFIG", "SET", "slowlog-log-slower-than", "10000")
            assert found == [[b"DEBUG", b"SLEEP", b"0.06"]]


def sizes(server, kind, lines, threshold):
    """What COMMANDLOG tells of the sizes of requests or replies after some commands."""
    setting = "commandlog-request-larger-than" if kind == "large-request" else "commandlog-reply-larger-than"
    with server.connect() as control, server.connect() as client:
        control("FLUSHALL")
        control("COMMANDLOG", "RESET", kind)
        control("CONFIG", "SET", setting, str(threshold))
        client.send_raw(b"".join(encode(*split(line)) for line in lines) + encode("ECHO", "over"))
        raw = b""
        while not raw.endswith(b"$4\r\nover\r\n"):
            raw += client.read().raw
        control("CONFIG", "SET", setting, "-1")
        port = b"127.0.0.1:%d" % client.socket.getsockname()[1]
        found = [(value, words, name) for _, value, words, address, name in entries(control, "COMMANDLOG", "GET", "-1", kind)
                 if address == port]
        control("CONFIG", "SET", setting, str(1 << 20))
        control("COMMANDLOG", "RESET", kind)
        return found


SIZED = {
    "small ones": "SET k v; GET k; MGET k k k; ECHO x; CLIENT SETNAME me; GET k; CLIENT GETNAME; STRLEN k",
    "larger ones": "SET k <a*1000>; GET k; GETRANGE k 0 99; SETRANGE k 5 <b*70000>; GET k; APPEND k <c*200000>; GET k; MGET k k; PING",
    "very large ones": "SET k <a*1500000>; GET k; SETRANGE k 3000000 x; GET k; ECHO <b*1100000>; RPUSH l <c*600000> <d*600000>; LRANGE l 0 -1",
    "refused ones": "SET k <a*3000> NOSUCH; NOSUCH <b*3000>; GET k <c*3000>; LPUSH k <d*3000>; SET k v; LPUSH k <d*3000>",
}


@pytest.mark.ours
@pytest.mark.parametrize("threshold", [0, 100, 1 << 16, 1 << 18, 1 << 20])
@pytest.mark.parametrize("kind", ["large-request", "large-reply"])
@pytest.mark.parametrize("name", SIZED)
def test_sizes(name, kind, threshold, server, valkey):
    lines = [line.strip() for line in SIZED[name].split("; ")]
    assert sizes(server, kind, lines, threshold) == sizes(valkey, kind, lines, threshold)


@pytest.mark.ours
def test_sizes_within_a_transaction(server):
    """Each command counts by itself. (Valkey counts each with the replies of those before it, and with the request of EXEC.)"""
    lines = ["MULTI", "SET k <a*2000>", "GET k", "PING", "EXEC", "MULTI", "SET k <a*2000000>", "GET k", "MGET k k", "EXEC"]
    requests = sizes(server, "large-request", lines, 1000)
    assert [(value, words[0]) for value, words, _ in requests] == [(2_000_032, b"SET"), (2029, b"SET")]
    replies = sizes(server, "large-reply", lines, 1000)
    assert [(value, words[0]) for value, words, _ in replies] == [(4_000_028, b"MGET"), (2_000_012, b"GET"), (2009, b"GET")]


@pytest.mark.ours
@pytest.mark.parametrize("kind, threshold", [("large-request", "commandlog-request-larger-than"), ("large-reply", "commandlog-reply-larger-than")])
def test_logs_of_sizes_are_kept_short(kind, threshold, server, valkey):
    for one in (valkey, server):
        with one.connect() as client:
            client("COMMANDLOG", "RESET", kind)
            client("CONFIG", "SET", threshold, "1000", f"commandlog-{kind}-max-len", "3")
            for index in range(5):
                client("ECHO", LARGE + str(index))
            assert client("COMMANDLOG", "LEN", kind).value == 3
            newest = entries(client, "COMMANDLOG", "GET", "1", kind)[0]
            assert newest[2] == [b"ECHO", b"v" * 128 + b"... (1873 more bytes)"]
            client("CONFIG", "SET", threshold, "1048576", f"commandlog-{kind}-max-len", "128")
            client("COMMANDLOG", "RESET", kind)


@pytest.mark.ours
def test_slowlog_is_one_of_the_command_logs(server, valkey):
    for one in (valkey, server):
        with one.connect() as client:
            client("SLOWLOG", "RESET")
            client("CONFIG", "SET", "commandlog-execution-slower-than", "0")
            client("ECHO", "x")
            client("CONFIG", "SET", "slowlog-log-slower-than", "-1")
            assert client("SLOWLOG", "GET", "1").raw == client("COMMANDLOG", "GET", "1", "slow").raw
            assert client("SLOWLOG", "LEN").value == client("COMMANDLOG", "LEN", "slow").value == 2
            client("COMMANDLOG", "RESET", "slow")
            assert client("SLOWLOG", "LEN").value == 0
            client("CONFIG", "SET", "slowlog-log-slower-than", "10000")


@pytest.mark.ours
def test_large_replies_are_noticed_below_an_output_limit(start):
    """Where the limit is to see all replies of a pipeline, long ones are not sent at once."""
    server = start("--client-output-buffer-limit", "normal 10000000 0 0", "--commandlog-reply-larger-than", "1000000")
    with server.connect() as client:
        client("RPUSH", "list", *["v" * 1000] * 2000)
        for _ in range(2):
            assert len(client("LRANGE", "list", 0, -1).plain()) == 2000
        found = client("COMMANDLOG", "GET", -1, "large-reply").plain()
        assert [words for _, _, _, words, _, _ in found] == [[b"LRANGE", b"list", b"0", b"-1"]] * 2
