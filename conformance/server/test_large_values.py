"""Large values go out from where they lie, also to clients that take them slowly: whatever becomes of the key meanwhile, what is read is what
was there, and it takes no memory of its own."""
import random
import socket

import pytest

from support.resp import encode, eventually

MEGABYTE = 1 << 20
SIZE = 12 * MEGABYTE
BODY = random.Random(7).randbytes(SIZE)
OTHER = random.Random(8).randbytes(SIZE)


def altered(offset, with_what, body=BODY):
    return body[:offset] + with_what + body[offset + len(with_what):]


def inverted(body):
    return bytes(byte ^ 255 for byte in body)


# What is done to a key while it is being read, and what it has then, if it is there.
CHANGES = {
    "append": ([("APPEND", "k", "tail")], BODY + b"tail"),
    "append much": ([("APPEND", "k", OTHER)], BODY + OTHER),
    "setrange at the beginning": ([("SETRANGE", "k", 0, "new")], altered(0, b"new")),
    "setrange at the end": ([("SETRANGE", "k", SIZE - 1, "new")], BODY[:-1] + b"new"),
    "setrange behind the end": ([("SETRANGE", "k", SIZE + 3, "new")], BODY + bytes(3) + b"new"),
    "setrange of all": ([("SETRANGE", "k", 0, OTHER)], OTHER),
    "setbit": ([("SETBIT", "k", 8 * MEGABYTE, BODY[MEGABYTE] >> 7 ^ 1)], altered(MEGABYTE, bytes([BODY[MEGABYTE] ^ 128]))),
    "bitfield": ([("BITFIELD", "k", "SET", "u8", "#5000000", "65")], altered(5_000_000, b"A")),
    "bitop in place": ([("BITOP", "NOT", "k", "k")], inverted(BODY)),
    "bitop of two": ([("BITOP", "XOR", "k", "k", "k")], bytes(SIZE)),
    "set": ([("SET", "k", "new")], b"new"),
    "set much": ([("SET", "k", OTHER)], OTHER),
    "set and changed": ([("SET", "k", OTHER), ("SETRANGE", "k", 0, "new"), ("APPEND", "k", "x")], altered(0, b"new", OTHER) + b"x"),
    "changed twice": ([("SETRANGE", "k", 5, "new"), ("SETRANGE", "k", 8, "er")], altered(5, b"newer")),
    "del": ([("DEL", "k")], None),
    "unlink": ([("UNLINK", "k")], None),
    "getdel": ([("STRLEN", "k"), ("RENAME", "k", "moved"), ("DEL", "moved")], None),
    "expire": ([("PEXPIRE", "k", -1)], None),
    "rename": ([("RENAME", "k", "k2"), ("SETRANGE", "k2", 0, "new"), ("RENAME", "k2", "k")], altered(0, b"new")),
    "move": ([("MOVE", "k", 3), ("SELECT", 3), ("SETRANGE", "k", 0, "new"), ("MOVE", "k", 0), ("SELECT", 0)], altered(0, b"new")),
    "copy": ([("COPY", "k", "k2"), ("SETRANGE", "k2", 0, "new"), ("DEL", "k"), ("RENAME", "k2", "k")], altered(0, b"new")),
    "swapdb": ([("SWAPDB", 0, 3), ("SWAPDB", 3, 0), ("SETRANGE", "k", 0, "new")], altered(0, b"new")),
    "flushdb": ([("FLUSHDB",)], None),
    "flushall": ([("FLUSHALL", "SYNC")], None),
    "flushall in the background": ([("FLUSHALL", "ASYNC"), ("SET", "k", OTHER)], OTHER),
    "flushed beside another database": ([("SELECT", 3), ("SET", "stays", 1), ("SELECT", 0), ("FLUSHDB", "ASYNC"), ("SET", "k", "x")], b"x"),
    "script": ([("EVAL", "redis.call('setrange', KEYS[1], 0, 'new'); return redis.call('append', KEYS[1], 'x')", 1, "k")], altered(0, b"new") + b"x"),
    "transaction": ([("MULTI",), ("SETRANGE", "k", 0, "new"), ("GETRANGE", "k", 0, 2), ("APPEND", "k", "x"), ("EXEC",)], altered(0, b"new") + b"x"),
    "reload": ([("DEBUG", "RELOAD"), ("SETRANGE", "k", 0, "new")], altered(0, b"new")),
    "defragmentation": ([("DEBUG", "DEFRAG", "ALL"), ("SETRANGE", "k", 0, "new")], altered(0, b"new")),
}


