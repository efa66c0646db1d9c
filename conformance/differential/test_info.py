"""INFO: the promised sections have the fields of the reference, in its form, and tell the truth."""
import re
import time

import pytest

from support.promised import INFO_SECTIONS
from support.resp import eventually

# Names of the build, of whatever form.
BUILD = {"redis_build_id", "redis_git_sha1"}


def info(connection, *sections):
    """Sections as {title: {field: text}}."""
    reply = connection("INFO", *sections)
    found, title = {}, None
    for line in reply.plain().decode().split("\r\n"):
        if line.startswith("# "):
            title = line[2:]
            assert title not in found
            found[title] = {}
        elif line:
            name, value = line.split(":", 1)
            assert name not in found[title], f"{name} twice"
            found[title][name] = value
    return found


def kind(text):
    """What a value looks like: a number, a size with its unit, a list of fields, a word."""
    for name, expression in (("integer", r"-?\d+"), ("decimal", r"-?\d+\.\d+"), ("percentage", r"\d+\.\d+%"),
                             ("size", r"\d+(\.\d+)?[BKMGT]"), ("fields", r"\w+=[^,]*(,[\w.]+=[^,]*)*")):
        if re.fullmatch(expression, text):
            return name
    return "text"


@pytest.mark.ours
@pytest.mark.parametrize("peer", ["reference", "newer_redis"])
@pytest.mark.parametrize("section", "server clients memory persistence stats replication cpu cluster threads".split())
def test_fields(section, peer, server, request):
    with server.connect() as tested, request.getfixturevalue(peer).connect() as other:
        ours, theirs = info(tested, section), info(other, section)
    if not theirs:
        return      # which that one does not have yet
    assert list(ours) == list(theirs)
    (ours,), (theirs,) = ours.values(), theirs.values()
    wanted = {name: kind(value) for name, value in theirs.items() if name not in BUILD}
    assert BUILD & set(theirs) <= set(ours)
    assert wanted.items() <= {name: kind(value) for name, value in ours.items()}.items(), \
        {name: (theirs[name], ours.get(name)) for name in wanted if name not in ours or kind(ours[name]) != wanted[name]}


def test_default_and_all_and_everything(server, reference):
    with server.connect() as tested, reference.connect() as other:
        for argument in ((), ("default",), ("all",), ("everything",)):
            titles = set(info(other, *argument))
            promised = {title for title in titles if title.lower() in INFO_SECTIONS}
            found = set(info(tested, *argument))
            assert promised <= found, argument
            assert ("Commandstats" in found) == ("Commandstats" in titles), argument
            # Sections come in the order in which the reference has them.
        both = [title for title in info(other) if title in info(tested)]
        assert [title for title in info(tested) if title in both] == both


def test_several_sections_come_once_each(client):
    assert set(info(client, "server", "CPU", "server", "nosuch")) == {"Server", "CPU"}


def test_identity(server, client, version):
    fields = info(client, "server")["Server"]
    assert fields["redis_mode"] == "standalone"
    assert tuple(map(int, fields["redis_version"].split(".")))[:2] == version
    assert re.fullmatch(r"[0-9a-f]{40}", fields["run_id"])
    assert int(fields["process_id"]) == server.pid
    assert int(fields["tcp_port"]) == server.port
    assert fields["os"].startswith("Linux ") and fields["arch_bits"] == "64" and fields["multiplexing_api"] == "epoll"
    assert abs(int(fields["server_time_usec"]) / 1e6 - time.time()) < 5


@pytest.mark.ours
def test_own_name_and_version_in_extra_fields(client, server):
    fields = info(client, "server")["Server"]
    assert fields["server_name"] == "resp-server", "the name of the program has a field of its own"
    assert fields["redis_version"].startswith("7.4.")


def test_hello_and_info_agree(server):
    with server.connect(3) as client:
        hello = client("HELLO", "3").plain()
        assert hello[b"server"] == b"redis"
        assert hello[b"version"].decode() == info(client, "server")["Server"]["redis_version"]
        assert hello[b"proto"] == 3
        assert hello[b"mode"] == b"standalone" and hello[b"role"] == b"master" and hello[b"modules"] == []
        assert hello[b"id"] == client("CLIENT", "ID").value


def test_clients_are_counted(server):
    with server.connect() as one:
        before = int(info(one, "clients")["Clients"]["connected_clients"])
        more = [server.connect() for _ in range(5)]
        assert int(info(one, "clients")["Clients"]["connected_clients"]) == before + 5
        for connection in more:
            connection.close()
        assert eventually(lambda: int(info(one, "clients")["Clients"]["connected_clients"]) == before)


