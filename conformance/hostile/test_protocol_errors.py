"""Requests that are no requests: the exact error, then the end of the connection, and nobody else notices."""
import pytest

from support import server as servers
from support.crowd import wait_until_alone
from support.resp import encode, eventually

OK = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"

# What is sent, and the answer before the connection closes.
ERRORS = {
    "count is no number": (b"*abc\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    "count is empty": (b"*\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    "count has a plus": (b"*+1\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    "count has a space": (b"* 1\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    "count has a fraction": (b"*1.0\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    "count does not fit 32 bits": (b"*3000000000\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    "count does not fit 64 bits": (b"*99999999999999999999\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    "largest count": (b"*2147483648\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    "argument without its mark": (b"*1\r\nfoo\r\n", b"-ERR Protocol error: expected '$', got 'f'\r\n"),
    "second argument without its mark": (b"*2\r\n$3\r\nGET\r\nfoo\r\n", b"-ERR Protocol error: expected '$', got 'f'\r\n"),
    "argument that is an array": (b"*2\r\n$3\r\nGET\r\n*1\r\n", b"-ERR Protocol error: expected '$', got '*'\r\n"),
    "argument that is a line end": (b"*1\r\n\r\n", b"-ERR Protocol error: expected '$', got ' '\r\n"),
    "argument longer than told": (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", b"-ERR Protocol error: expected '$', got 'f'\r\n"),
    "length is no number": (b"*1\r\n$abc\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    "length is empty": (b"*1\r\n$\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    "length is negative": (b"*1\r\n$-1\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    "length is very negative": (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-10\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    "length beyond the limit": (b"*2\r\n$4\r\nPING\r\n$536870913\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    "length does not fit 32 bits": (b"*2\r\n$4\r\nPING\r\n$4294967299\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    "length does not fit 64 bits": (b"*1\r\n$18446744073709551617\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    "length has a zero before it": (b"*1\r\n$04\r\nPING\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    "double quote not closed": (b'SET k "v\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    "single quote not closed": (b"SET k 'v\r\n", b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    "text after a closing quote": (b'SET k "v"w\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    "quote closed by an escape": (b'SET k "v\\"\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
}

TOO_LONG = {
    "inline without end": (b"x" * 66_000, b"-ERR Protocol error: too big inline request\r\n"),
    "count without end": (b"*" + b"1" * 66_000, b"-ERR Protocol error: too big mbulk count string\r\n"),
    "length without end": (b"*1\r\n$" + b"1" * 66_000, b"-ERR Protocol error: too big bulk count string\r\n"),
}


def answer(server, pieces):
    """All that comes back when these pieces are sent one after the other."""
    connection = server.connect()
    try:
        for piece in pieces:
            connection.send_raw(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass        # the server has closed already
    return connection.read_until_close()


@pytest.mark.parametrize("name", ERRORS)
def test_error_then_close(name, server, client):
    sent, wanted = ERRORS[name]
    assert answer(server, [sent]) == wanted
    assert client("PING").value == b"PONG"


@pytest.mark.parametrize("name", ERRORS)
def test_same_error_at_any_split(name, server):
    sent, wanted = ERRORS[name]
    assert answer(server, [bytes([byte]) for byte in sent]) == wanted
    for split in range(1, len(sent)):
        assert answer(server, [sent[:split], sent[split:]]) == wanted


@pytest.mark.parametrize("name", ERRORS)
def test_requests_before_the_error_are_answered_and_those_after_it_are_not(name, server, client):
    sent, wanted = ERRORS[name]
    assert answer(server, [OK + encode("GET", "k") + sent + encode("SET", "k", "after")]) == b"+OK\r\n$1\r\nv\r\n" + wanted
    assert client("GET", "k").value == b"v"


@pytest.mark.parametrize("name", TOO_LONG)
def test_line_that_never_ends(name, server, client):
    sent, wanted = TOO_LONG[name]
    assert answer(server, [sent]) == wanted
    assert answer(server, [sent[start:start + 1000] for start in range(0, len(sent), 1000)]) == wanted
    assert client("PING").value == b"PONG"


def test_number_of_arguments_has_a_limit(server):
    assert answer(server, [b"*2147483648\r\n"]) == b"-ERR Protocol error: invalid multibulk length\r\n"


def test_more_than_a_million_arguments_are_allowed(client):
    count = 1_200_000
    client.send_raw(b"*%d\r\n$3\r\nDEL\r\n" % count + b"$1\r\nk\r\n" * (count - 1))
    assert client.read(timeout=60).raw == b":0\r\n"


def test_proto_max_bulk_len_is_a_live_setting(start):
    server = start("--proto-max-bulk-len", "2mb")
    with server.connect() as client:
        assert client("SET", "k", "v" * (2 * 1024 * 1024)).value == b"OK"
        assert client("APPEND", "k", "v").raw == b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"
        assert client("CONFIG", "SET", "proto-max-bulk-len", "3mb").value == b"OK"
        assert client("APPEND", "k", "v").value == 2 * 1024 * 1024 + 1
        client.send_raw(b"*2\r\n$4\r\nECHO\r\n$3145729\r\n")
        assert client.read_until_close() == b"-ERR Protocol error: invalid bulk length\r\n"


@pytest.mark.parametrize("request_bytes", [b"*0\r\n", b"*-1\r\n", b"\r\n", b"\n", b"   \r\n", b"*-99999\r\n"])
def test_empty_requests_are_ignored(request_bytes, client):
    client.send_raw(request_bytes * 3 + b"PING\r\n")
    assert client.read().raw == b"+PONG\r\n"
    assert client.silent(0.05)


@pytest.mark.parametrize("request_bytes", [b"*0\r\n", b"\r\n", b"\n", b" \r\n", b"*-1\r\n"])
def test_an_empty_request_is_the_one_whose_reply_is_skipped(request_bytes, server):
    """Redis counts it as the next command after CLIENT REPLY SKIP."""
    skip = encode("CLIENT", "REPLY", "SKIP")
    for pieces in ([skip + request_bytes + encode("ECHO", "a")], [skip, request_bytes, encode("ECHO", "a")], [skip + request_bytes, encode("ECHO", "a")],
                   [skip + request_bytes + encode("ECHO", "a")[:9], encode("ECHO", "a")[9:]]):
        with server.connect() as client, server.connect() as control:
            for piece in pieces:
                client.send_raw(piece)
                control("PING")
            assert client.read().value == b"a"
            client.send_raw(skip + encode("ECHO", "b") + encode("ECHO", "c"))
            assert client.read().value == b"c"
    # What follows it is answered, also if that is malformed or long under way.
    assert answer(server, [skip + request_bytes + b"*x\r\n"]) == b"-ERR Protocol error: invalid multibulk length\r\n"
    for length in (5000, 100_000):
        long = encode("ECHO", b"e" * length)
        with server.connect() as client, server.connect() as control:
            client.send_raw(skip + request_bytes + long[:4000])
            control("PING")
            client.send_raw(long[4000:])
            assert client.read().value == b"e" * length


def test_truncated_requests_have_no_effect(server, client):
    whole = encode("SET", "k", "value")
    for cut in range(1, len(whole)):
        with server.connect() as other:
            other.send_raw(whole[:cut])
            other.half_close()
            assert other.read_until_close() == b""
    assert client("EXISTS", "k").value == 0


def test_line_end_of_an_argument_is_not_looked_at(client):
    """Redis skips two bytes after an argument without reading them; so must we, as clients were written against it."""
    client.send_raw(b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n")
    assert client.read().raw == b"+PONG\r\n" and client.read().raw == b"+PONG\r\n"


@pytest.mark.parametrize("text", [b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET k v\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nSET k v\r\n",
                                  b"post\r\nSET k v\r\n", b"hOsT: x\r\nSET k v\r\n"])
def test_requests_of_a_browser_close_the_connection(text, server, client):
    """A web page must not be able to send commands through a victim's browser."""
    reply = answer(server, [text])
    assert b"+OK" not in reply
    assert client("EXISTS", "k").value == 0


@pytest.fixture(scope="module")
def locked():
    launched = servers.Server(servers.under_test(), [*servers.TEST_FLAGS, "--requirepass", "secret"])
    yield launched
    launched.stop()


class TestBeforeAuthentication:
    def test_ten_arguments_are_allowed(self, locked):
        with locked.connect() as client:
            client.send("DEL", *"abcdefghi")
            assert client.read().raw == b"-NOAUTH Authentication required.\r\n"

    def test_eleven_are_not(self, locked):
        assert answer(locked, [b"*11\r\n"]) == b"-ERR Protocol error: unauthenticated multibulk length\r\n"

    def test_sixteen_kilobytes_are_allowed(self, locked):
        with locked.connect() as client:
            assert client("AUTH", "x" * 16384).raw.startswith(b"-WRONGPASS")

    def test_more_are_not(self, locked):
        assert answer(locked, [b"*2\r\n$4\r\nAUTH\r\n$16385\r\n"]) == b"-ERR Protocol error: unauthenticated bulk length\r\n"

    def test_authentication_lifts_the_limits(self, locked):
        with locked.connect(password="secret") as client:
            assert client("DEL", *["k"] * 100).value == 0
            assert client("ECHO", "x" * 100_000).value == b"x" * 100_000

    def test_in_the_same_packet(self, locked):
        with locked.connect() as client:
            client.send_raw(encode("AUTH", "secret") + encode("ECHO", "y" * 20_000) + encode("DEL", *["k"] * 20))
            assert client.read().raw == b"+OK\r\n"
            assert client.read().value == b"y" * 20_000
            assert client.read().value == 0

    def test_reset_brings_them_back(self, locked):
        with locked.connect(password="secret") as client:
            client("RESET")
            client.send_raw(b"*11\r\n")
            assert client.read_until_close() == b"-ERR Protocol error: unauthenticated multibulk length\r\n"

    def test_nothing_is_done(self, locked):
        with locked.connect() as client:
            for command in (["SET", "k", "v"], ["FLUSHALL"], ["DEBUG", "SLEEP", "5"], ["SHUTDOWN", "NOSAVE"], ["CONFIG", "GET", "*"]):
                assert client(*command).raw == b"-NOAUTH Authentication required.\r\n"
            assert client("QUIT").raw == b"+OK\r\n", "QUIT needs no password"


@pytest.mark.parametrize("length", [2**63 - 1, 2**63 - 2, 2**63 - 28, 2**62])
def test_lengths_that_nothing_has(length, start):
    """With `proto-max-bulk-len` at its highest any length may be announced. Some are refused, none is harmful."""
    server = start("--proto-max-bulk-len", str(2**63 - 1))
    with server.connect() as client:
        with server.connect() as other:
            other.send_raw(b"*2\r\n$3\r\nGET\r\n$%d\r\nabc" % length)
            other.silent(0.1)
        assert client("SET", "k", "v").value == b"OK"


@pytest.mark.ours
@pytest.mark.parametrize("words", [["HRANDFIELD", "h", "-20000000", "WITHVALUES"], ["SRANDMEMBER", "s", "-20000000"], ["ZRANDMEMBER", "z", "-20000000"]],
                         ids=lambda words: words[0])
def test_a_reply_beyond_the_output_limit_is_broken_off(words, start):
    server = start("--client-output-buffer-limit", "normal 10mb 10mb 60")
    with server.connect() as client:
        client("HSET", "h", "f", "v" * 40, "g", "w" * 40)
        client("SADD", "s", "a" * 40, "b" * 40)
        client("ZADD", "z", 1, "a" * 40, 2, "b" * 40)
        with server.connect() as other:
            other.send(*words)
            assert other.read_until_close() == b""
        assert client(*words[:2], "-10").value is not None
        assert b"client_output_buffer_limit_disconnections:1" in client("INFO", "stats").plain()


@pytest.mark.ours
@pytest.mark.parametrize("name", ["HRANDFIELD", "SRANDMEMBER", "ZRANDMEMBER"])
def test_draws_that_would_never_end_are_refused(name, client):
    client({"H": "HSET", "S": "SADD", "Z": "ZADD"}[name[0]], "k", "1", *(["2"] if name[0] != "S" else []))
    for count in (-2**63 + 1, -2**62, -2**40):
        assert client(name, "k", count).value == b"ERR value is out of range"


@pytest.mark.parametrize("ending, last", [(b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"), (encode("QUIT"), b"+OK\r\n")],
                         ids=["error", "quit"])
def test_all_answers_arrive_though_more_is_sent(ending, last, server, client):
    """What a client sends behind the end of its connection must not cost it the answers that are still on their way."""
    for _ in range(5):
        connection = server.connect(receive_buffer=4096)
        connection.send_raw(encode("SET", "k", "v" * 1000) + encode("GET", "k") * 100 + ending + b"x" * 100_000)
        wait_until_alone(client)
        assert connection.read_until_close() == b"+OK\r\n" + (b"$1000\r\n" + b"v" * 1000 + b"\r\n") * 100 + last
        connection.close()


def test_nobody_is_listened_to_for_ever(server, client):
    """Those who only go on sending are left to themselves after a while, and when there are many of them, at once."""
    before = server.descriptor_count()
    crowd = [server.connect(timeout=30) for _ in range(100)]
    for connection in crowd:
        connection.send_raw(encode("QUIT") + b"x" * 100_000)
    wait_until_alone(client)
    assert server.descriptor_count() < before + 30
    # Those of earlier tests may have lingered when it was counted.
    assert eventually(lambda: server.descriptor_count() <= before)
    assert crowd[-1].read_until_close() == b"+OK\r\n"
    for connection in crowd:
        connection.close()