def reader(server, *command):
    """A client that has asked for something and takes nothing of it."""
    client = server.connect(receive_buffer=16384)
    client.socket.settimeout(30)
    client.send(*command)
    return client


def unsent(control):
    return [int(field.split(b"=")[1]) for field in control("CLIENT", "LIST").value.split() if field.startswith(b"omem=")]


def wait_for(control, readers):
    """Until all readers have something unsent."""
    assert eventually(lambda: sum(size > MEGABYTE for size in unsent(control)) == readers)


@pytest.mark.parametrize("saving", [False, True], ids=["", "while saved"])
@pytest.mark.parametrize("name", CHANGES)
def test_what_is_read_is_what_was_there(name, saving, start):
    changes, expected = CHANGES[name]
    server = start("--save", "", "--enable-debug-command", "yes")
    with server.connect() as control:
        control("SET", "k", BODY)
        readers = [reader(server, "GET", "k"), reader(server, "MGET", "k", "none", "k"), reader(server, "GETRANGE", "k", 1000, -1000)]
        wait_for(control, len(readers))
        if saving:
            control("SET", "first", "v"), control("CONFIG", "SET", "rdb-key-save-delay", 100_000)
            assert not control("BGSAVE").is_error
        for change in changes:
            if change[:2] == ("DEBUG", "DEFRAG"):
                control("CONFIG", "SET", "activedefrag", "yes")
            elif not (saving and change[:2] == ("DEBUG", "RELOAD")):
                reply = control(*change)
                assert not reply.is_error, reply
        late = reader(server, "GET", "k")
        assert readers[0].read(30).value == BODY
        assert readers[1].read(30).plain() == [BODY, None, BODY]
        assert readers[2].read(30).value == BODY[1000:-999]
        assert late.read(30).value == expected
        assert control("GET", "k").value == expected
        if saving:
            control("CONFIG", "SET", "rdb-key-save-delay", 0)
            assert eventually(lambda: b"rdb_bgsave_in_progress:0" in control("INFO", "persistence").value)
            if b"rdb_last_bgsave_status:ok" in control("INFO", "persistence").value and name not in ("flushall", "flushall in the background"):
                control("FLUSHALL"), control("DEBUG", "RELOAD", "NOSAVE")
                assert control("GET", "k").value == BODY
        for client in [*readers, late]:
            client.close()


def used(control):
    return int(next(line for line in control("INFO", "memory").value.splitlines() if line.startswith(b"used_memory:")).split(b":")[1])


@pytest.mark.parametrize("ending", ["read", "closed", "killed"])
def test_ten_readers_take_no_more_memory_than_one(ending, start):
    server = start("--save", "")
    with server.connect() as control:
        control("SET", "k", BODY), control("SET", "other", OTHER)
        assert eventually(lambda: used(control) < 26 * MEGABYTE)
        before, resident = used(control), server.resident_bytes()
        readers = [reader(server, "GET", ("k", "other")[index % 2]) for index in range(10)]
        wait_for(control, len(readers))
        assert eventually(lambda: used(control) < before + MEGABYTE)
        assert server.resident_bytes() < resident + 6 * MEGABYTE
        # What is deleted stays until it was sent, and counts until then.
        control("UNLINK", "k"), control("SET", "other", "short")
        assert used(control) > before - MEGABYTE
        for index, client in enumerate(readers):
            if ending == "read":
                assert client.read(30).value == (BODY, OTHER)[index % 2]
            elif ending == "killed":
                control("CLIENT", "KILL", "SKIPME", "yes")
            client.close()
        assert eventually(lambda: used(control) < MEGABYTE)
        assert eventually(lambda: server.resident_bytes() < resident - 20 * MEGABYTE)


def test_a_small_part_of_a_value_does_not_keep_all_of_it(start):
    """Those who read pieces keep those pieces, whatever becomes of the value."""
    server = start("--save", "")
    with server.connect() as control:
        control("SET", "k", BODY)
        before, expected, readers = used(control), BODY, []
        for index in range(10):
            client = server.connect(receive_buffer=16384)
            client.socket.settimeout(30)
            client.send_raw(encode("GETRANGE", "k", 0, 199_999) * 30)
            assert eventually(lambda: b"cmdstat_getrange:calls=%d," % (30 * (index + 1)) in control("INFO", "commandstats").value)
            readers.append((client, expected[:200_000]))
            expected = altered(index, b"x", expected)
            control("SETRANGE", "k", index, "x")
        assert used(control) < before + 10 * 7 * MEGABYTE and server.resident_bytes() < 120 * MEGABYTE
        for client, part in readers:
            assert all(client.read(30).value == part for _ in range(30))
            client.close()
        assert control("GET", "k").value == expected