@pytest.mark.ours
def test_fields_of_newer_versions(server, newer_redis):
    """All that Redis 8.2 tells, but for its histograms of latencies, and for modules."""
    with server.connect() as tested, newer_redis.connect() as other:
        ours, theirs = info(tested, "everything"), info(other, "everything")
    for title in ("Commandstats", "Errorstats", "Keyspace", "Latencystats", "Modules"):
        ours.pop(title, None)
        theirs.pop(title, None)
    assert set(theirs) <= set(ours)
    assert [title for title in ours if title in theirs] == list(theirs)
    missing = {(title, name) for title, fields in theirs.items() for name in fields if name not in ours[title]}
    assert not missing
    for title in ("Clients", "Memory", "Threads"):
        assert {name: kind(value) for name, value in theirs[title].items()}.items() <= \
            {name: kind(value) for name, value in ours[title].items()}.items()


@pytest.mark.ours
def test_reads_and_writes_are_counted(server, newer_redis):
    names = ("total_reads_processed", "total_writes_processed")
    for one in (server, newer_redis):
        with one.connect() as client:
            before = info(client, "stats")["Stats"]
            for _ in range(10):
                client("PING")
            sections = info(client, "stats", "threads")
            after = sections["Stats"]
            fields = {**after, **sections["Threads"]}
            assert [int(fields[name]) - int(before[name]) for name in names] == [11, 11]
            assert fields["io_thread_0"].startswith("clients=1,reads=")
            assert int(after["eventloop_cycles"]) - int(before["eventloop_cycles"]) >= 11
            assert int(after["eventloop_duration_sum"]) >= int(before["eventloop_duration_sum"])


@pytest.mark.ours
def test_the_time_of_the_peak(start):
    with start().connect() as client:
        begin = time.time()
        client("SET", "k", "v" * 40_000_000)
        fields = info(client, "memory")["Memory"]
        assert int(fields["used_memory_peak"]) > 40_000_000
        assert begin - 2 <= int(fields["used_memory_peak_time"]) <= time.time() + 2


def test_counters(client):
    client("CONFIG", "RESETSTAT")
    client("SET", "k", "v")
    client("GET", "k")
    client("GET", "k")
    client("GET", "absent")
    client("EXISTS", "k", "absent")
    client("SET", "gone", "v", "PX", "1")
    time.sleep(0.1)
    client("GET", "gone")
    client("NOSUCH")
    stats = info(client, "stats")["Stats"]
    assert (stats["keyspace_hits"], stats["keyspace_misses"]) == ("3", "3")
    assert stats["expired_keys"] == "1"
    assert stats["total_error_replies"] == "1"
    assert int(stats["total_net_input_bytes"]) > 100 and int(stats["total_net_output_bytes"]) > 20
    assert stats["rejected_connections"] == "0"
    # RESETSTAT itself is counted again; the unknown command was not processed, and neither, yet, is this INFO.
    assert int(stats["total_commands_processed"]) == 8


def test_connections_are_counted(server):
    with server.connect() as client:
        client("CONFIG", "RESETSTAT")
        for _ in range(3):
            with server.connect() as other:
                other("PING")
        assert info(client, "stats")["Stats"]["total_connections_received"] == "3"


def test_command_statistics(server, reference):
    script = [("CONFIG", "RESETSTAT"), ("SET", "k", "v"), ("set", "k", "w"), ("GET", "k"), ("GET",), ("GET", "a", "b"), ("HGET", "k", "f"),
              ("CONFIG", "GET", "port"), ("CONFIG", "NOSUCH"), ("NOSUCH",), ("MULTI",), ("GET", "k"), ("LPUSHX-NOT-THERE",), ("EXEC",),
              ("OBJECT", "ENCODING", "absent"), ("INCR", "k")]
    tables = []
    for one in (server, reference):
        with one.connect() as client:
            for command in script:
                client(*command)
            table = info(client, "commandstats")["Commandstats"]
        assert all(re.fullmatch(r"calls=\d+,usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls=\d+,failed_calls=\d+", value)
                   for value in table.values())
        tables.append({name: re.sub(r"usec=\d+,usec_per_call=[\d.]+", "", value) for name, value in table.items()})
    assert tables[0] == tables[1]


