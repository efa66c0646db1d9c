"""MONITOR: what is shown of which request, in which order, and what a monitor may ask for: the same as redis-server."""
import re

import pytest

from support.cases import split
from support.resp import encode

# Each line is sent at once by one client while another is a monitor.
PIPELINES = [
    r'SET k "a\x00\xff\n\r\t\a\b\\\" b"; GET k',
    "GET k; SELECT 3; GET k; SELECT 0",
    "MULTI; SET x 1; INCR x; GET x; EXEC; GET x",
    "nosuch a; GET; CLIENT nosuch",
    "AUTH foo bar; AUTH foo; HELLO 2 AUTH default x SETNAME me; HELLO 2 SETNAME auth; HELLO 2",
    "CONFIG GET port; CLIENT LIST ID 1; DEBUG SLEEP 0; CLIENT NO-EVICT ON; CLIENT NO-EVICT OFF",
    "CLIENT SETNAME me; CLIENT GETNAME; PING; ECHO x; OBJECT ENCODING k; COMMAND COUNT",
    "MULTI; MONITOR; PING; EXEC",
    "BLPOP nolist 0.01; SET k v; BLPOP k 0; RPUSH list a b; BLPOP list 0; BRPOP list 0",
    "WATCH a; UNWATCH; DISCARD; MULTI; DISCARD; MULTI; SET a; EXEC",
    "CLIENT REPLY OFF; PING; CLIENT REPLY ON; CLIENT REPLY SKIP; PING; PING",
    "FLUSHDB; FLUSHALL; SWAPDB 0 1; DEL k; UNLINK k",
    "RESET; PING",
    "HELLO 2 SETNAME auth AUTH default x; HELLO 2 SETNAME auth SETNAME x; HELLO 2 nosuch AUTH default x",
    "MULTI; EXEC x; PING",
    # Values that are kept as they came, and one that is freed at once.
    "MSET k <a*100000> k <b*100000>; SET k <c*70000>; GET none",
]


def shown(raw, client, monitor):
    """The lines of monitors in what was received, times and ports left out."""
    text = re.sub(rb"\+\d{10}\.\d{6} \[", b"+TIME [", raw)
    for name, connection in ((b"CLIENT", client), (b"MONITOR", monitor)):
        text = text.replace(b"127.0.0.1:%d" % connection.socket.getsockname()[1], name)
    return text


def read_up_to(connection, end):
    raw = b""
    while not raw.endswith(end):
        raw += connection.read().raw
    return raw


def lines(server, pipeline, protocol):
    with server.connect() as control, server.connect(protocol=protocol) as monitor, server.connect() as client:
        control("FLUSHALL")
        assert monitor("MONITOR").raw == b"+OK\r\n"
        commands = [split(line.strip()) for line in pipeline.split(";")]
        client.send_raw(b"".join(encode(*command) for command in commands + [["ECHO", "over"]]))
        return shown(read_up_to(monitor, b'"ECHO" "over"\r\n'), client, monitor)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_what_is_shown(pipeline, protocol, server, reference):
    assert lines(server, pipeline, protocol) == lines(reference, pipeline, protocol)


def test_what_a_monitor_may_ask_for(server, reference):
    """Its own requests are shown behind their replies; data are not for it, until it is none any more."""
    def told(one):
        with one.connect() as monitor, one.connect() as other:
            pipeline = ["MONITOR", "PING", "GET k", "SET k v", "PFCOUNT k", "MONITOR", "nosuch", "MULTI", "PING", "EXEC",
                        "CLIENT SETNAME m", "CLIENT REPLY OFF", "PING", "CLIENT REPLY ON", "CLIENT REPLY SKIP", "PING", "PING", "ECHO over"]
            monitor.send_raw(b"".join(encode(*split(line)) for line in pipeline))
            found = [shown(read_up_to(monitor, b'"ECHO" "over"\r\n'), other, monitor)]
            found.append(re.search(rb"flags=(\w+)", other("CLIENT", "LIST", "ID", monitor_id(other)).plain())[1])
            found.append(shown(read_up_to(monitor, b'"GETNAME"\r\n') if other("CLIENT", "GETNAME") else b"", other, monitor))
            monitor.send("RESET")
            found.append(monitor.read().raw)
            found += [monitor("SET", "k", "v").raw, other("PING").raw, monitor("GET", "k").raw]
            return found
    assert told(server) == told(reference)


