"""What one connection does to another: CLIENT KILL, LIST and PAUSE, and what each says of itself."""
import re
import time

import pytest

from support.resp import Closed, eventually


def clients(connection, *filters):
    """CLIENT LIST as a list of dictionaries."""
    text = connection("CLIENT", "LIST", *filters).plain().decode()
    return [dict(field.split("=", 1) for field in line.split(" ")) for line in text.splitlines()]


def own(connection):
    text = connection("CLIENT", "INFO").plain().decode()
    assert text.endswith("\n") and text.count("\n") == 1
    return dict(field.split("=", 1) for field in text.strip().split(" "))


def identity(connection):
    return str(connection("CLIENT", "ID").value)


def is_closed(connection, seconds=5):
    try:
        connection.read(timeout=seconds)
    except (Closed, ConnectionResetError):
        return True
    return False


# --- CLIENT LIST and INFO ----------------------------------------------------------------------------------------------------


def test_fields_of_client_info(server, reference):
    """Every field of the reference is there, in its order."""
    with server.connect() as tested, reference.connect() as other:
        ours, theirs = own(tested), own(other)
    assert [name for name in ours if name in theirs] == list(theirs)


@pytest.mark.since72
def test_fields_of_client_info_of_82(client):
    assert list(own(client)) == """id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem multi-mem rbs rbp
        obl oll omem tot-mem events cmd user redir resp lib-name lib-ver io-thread tot-net-in tot-net-out tot-cmds""".split()


def test_client_info_tells_the_truth(server):
    with server.connect() as client:
        client("CLIENT", "SETNAME", "me")
        client("SELECT", "3")
        fields = own(client)
        local, remote = client.socket.getsockname(), client.socket.getpeername()
        assert fields["id"] == identity(client)
        assert fields["addr"] == f"{local[0]}:{local[1]}" and fields["laddr"] == f"{remote[0]}:{remote[1]}"
        assert fields["name"] == "me" and fields["db"] == "3" and fields["user"] == "default"
        assert fields["resp"] == "2" and fields["flags"] == "N" and fields["multi"] == "-1" and fields["cmd"] == "client|info"
        assert int(fields["age"]) <= 2 and fields["idle"] == "0" and fields["redir"] == "-1" and fields["sub"] == "0"
        client("HELLO", "3")
        assert own(client)["resp"] == "3"


def test_client_list_sees_states(server):
    with server.connect() as watcher, server.connect() as other:
        name = identity(other)

        def seen():
            return clients(watcher, "ID", name)[0]
        other("GET", "k")
        assert seen()["cmd"] == "get"
        other("MULTI")
        other("SET", "k", "v")
        other("GET", "k")
        assert "x" in seen()["flags"] and seen()["multi"] == "2"
        other("DISCARD")
        other("WATCH", "k")
        assert seen()["multi"] == "-1"
        watcher("SET", "k", "w")
        assert "d" in seen()["flags"]
        other("UNWATCH")
        other("CLIENT", "NO-EVICT", "on")
        assert "e" in seen()["flags"]
        time.sleep(1.2)
        assert 1 <= int(seen()["idle"]) <= 5 and 1 <= int(seen()["age"]) <= 5


def test_client_list_filters(server):
    with server.connect() as one, server.connect() as two, server.connect() as three:
        names = [identity(connection) for connection in (one, two, three)]
        assert {entry["id"] for entry in clients(one)} >= set(names)
        assert [entry["id"] for entry in clients(one, "ID", names[0], names[2])] == [names[0], names[2]]
        assert [entry["id"] for entry in clients(one, "ID", names[2], "999999", names[0])] == [names[2], names[0]]
        assert {entry["id"] for entry in clients(one, "TYPE", "normal")} >= set(names)
        assert clients(one, "TYPE", "pubsub") == []


def test_ids_grow_and_are_not_used_again(server):
    seen = []
    for _ in range(5):
        with server.connect() as client:
            seen.append(client("CLIENT", "ID").value)
    assert seen == sorted(set(seen))


# --- CLIENT KILL ---------------------------------------------------------------------------------------------------------------