def test_memory(server):
    with server.connect() as client:
        before = info(client, "memory")["Memory"]
        with server.connect() as writer:
            writer("SET", "k", "v" * 10_000_000)
        assert eventually(lambda: int(info(client, "clients")["Clients"]["connected_clients"]) == 1)
        after = info(client, "memory")["Memory"]
        # What is resident is asked for a few times a second, by redis-server too.
        assert eventually(lambda: int(info(client, "memory")["Memory"]["used_memory_rss"]) == pytest.approx(server.resident_bytes(), rel=0.3))
        client("DEL", "k")
        freed = eventually(lambda: int(info(client, "memory")["Memory"]["used_memory"]) - int(before["used_memory"]) < 1_000_000)
    grown = int(after["used_memory"]) - int(before["used_memory"])
    assert 10_000_000 <= grown < 14_000_000
    assert int(after["used_memory_peak"]) >= int(after["used_memory"])
    assert freed
    assert after["maxmemory"] == "0" and after["maxmemory_human"] == "0B" and after["maxmemory_policy"] == "noeviction"


@pytest.mark.ours
def test_wrong_passwords_are_counted(server, newer_redis):
    for one in (newer_redis, server):
        with one.connect() as client:
            def denied():
                return int(info(client, "stats")["Stats"]["acl_access_denied_auth"])
            before = denied()
            client("AUTH", "nobody", "x")
            client("HELLO", "2", "AUTH", "nobody", "x")
            client("AUTH", "default", "whatever it is, as none is set")
            assert denied() == before + 2


def test_mean_time_to_live(server, reference):
    for one in (reference, server):
        with one.connect() as client:
            for number in range(200):
                client("SET", f"k{number}", "v", "PX", 400_000 + number * 1000)
                client("SET", f"other{number}", "v")

            def mean():
                return int(re.search(r"avg_ttl=(\d+)", info(client, "keyspace")["Keyspace"]["db0"])[1])
            assert eventually(lambda: 440_000 < mean() < 560_000), mean()
            client("PERSIST", "k0")
            client("FLUSHDB")
            client("SET", "k", "v")
            assert info(client, "keyspace")["Keyspace"]["db0"].startswith("keys=1,expires=0,avg_ttl=0")


@pytest.mark.ours
def test_debug_section(server, newer_redis):
    """What the turns of the loop took: told only to who asks for it."""
    for one in (newer_redis, server):
        with one.connect() as client:
            assert "Debug" not in info(client, "everything")
            client("CONFIG", "RESETSTAT")
            client.pipeline([("PING",)] * 20)
            client("DEBUG", "SLEEP", "0.02")
            fields = info(client, "debug")["Debug"]
            assert int(fields["eventloop_duration_max"]) >= 20_000 and int(fields["eventloop_cmd_per_cycle_max"]) >= 1
            assert int(fields["eventloop_duration_aof_sum"]) >= 0 and int(fields["eventloop_duration_cron_sum"]) >= 0


@pytest.mark.parametrize("which", ["server", "reference"])
def test_objects_that_are_freed_in_the_background(which, request):
    """Values count one by one, dropped databases by their keys, and where both go, each key counts once."""
    connection = request.getfixturevalue(which).connect()
    connection("CONFIG", "RESETSTAT")

    def freed():
        fields = info(connection, "memory")["Memory"]
        return fields["lazyfree_pending_objects"] == "0" and int(fields["lazyfreed_objects"])
    assert eventually(lambda: freed() is not False)
    before = freed()
    for number in range(3):
        connection("SADD", f"set:{number}", *range(5000))
    connection("UNLINK", "set:0")
    assert eventually(lambda: freed() == before + 1)
    for number in range(100):
        connection("SET", f"key:{number}", "v")
    connection("SELECT", 1)
    connection("SET", "stays", "v")
    connection("SELECT", 0)
    connection("FLUSHDB", "ASYNC")
    assert eventually(lambda: freed() == before + 1 + 102)
    for number in range(50):
        connection("SET", f"key:{number}", "v")
    connection("SADD", "set", *range(5000))
    connection("FLUSHALL", "ASYNC")
    assert eventually(lambda: freed() == before + 1 + 102 + 52)
    connection("CONFIG", "RESETSTAT")
    assert freed() == 0


@pytest.mark.ours
def test_broken_watches_are_not_counted(server, newer_redis):
    """Whoever watches a key that was changed watches nothing any more, nor more when watching others."""
    figures = []
    for one in (server, newer_redis):
        told = []
        with one.connect() as first, one.connect() as second, one.connect() as writer:
            def look():
                fields = info(writer, "clients")["Clients"]
                told.append((fields["watching_clients"], fields["total_watched_keys"]))
            first("WATCH", "a", "b", "c")
            second("WATCH", "b", "d")
            look()
            writer("SET", "a", "1")
            look()
            first("WATCH", "e")
            look()
            second("UNWATCH")
            look()
            first("UNWATCH")
            look()
        figures.append(told)
    assert figures[1] == [("2", "4"), ("1", "2"), ("1", "2"), ("0", "0"), ("0", "0")]
    assert figures[0] == figures[1]
