"""`client-query-buffer-limit` and what a client may send before it has authenticated: what is beyond closes the connection without a word,
what is within is executed, and the memory of a crowd that sends and never ends a request is bounded."""
import threading

import pytest

from support.crowd import abort, exchange, send_pieces, send_what_fits, wait_until_alone
from support.resp import Closed, encode, eventually

MEGABYTE = 1 << 20
MEGABYTES = b"v" * MEGABYTE


@pytest.fixture
def limited(start):
    return start("--client-query-buffer-limit", "20mb")


def outcome(server, data, replies=1):
    """What the first replies are, or that the connection is closed without any."""
    with server.connect(timeout=60) as connection:
        sent = send_pieces(connection, [data[at:at + MEGABYTE] for at in range(0, len(data), MEGABYTE)])
        try:
            return [connection.read().raw for _ in range(replies)] if sent else "closed"
        except (Closed, ConnectionResetError):
            return "closed"


def test_many_arguments_may_be_more_together(limited):
    """The limit is for what has been received and not understood yet; arguments that are whole do not count."""
    arguments = [part for number in range(30) for part in (f"k{number}", MEGABYTES)]
    assert outcome(limited, encode("MSET", *arguments)) == [b"+OK\r\n"]
    assert outcome(limited, encode("RPUSH", "l", *[b"e" * 100_000] * 400)) == [b":400\r\n"]
    assert outcome(limited, encode("RPUSH", "m", *[b"e" * 10] * 500_000)) == [b":500000\r\n"]


def test_one_argument_beyond_closes(limited):
    limited.forget_peak()
    before = limited.resident_bytes()
    assert outcome(limited, encode("SET", "k", b"v" * (50 * MEGABYTE))) == "closed"
    assert outcome(limited, encode("SET", "k", b"v" * (21 * MEGABYTE))) == "closed"
    assert outcome(limited, encode("ECHO", b"v" * (19 * MEGABYTE)))[0].startswith(b"$19922944\r\nvvv")
    # Behind others in a pipeline, and as a later argument.
    assert outcome(limited, encode("PING") + encode("SET", "k", b"v" * (50 * MEGABYTE)), replies=2) == "closed"
    assert outcome(limited, encode("MSET", "a", MEGABYTES, "b", b"v" * (50 * MEGABYTE))) == "closed"
    assert limited.peak_bytes() - before < 120 * MEGABYTE
    with limited.connect() as client:
        assert client("DBSIZE").value == 0
        assert client("PING").value == b"PONG"


