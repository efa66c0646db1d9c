"""DEBUG RELOAD: after all data was saved and loaded again both servers show what they showed before, in every type and encoding."""
import pytest

from differential.test_dump import RECIPES, encoding, made
from support.effects import recorded


def without_active_times(shown):
    """When a consumer was active has no place in the form that Redis 7.0 reads."""
    if not isinstance(shown, list):
        return shown
    place = shown.index(b"active-time") if b"active-time" in shown else len(shown)
    return [without_active_times(part) for index, part in enumerate(shown) if index not in (place, place + 1)]


def picture(connection, keys):
    """What reloading must not change."""
    shown = [connection("DEBUG", "DIGEST").plain(), connection("DBSIZE").plain(), connection("SELECT", 3).plain(), connection("DBSIZE").plain()]
    connection("SELECT", 0)
    for key in keys:
        kind = connection("TYPE", key).plain()
        shown.append([key, kind, connection("PEXPIRETIME", key).plain(), connection("DEBUG", "DIGEST-VALUE", key).plain()])
        if kind == b"stream":
            shown.append(without_active_times(connection("XINFO", "STREAM", key, "FULL", "COUNT", 0).plain()[8:]))
    return shown


def filled(connection):
    for name, recipe in RECIPES.items():
        made(connection, recipe)
        connection("RENAME", "k", name)
    connection("SET", "stays for long", "v", "PXAT", 32503680000000)
    connection("SELECT", 3)
    connection("SET", "in another database", 1)
    connection("SELECT", 0)
    return [*RECIPES, "stays for long"]


def test_everything_is_there_again(server, reference):
    with server.connect() as ours, reference.connect() as theirs:
        for connection in (ours, theirs):
            keys = filled(connection)
            before = picture(connection, keys)
            assert connection("DEBUG", "RELOAD").value == b"OK"
            assert picture(connection, keys) == before
        assert ours("DEBUG", "DIGEST").plain() == theirs("DEBUG", "DIGEST").plain()
        for key in keys:
            packed_since_7_2 = key.startswith(("set packed", "list packed"))
            assert encoding(ours, key) == (b"listpack" if packed_since_7_2 else encoding(theirs, key)), key


@pytest.mark.parametrize("options", [["MERGE"], ["merge", "noflush"]])
def test_what_is_there_gives_way(options, server, reference):
    with server.connect() as ours, reference.connect() as theirs:
        for connection in (ours, theirs):
            keys = filled(connection)
            before = picture(connection, keys)
            assert connection("DEBUG", "RELOAD", *options).value == b"OK"
            assert picture(connection, keys) == before


def test_other_options_are_refused(server, reference):
    with server.connect() as ours, reference.connect() as theirs:
        for connection in (ours, theirs):
            connection("SET", "k", "v")
            reply = connection("DEBUG", "RELOAD", "NOFLUSHING")
            assert reply.value == b"ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."
            assert connection("GET", "k").value == b"v"


def test_keys_that_are_due_do_not_come_back(server, reference):
    with server.connect() as ours, reference.connect() as theirs:
        for connection in (ours, theirs):
            connection("DEBUG", "SET-ACTIVE-EXPIRE", 0)
            connection("SET", "due", "v", "PX", 1)
            connection("SET", "stays", "v")
            connection("DEBUG", "SLEEP", 0.01)
            assert connection("DBSIZE").value == 2
            assert connection("DEBUG", "RELOAD").value == b"OK"
            assert connection("DBSIZE").value == 1
            connection("DEBUG", "SET-ACTIVE-EXPIRE", 1)


@pytest.mark.ours
@pytest.mark.parametrize("options", [[], ["MERGE"]])
def test_what_expires_by_it_is_told_of(options, server):
    with server.connect() as control, server.connect() as client:
        with recorded(control) as effects:
            client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
            client("SET", "due", "v", "PX", 1)
            client("HSET", "hash", "due", 1, "stays", 2)
            client("HPEXPIRE", "hash", 1, "FIELDS", 1, "due")
            client("SET", "stays", "v", "EX", 1000)
            client("DEBUG", "SLEEP", 0.01)
            assert client("DEBUG", "RELOAD", *options).value == b"OK"
            client("DEBUG", "SET-ACTIVE-EXPIRE", 1)
            assert effects.log()[-2:] in ([[b"DEL", b"due"], [b"HDEL", b"hash", b"due"]], [[b"HDEL", b"hash", b"due"], [b"DEL", b"due"]])
            effects.check()


def test_a_watched_key_counts_as_changed(server, reference):
    with server.connect() as ours, reference.connect() as theirs:
        for connection in (ours, theirs):
            connection("SET", "k", "v")
            connection("WATCH", "k")
            connection("DEBUG", "RELOAD")
            connection("MULTI")
            connection("GET", "k")
            assert connection("EXEC").plain() is None
