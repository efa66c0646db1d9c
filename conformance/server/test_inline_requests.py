"""Requests that are lines, as people type them."""


def test_empty_words(server):
    """Nothing is between an empty word and the next one: they are two all the same."""
    with server.connect() as client:
        pairs = [
            (b"SET a 1\r\n", b"+OK\r\n"), (b"MGET '' 'a'\r\n", b"*2\r\n$-1\r\n$1\r\n1\r\n"), (b"EXISTS '' 'a' \"\"\r\n", b":1\r\n"),
            (b"COPY '' 'a' REPLACE\r\n", b":0\r\n"), (b"SET \"\" 2\r\n", b"+OK\r\n"), (b"MGET '' \"a\" a ''\r\n", b"*4\r\n$1\r\n2\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n2\r\n"),
            (b"RENAME '' 'b'\r\n", b"+OK\r\n"), (b"MSET '' '' 'c' y\r\n", b"+OK\r\n"), (b"GET c\r\n", b"$1\r\ny\r\n"), (b"DEL '' 'a' 'b' c\r\n", b":4\r\n"),
            (b"SADD '' a\r\n", b":1\r\n"), (b"SMOVE '' 'b' 'a'\r\n", b":1\r\n"), (b"SMEMBERS b\r\n", b"*1\r\n$1\r\na\r\n"),
        ]
        for _ in range(2):
            for sent, answer in pairs:
                client.socket.sendall(sent)
                assert client.read().raw == answer, sent
            client("FLUSHALL")
            client.socket.sendall(b"".join(sent for sent, _ in pairs))
            assert [client.read().raw for _ in pairs] == [answer for _, answer in pairs]
            client("FLUSHALL")
