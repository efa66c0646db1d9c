"""Keys that have expired but are still there: they go before a request that names them runs, which is not disturbed by that."""
import time

import pytest

MOVES = [["LMOVE", "s", "d", "LEFT", "LEFT"], ["RPOPLPUSH", "s", "d"], ["BLMOVE", "s", "d", "LEFT", "RIGHT", "0.01"], ["BRPOPLPUSH", "s", "d", "0.01"]]
OTHERS = [["SORT", "s", "STORE", "d"], ["COPY", "s", "d", "REPLACE"], ["RENAME", "s", "d"], ["BLMPOP", "0.01", "2", "d", "s", "LEFT"]]


@pytest.mark.parametrize("order", [["s", "o", "d"], ["d", "o", "s"]])
@pytest.mark.parametrize("words", [*MOVES, *OTHERS], ids=lambda words: words[0])
def test_a_destination_that_has_expired_is_as_good_as_absent(words, order, server, reference):
    """Keys that have expired and are still there are removed, and others may move in the table then."""
    noted = []
    for one in (reference, server):
        with one.connect() as client:
            client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
            for count in range(12):
                client("FLUSHALL")
                for key in order:
                    client("RPUSH", key, *range(1, 4))
                for filler in range(count):
                    client("SET", filler, "x")
                client("PEXPIRE", "d", 1)
                time.sleep(0.003)
                noted.append((one is server, client(*words).raw, client("DEBUG", "DIGEST").raw))
            client("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    assert [note[1:] for note in noted if note[0]] == [note[1:] for note in noted if not note[0]]


# Each meets the key k, which has expired, or the key `other` of database 1, which has, too.
MEETINGS = [
    "GET k", "SET k v", "SETNX k v", "APPEND k v", "EXISTS k", "TYPE k", "TTL k", "OBJECT ENCODING k", "DUMP k", "STRLEN k", "PERSIST k", "TOUCH k", "DEL k",
    "MGET other k", "LLEN k", "SINTER k k", "ZCARD k", "SORT k", "SORT other_list BY weight_* GET k", "HGETALL k", "XLEN k", "BITCOUNT k", "PFCOUNT k", "COPY k to",
    "COPY other k", "RENAME other k", "RENAMENX other k", "MOVE other 1", "COPY other other DB 1", "COPY other other DB 1 REPLACE", "GETEX k", "GETDEL k", "BLPOP k 0.01",
    "GEORADIUS places 1 1 1 m STORE to STORE k", "ZUNIONSTORE k 1 set", "SDIFFSTORE k set", "BITOP NOT k other", "XGROUP CREATE k g $ MKSTREAM", "KEYS *", "SCAN 0 COUNT 100",
    "RESTORE k 0 junk", "LMOVE list k LEFT LEFT", "DBSIZE", "RANDOMKEY",
]


@pytest.mark.parametrize("line", MEETINGS)
def test_meeting_a_key_that_has_expired(line, server, reference):
    noted = []
    for one in (reference, server):
        with one.connect() as client:
            client("FLUSHALL")
            client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
            for words in ("SET other 1", "RPUSH list 1", "SADD set a", "GEOADD places 1 1 here", "SET k v PX 1"):
                client(*words.split())
            client("SELECT", 1)
            client("SET", "other", "old", "PX", 1)
            client("SELECT", 0)
            time.sleep(0.005)
            replies = [client("INFO", "keyspace").raw.count(b"db")]
            expired = int(client("INFO", "stats").raw.split(b"expired_keys:")[1].split(b"\r")[0])
            # A random key may be any: often enough, it is the one that has expired.
            for _ in range(200 if line == "RANDOMKEY" else 1):
                reply = client(*line.split()).raw
            if line not in ("RANDOMKEY", "KEYS *", "SCAN 0 COUNT 100", "DUMP k"):
                replies.append(reply)
            replies.append(int(client("INFO", "stats").raw.split(b"expired_keys:")[1].split(b"\r")[0]) - expired)
            replies.append(client("DBSIZE").raw)
            client("SELECT", 1)
            replies.append(client("DBSIZE").raw)
            replies.append(client("GET", "other").raw)
            client("DEBUG", "SET-ACTIVE-EXPIRE", 1)
            client("FLUSHALL")
            noted.append(replies)
    assert noted[1] == noted[0]