@pytest.mark.parametrize("words", [("FLUSHALL", "SYNC"), ("FLUSHALL", "ASYNC"), ("FLUSHDB",)])
def test_what_is_flushed_counts_until_it_was_sent(words, start):
    server = start("--save", "")
    with server.connect() as control:
        control("SET", "k", BODY)
        client = reader(server, "GET", "k")
        wait_for(control, 1)
        before = used(control)
        assert control(*words).value == b"OK"
        assert not eventually(lambda: used(control) < before - MEGABYTE, seconds=1)
        assert client.read(30).value == BODY
        client.close()
        assert eventually(lambda: used(control) < MEGABYTE)


@pytest.mark.parametrize("policy", ["allkeys-lru", "noeviction"])
def test_slow_readers_cost_no_keys(policy, start):
    server = start("--save", "", "--maxmemory", "60mb", "--maxmemory-policy", policy)
    with server.connect() as control:
        for index in range(3):
            control("SET", f"k{index}", BODY)
        readers = [reader(server, "GET", f"k{index % 3}") for index in range(20)]
        wait_for(control, len(readers))
        assert not control("SET", "new", "x" * MEGABYTE).is_error
        assert control("EXISTS", "k0", "k1", "k2", "new").value == 4
        assert server.peak_bytes() < 66 * MEGABYTE
        for client in readers:
            assert client.read(30).value == BODY
            client.close()


def test_limits_of_clients_count_what_they_are_to_be_sent(start):
    server = start("--save", "", "--maxmemory-clients", "40mb", "--client-output-buffer-limit", "pubsub 0 0 0")
    with server.connect() as control:
        control("SET", "k", BODY)
        readers = [reader(server, "GET", "k") for _ in range(5)]
        assert eventually(lambda: b"evicted_clients:0" not in control("INFO", "stats").value)
        assert eventually(lambda: sum(unsent(control)) <= 40 * MEGABYTE)
        control("CONFIG", "SET", "maxmemory-clients", 0)
        control("CONFIG", "SET", "client-output-buffer-limit", "normal 6mb 0 0")
        reader(server, "GET", "k")
        assert eventually(lambda: b"client_output_buffer_limit_disconnections:1" in control("INFO", "stats").value)
        for client in readers:
            client.close()


def test_values_are_read_while_they_change(start):
    """Clients that read slowly, and others that change what they read, at random: nobody reads a mixture."""
    server = start("--save", "")
    seed = random.randrange(1 << 30)
    random_ = random.Random(seed)
    values, waiting = {}, []
    with server.connect() as control:
        for step in range(400):
            key = f"k{random_.randrange(4)}"
            value = values.get(key, b"")
            action = random_.randrange(12)
            if action < 2 or not value:
                value = bytes([random_.randrange(256)]) * random_.choice([40_000, 300_000, 3 * MEGABYTE, 9 * MEGABYTE])
                assert control("SET", key, value).value == b"OK"
            elif action == 2:
                more = bytes([random_.randrange(256)]) * random_.choice([1, 5000, 200_000])
                value += more
                assert control("APPEND", key, more).value == len(value), seed
            elif action < 5:
                more = bytes([random_.randrange(256)]) * random_.choice([1, 70_000])
                offset = random_.randrange(len(value))
                value = (value[:offset] + more + value[offset + len(more):])
                assert control("SETRANGE", key, offset, more).value == len(value), seed
            elif action == 5:
                assert control("DEL", key).value == 1, seed
                value = b""
            elif action < 9 and len(waiting) < 12:
                start_, end = sorted(random_.randrange(len(value)) for _ in range(2))
                command, expected = random_.choice([(("GET", key), value), (("GETRANGE", key, start_, end), value[start_:end + 1])])
                waiting.append((reader(server, *command), expected))
                # Its first byte says that it was executed.
                assert waiting[-1][0].socket.recv(1, socket.MSG_PEEK) == b"$"
            elif waiting:
                client, expected = waiting.pop(random_.randrange(len(waiting)))
                assert client.read(30).value == expected, seed
                client.close()
            if random_.randrange(50) == 0:
                control("FLUSHALL", random_.choice(["SYNC", "ASYNC"]))
                values.clear()
            else:
                values[key] = value
        for client, expected in waiting:
            assert client.read(30).value == expected, seed
            client.close()
        for key, value in values.items():
            assert (control("GET", key).value or b"") == value, seed