def test_kill_by_id(server):
    with server.connect() as killer, server.connect() as victim, server.connect() as bystander:
        name = identity(victim)
        assert killer("CLIENT", "KILL", "ID", name).raw == b":1\r\n"
        assert is_closed(victim)
        assert killer("CLIENT", "KILL", "ID", name).raw == b":0\r\n"
        assert bystander("PING").value == b"PONG"
        assert name not in {entry["id"] for entry in clients(killer)}


def test_kill_by_address(server):
    with server.connect() as killer, server.connect() as old, server.connect() as new:
        address = "%s:%d" % old.socket.getsockname()
        assert killer("CLIENT", "KILL", address).raw == b"+OK\r\n"
        assert is_closed(old)
        assert killer("CLIENT", "KILL", address).raw == b"-ERR No such client\r\n"
        address = "%s:%d" % new.socket.getsockname()
        assert killer("CLIENT", "KILL", "ADDR", address).raw == b":1\r\n"
        assert is_closed(new)


def test_kill_by_local_address_spares_the_caller_unless_told(server):
    with server.connect() as killer, server.connect() as one, server.connect() as two:
        local = "%s:%d" % killer.socket.getpeername()
        assert killer("CLIENT", "KILL", "LADDR", local).value >= 2
        assert is_closed(one) and is_closed(two)
        assert killer("PING").value == b"PONG"
        assert killer("CLIENT", "KILL", "LADDR", local, "SKIPME", "no").value == 1
        assert is_closed(killer)


def test_kill_by_type_and_user(server):
    with server.connect() as killer, server.connect() as one:
        assert killer("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").value >= 1
        assert is_closed(one)
    with server.connect() as killer, server.connect() as one:
        assert killer("CLIENT", "KILL", "USER", "default").value >= 1
        assert is_closed(one)


def test_kill_needs_all_filters_to_match(server):
    with server.connect() as killer, server.connect() as one:
        assert killer("CLIENT", "KILL", "ID", identity(one), "ADDR", "1.2.3.4:5").value == 0
        assert killer("CLIENT", "KILL", "ID", identity(one), "TYPE", "pubsub").value == 0
        assert one("PING").value == b"PONG"


def test_a_client_can_kill_itself(server):
    client = server.connect()
    assert client("CLIENT", "KILL", "%s:%d" % client.socket.getsockname()).raw == b"+OK\r\n"
    assert is_closed(client)
    client = server.connect()
    assert client("CLIENT", "KILL", "ID", identity(client)).raw == b":0\r\n", "SKIPME is yes unless told otherwise"
    assert client("CLIENT", "KILL", "ID", identity(client), "SKIPME", "NO").raw == b":1\r\n"
    assert is_closed(client)


# --- CLIENT PAUSE ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def paused(server):
    """A connection that pauses, and ends the pause when the test is over."""
    with server.connect() as client:
        yield client
        client("CLIENT", "UNPAUSE")


def test_pause_write_holds_writes_and_lets_reads_pass(server, paused):
    with server.connect() as writer, server.connect() as reader:
        paused("SET", "k", "old")
        assert paused("CLIENT", "PAUSE", "60000", "WRITE").raw == b"+OK\r\n"
        writer.send("SET", "k", "new")
        assert writer.silent(0.3)
        assert reader("GET", "k").value == b"old"
        assert reader("TTL", "k").value == -1
        assert paused("CLIENT", "UNPAUSE").raw == b"+OK\r\n"
        assert writer.read().raw == b"+OK\r\n"
        assert reader("GET", "k").value == b"new"


def test_pause_write_holds_a_transaction_with_a_write(server, paused):
    with server.connect() as writer, server.connect() as reader:
        writer("MULTI")
        writer("SET", "k", "v")
        paused("CLIENT", "PAUSE", "60000", "WRITE")
        writer.send("EXEC")
        reader("MULTI")
        reader("GET", "k")
        assert reader("EXEC").plain() == [None]
        assert writer.silent(0.2)
        paused("CLIENT", "UNPAUSE")
        assert writer.read().plain() == [b"OK"]