def test_an_argument_that_is_announced_and_never_whole(limited):
    """The first half of one that is too large need not be refused, but not more than the limit is kept."""
    limited.forget_peak()
    before = limited.resident_bytes()
    with limited.connect() as client:
        crowd = []
        for _ in range(5):
            connection = limited.connect()
            crowd.append(connection)
            send_pieces(connection, [b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\n" + b"v" * 30 * MEGABYTE])
        assert eventually(lambda: b"connected_clients:1\r\n" in client("INFO", "clients").plain())
        assert limited.peak_bytes() - before < 250 * MEGABYTE
        for connection in crowd:
            connection.close()


def test_a_long_pipeline_is_no_large_query(limited):
    data = encode("INCR", "n") * 1_000_000     # 26 MB, each of it understood when it arrives
    with limited.connect(timeout=120) as connection:
        sender = threading.Thread(target=connection.send_raw, args=(data,))
        sender.start()
        exchange(connection, [], b"".join(b":%d\r\n" % number for number in range(1, 1_000_001)))
        sender.join()
        assert connection("GET", "n").value == b"1000000"


@pytest.mark.parametrize("kind", ["wait", "pause"])
def test_what_is_sent_behind_a_wait_counts(kind, start):
    """A client that waits is read on, so that its end is seen; it may not send more than the limit meanwhile."""
    server = start("--client-query-buffer-limit", "2mb")
    with server.connect() as client:
        before = server.resident_bytes()
        if kind == "pause":
            client("CLIENT", "PAUSE", "600000", "WRITE")
        crowd = []
        for _ in range(10):
            connection = server.connect()
            connection.send(*(("BLPOP", "queue", "0") if kind == "wait" else ("SET", "forbidden", "v")))
            assert eventually(lambda: client("PING").value == b"PONG")
            send_pieces(connection, [encode("SET", "forbidden", b"v" * 1000) * 8000])
            crowd.append(connection)
        assert eventually(lambda: b"connected_clients:1\r\n" in client("INFO", "clients").plain())
        client("CLIENT", "UNPAUSE")
        assert client("RPUSH", "queue", "e").value == 1 and client("LLEN", "queue").value == 1
        assert client("DBSIZE").value == 1
        assert eventually(lambda: server.resident_bytes() - before < 60 * MEGABYTE)
        for connection in crowd:
            connection.close()


@pytest.mark.ours
def test_what_a_transaction_has_queued_counts(limited):
    """So it is since Redis 7.4."""
    limited.forget_peak()
    before = limited.resident_bytes()
    with limited.connect() as client:
        connection = limited.connect(timeout=60)
        assert connection("MULTI").value == b"OK"
        queued = 0
        with pytest.raises((Closed, ConnectionResetError, BrokenPipeError)):
            for _ in range(100):
                queued += connection("SET", "k", MEGABYTES).value == b"QUEUED"
        assert 15 <= queued <= 25
        assert limited.peak_bytes() - before < 100 * MEGABYTE
        # Many small requests count by what they take.
        connection = limited.connect(timeout=60)
        connection("MULTI")
        closed = False
        for _ in range(100):
            if not send_pieces(connection, [encode("SET", "key", "value" * 20) * 10_000]):
                closed = True
                break
            try:
                for _ in range(10_000):
                    connection.read()
            except (Closed, ConnectionResetError):
                closed = True
                break
        assert closed
        assert client("DBSIZE").value == 0
        assert eventually(lambda: limited.resident_bytes() - before < 60 * MEGABYTE)
        # Below the limit all is executed.
        with limited.connect() as modest:
            assert modest("MULTI").value == b"OK"
            for number in range(10):
                modest("SET", f"k{number}", MEGABYTES)
            assert modest("EXEC").plain() == [b"OK"] * 10


def test_inline_bytes_without_end(limited):
    for data in (b"x" * 70_000, b"SET k " + b"v" * 3 * MEGABYTE, b'"' + b"a" * 70_000, b" " * 70_000):
        with limited.connect() as connection:
            send_pieces(connection, [data])
            assert connection.read_until_close() == b"-ERR Protocol error: too big inline request\r\n"
    before = limited.resident_bytes()
    crowd = [limited.connect() for _ in range(200)]
    for connection in crowd:
        connection.send_raw(b"x" * 60_000)
    with limited.connect() as client:
        assert client("PING").value == b"PONG"
        assert limited.resident_bytes() - before < 200 * 3 * 65536 + 8 * MEGABYTE
        for connection in crowd:
            abort(connection)
        wait_until_alone(client)


class TestBeforeAuthentication:
    """Whoever has no password can make the server keep little: a few arguments of 16 KiB, a line of 64 KiB."""

    @pytest.fixture
    def locked(self, start):
        return start("--requirepass", "secret")

    # What each of a crowd sends, none of it a whole request, and how much of it the server may have to keep.
    INPUTS = {
        "ten arguments": (b"*10\r\n" + b"$16384\r\n%s\r\n" % (b"a" * 16384) * 9 + b"$16384\r\n" + b"a" * 16000, 180_000),
        "a line": (b"x" * 65_000, 66_000),
        "a line in quotes": (b'"' + b"\\x41" * 16_000, 66_000),
        "an argument": (b"*2\r\n$4\r\nAUTH\r\n$16384\r\n" + b"a" * 16_000, 17_000),
    }

    @pytest.mark.parametrize("kind", INPUTS)
    def test_input(self, kind, locked):
        data, size = self.INPUTS[kind]
        count = 300
        with locked.connect(password="secret") as control:
            before = locked.resident_bytes()
            crowd = [locked.connect() for _ in range(count)]
            for connection in crowd:
                connection.send_raw(data)
            assert f"connected_clients:{count + 1}\r\n" in control("INFO", "clients").plain().decode()
            assert locked.resident_bytes() - before < count * (2 * size + 20_000) + 4 * MEGABYTE
            for connection in crowd:
                connection.close()
            wait_until_alone(control)

    @pytest.mark.parametrize("data", [b"*11\r\n", b"*1000000\r\n", b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", b"*2\r\n$4\r\nAUTH\r\n$536870912\r\n", b"*2\r\n$400000\r\n"])
    def test_more_is_refused_at_once(self, data, locked):
        with locked.connect() as connection:
            connection.send_raw(data)
            assert connection.read_until_close().startswith(b"-ERR Protocol error: unauthenticated ")

    def test_neither_queue_nor_watch_nor_wait(self, locked):
        with locked.connect(password="secret") as control:
            with locked.connect() as client:
                for words in (["MULTI"], ["WATCH", "k"], ["BLPOP", "k", "0"], ["CLIENT", "SETNAME", "x"], ["CLIENT", "REPLY", "OFF"],
                              ["CLIENT", "PAUSE", "1000"], ["SELECT", "1"], ["DISCARD"]):
                    assert client(*words).raw.startswith(b"-NOAUTH"), words
                assert b" multi=-1 " in control("CLIENT", "LIST", "TYPE", "normal").plain()
                assert control("CLIENT", "LIST").plain().count(b" flags=N ") == 2

    # What is sent over and over, with replies that nobody reads.
    REQUESTS = {
        "HELLO": b"HELLO\r\n",
        "HELLO 3": encode("HELLO", "3"),
        "PING": b"PING\r\n",
        "AUTH": encode("AUTH", "wrong"),
        "HELLO AUTH": encode("HELLO", "2", "AUTH", "default", "wrong"),
        "unknown command": b"X" * 100 + b"\r\n",
        "unknown command with arguments": encode(b"Y" * 100, *[b"z" * 100] * 9),
        "wrong number": b"GET\r\n",
        "RESET": b"RESET\r\n",
        "COMMAND DOCS": b"COMMAND DOCS\r\n",
        "INFO": b"INFO\r\n",
        "unknown subcommand": b"CLIENT NOPE\r\n",
        "MULTI": b"MULTI\r\nEXEC\r\n",
    }

    @pytest.mark.parametrize("name", REQUESTS)
    def test_output_that_nobody_reads(self, name, locked):
        """CVE-2025-21605."""
        request = self.REQUESTS[name]
        data = request * (6 * MEGABYTE // len(request))
        with locked.connect(password="secret") as control:
            locked.forget_peak()
            before = locked.resident_bytes()
            connection = locked.connect(timeout=2)
            send_what_fits(connection, data)
            assert control("PING").value == b"PONG"
            grown = locked.peak_bytes() - before
            assert grown < 6 * MEGABYTE, f"{grown >> 10} KiB for one client"
            connection.close()
            wait_until_alone(control)

    def test_output_of_many_that_read_nothing(self, locked):
        data = b"HELLO\r\n" * 20_000
        with locked.connect(password="secret") as control:
            locked.forget_peak()
            before = locked.resident_bytes()
            crowd = []
            for _ in range(100):
                connection = locked.connect(timeout=0.5)
                send_what_fits(connection, data)
                crowd.append(connection)
            assert control("PING").value == b"PONG"
            assert locked.peak_bytes() - before < 100 * 40_000 + 6 * MEGABYTE
            for connection in crowd:
                connection.close()
            wait_until_alone(control)

    def test_who_reads_is_answered(self, locked):
        with locked.connect() as client:
            for _ in range(1000):
                assert client("PING").raw.startswith(b"-NOAUTH")
            # A pipeline of some size, and then the password.
            client.send_raw(encode("PING") * 100 + encode("AUTH", "secret") + encode("ECHO", "e" * 100_000))
            for _ in range(100):
                assert client.read().raw == b"-NOAUTH Authentication required.\r\n"
            assert client.read().raw == b"+OK\r\n"
            assert client.read().value == b"e" * 100_000
            # From now on replies may be as large as anybody's.
            client.send_raw(encode("ECHO", "e" * 100_000) * 100)
            for _ in range(100):
                assert client.read().value == b"e" * 100_000

    def test_reset_takes_the_right_to_large_replies_away(self, locked):
        with locked.connect(password="secret") as control:
            connection = locked.connect(password="secret", timeout=2)
            assert connection("RESET").value == b"RESET"
            locked.forget_peak()
            before = locked.resident_bytes()
            send_what_fits(connection, b"HELLO\r\n" * 500_000)
            assert control("PING").value == b"PONG"
            assert locked.peak_bytes() - before < 6 * MEGABYTE
            connection.close()