def monitor_id(control):
    return re.search(rb"id=(\d+) [^\n]* name=m ", control("CLIENT", "LIST").plain())[1]


def test_several_monitors_and_their_end(server, reference):
    def told(one):
        found = []
        with one.connect() as client:
            monitors = [one.connect(protocol=2 + number % 2) for number in range(5)]
            for monitor in monitors:
                monitor("MONITOR")
            for left in (4, 3, 2, 1, 0):
                client("SET", "k", str(left))
                for monitor in monitors:
                    found.append(shown(read_up_to(monitor, b'"SET" "k" "%d"\r\n' % left), client, monitor))
                if monitors:
                    monitors.pop().close()
                while client("CLIENT", "LIST").plain().count(b"flags=O") != left:
                    pass
                for monitor in monitors:
                    monitor.buffer.clear()
        return [line.replace(b"MONITOR", b"") for line in found]
    assert told(server) == told(reference)


@pytest.mark.ours
def test_a_monitor_that_does_not_read(server):
    """It is closed by the limit of its class; nobody else notices."""
    with server.connect() as control, server.connect(receive_buffer=4096) as monitor, server.connect() as client:
        control("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
        try:
            monitor("MONITOR")
            for _ in range(100):
                client.pipeline([("SET", "k", "v" * 1000)] * 100)
            while b"flags=O" in control("CLIENT", "LIST").plain():
                client("PING")
            assert client("GET", "k").plain() == b"v" * 1000
        finally:
            control("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")


@pytest.mark.ours
def test_each_password_is_hidden(server):
    # redis-server 7.0 hides the first pair only; 7.4 and later hide both.
    text = lines(server, "HELLO 2 AUTH a b AUTH default x", 2)
    assert b'"HELLO" "2" "AUTH" "(redacted)" "(redacted)" "AUTH" "(redacted)" "(redacted)"' in text


@pytest.mark.ours
@pytest.mark.parametrize("pipeline", ["MONITOR; PING; HELLO 3; ECHO over", "HELLO 3; MONITOR; PING; RESET; ECHO over",
                                      "MONITOR; MULTI; PING; HELLO 3; EXEC; ECHO over"])
def test_a_monitor_that_changes_its_protocol(pipeline, server):
    with server.connect() as monitor:
        monitor.send_raw(b"".join(encode(*split(line)) for line in pipeline.split(";")))
        text = read_up_to(monitor, b"$4\r\nover\r\n")
        assert b'"PING"' in text
    with server.connect() as client:
        assert client("PING").raw == b"+PONG\r\n"


def test_replies_that_a_monitor_skips(server, reference):
    """Until the command whose reply it leaves out, it is not shown what others do."""
    def told(one):
        with one.connect() as monitor, one.connect() as client:
            monitor.send_raw(encode("MONITOR") + encode("CLIENT", "REPLY", "SKIP"))
            monitor.read()
            client("CLIENT", "LIST")
            client("ECHO", "unseen")
            monitor.send_raw(encode("PING") + encode("ECHO", "over"))
            return shown(read_up_to(monitor, b'"ECHO" "over"\r\n'), client, monitor)
    assert told(server) == told(reference)


def test_a_monitor_runs_scripts_that_write_nothing(server, reference):
    for one in (server, reference):
        with one.connect() as monitor:
            assert monitor("MONITOR").raw == b"+OK\r\n"
            for script, answer in ((b"#!lua flags=no-writes\nreturn 1", b":1\r\n"),
                                   (b"return 1", b"-ERR Replica can't interact with the keyspace\r\n")):
                monitor.send("EVAL", script, 0)
                reply = monitor.read()
                while reply.raw.startswith(b"+"):
                    reply = monitor.read()
                assert reply.raw == answer