def test_pause_all_holds_everything_until_its_end(server):
    with server.connect() as client, server.connect() as other:
        begun = time.monotonic()
        assert client("CLIENT", "PAUSE", "700").raw == b"+OK\r\n"
        other.send("PING")
        assert other.silent(0.2)
        assert other.read(timeout=20).raw == b"+PONG\r\n"
        assert time.monotonic() - begun > 0.6


def test_pause_ends_by_itself_and_keeps_the_order(server):
    with server.connect() as client, server.connect() as other:
        client("CLIENT", "PAUSE", "500", "WRITE")
        other.send_raw(b"".join(b"*3\r\n$6\r\nAPPEND\r\n$1\r\nk\r\n$1\r\n%c\r\n" % letter for letter in b"abc") + b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
        assert [other.read(timeout=20).raw for _ in range(4)] == [b":1\r\n", b":2\r\n", b":3\r\n", b"$3\r\nabc\r\n"]


def test_pause_does_not_let_keys_expire(server, paused):
    """While writes are paused a key past its deadline is not seen, and is counted until the pause ends."""
    with server.connect() as other:
        other("SET", "k", "v", "PX", "200")
        paused("CLIENT", "PAUSE", "60000", "WRITE")
        time.sleep(0.5)
        assert other("GET", "k").is_null
        assert other("DBSIZE").value == 1
        paused("CLIENT", "UNPAUSE")
        assert other("GET", "k").is_null
        assert eventually(lambda: other("DBSIZE").value == 0)


def test_new_connections_are_accepted_during_a_pause(server, paused):
    paused("CLIENT", "PAUSE", "60000", "WRITE")
    with server.connect() as fresh:
        assert fresh("PING").value == b"PONG"


# --- more than one connection and the data ------------------------------------------------------------------------------------------


def test_swapdb_is_seen_at_once_by_all(server):
    with server.connect() as one, server.connect() as two:
        two("SELECT", "1")
        one("SET", "k", "zero")
        two("SET", "k", "one")
        one("SWAPDB", "0", "1")
        assert (one("GET", "k").value, two("GET", "k").value) == (b"one", b"zero")


def test_increments_of_many_connections_add_up(server):
    connections = [server.connect() for _ in range(20)]
    for connection in connections:
        for _ in range(100):
            connection.send("INCR", "n")
    for connection in connections:
        for _ in range(100):
            connection.read()
    assert connections[0]("GET", "n").value == b"2000"
    for connection in connections:
        connection.close()


def test_optimistic_locking(server):
    """Connections increase a number with WATCH, GET and MULTI, all at the same point at a time: exactly one of them succeeds."""
    connections = [server.connect() for _ in range(10)]
    for round_number in range(20):
        for client in connections:
            client("WATCH", "n")
            assert int(client("GET", "n").value or 0) == round_number
            client("MULTI")
            client("SET", "n", round_number + 1)
        results = [client("EXEC").plain() for client in connections]
        assert results == [[b"OK"]] + [None] * 9
    for connection in connections:
        connection.close()


def test_debug_sleep_blocks_the_server(server):
    with server.connect() as one, server.connect() as two:
        begun = time.monotonic()
        one.send("DEBUG", "SLEEP", "0.5")
        time.sleep(0.1)
        two("PING")
        assert time.monotonic() - begun > 0.45
        assert one.read().raw == b"+OK\r\n"


def test_client_list_text_has_no_stray_lines(server):
    with server.connect() as client:
        text = client("CLIENT", "LIST").plain().decode()
        assert all(re.match(r"id=\d+ addr=", line) for line in text.splitlines())


@pytest.mark.ours
def test_client_kill_by_age(server):
    with server.connect() as old, server.connect() as control:
        time.sleep(1.1)
        with server.connect() as young:
            assert control("CLIENT", "KILL", "MAXAGE", "x").raw == b"-ERR maxage is not an integer or out of range\r\n"
            assert control("CLIENT", "KILL", "MAXAGE", "0").raw == b"-ERR maxage should be greater than 0\r\n"
            assert control("CLIENT", "KILL", "MAXAGE", "1000").raw == b":0\r\n"
            assert control("CLIENT", "KILL", "MAXAGE", "1").raw == b":1\r\n"
            assert is_closed(old) and young("PING").raw == b"+PONG\r\n"
