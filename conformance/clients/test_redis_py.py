"""redis-py: both protocols, its own parser and hiredis, blocking and asyncio."""
import asyncio

import pytest
import redis
import redis.asyncio
from redis._parsers import _HiredisParser, _RESP2Parser

PASSWORD = "open sesame"
VARIANTS = [(protocol, parser) for protocol in (2, 3) for parser in (_RESP2Parser, _HiredisParser)]
ALL_BYTES = bytes(range(256))


@pytest.fixture(params=VARIANTS, ids=["RESP2", "RESP2-hiredis", "RESP3", "RESP3-hiredis"])
def options(request, server):
    protocol, parser = request.param
    # redis-py takes its RESP3 parser in place of its RESP2 parser by itself.
    return {"host": server.host, "port": server.port, "protocol": protocol, "parser_class": parser}


def opened(options, **more):
    options = {**options, **more}
    parser = options.pop("parser_class")
    pool = redis.ConnectionPool(parser_class=parser, **options)
    return redis.Redis(connection_pool=pool)


@pytest.fixture
def r(options):
    client = opened(options)
    yield client
    client.connection_pool.disconnect()


def test_connect(r, options):
    assert r.ping() is True
    assert r.set("k", "v") is True
    assert r.get("k") == b"v" and r.get("absent") is None
    connection = r.connection_pool.get_connection()
    name = "_HiredisParser" if options["parser_class"] is _HiredisParser else f"_RESP{options['protocol']}Parser"
    assert type(connection._parser).__name__ == name
    r.connection_pool.release(connection)
    assert r.client_info()["flags"] == "N"
    assert r.info("server")["redis_mode"] == "standalone"
    named = opened(options, client_name="worker", db=5)
    assert named.client_getname() in (b"worker", "worker")
    assert named.client_info()["db"] in ("5", 5)
    named.connection_pool.disconnect()


@pytest.mark.since72
def test_connect_tells_the_library(r):
    me = r.client_info()
    assert me["lib-name"].startswith("redis-py") and me["lib-ver"] == redis.__version__


def test_connect_with_a_password(options, guarded):
    where = {**options, "port": guarded.port}
    for login in ({"password": PASSWORD}, {"username": "default", "password": PASSWORD}):
        client = opened(where, **login)
        assert client.ping() is True
        client.connection_pool.disconnect()
    for login, error in (({}, redis.AuthenticationError), ({"password": "wrong"}, redis.AuthenticationError)):
        client = opened(where, **login)
        with pytest.raises(error):
            client.ping()
        client.connection_pool.disconnect()


def test_connect_by_url(server):
    client = redis.Redis.from_url(f"redis://{server.host}:{server.port}/7")
    client.set("k", "v")
    assert redis.Redis.from_url(f"redis://{server.host}:{server.port}/7?protocol=2").get("k") == b"v"


def test_pipeline(r):
    with r.pipeline(transaction=False) as pipe:
        for number in range(1000):
            pipe.incrby("n", number)
        pipe.hset("h", mapping={"f": "v"}).hgetall("h")
        results = pipe.execute()
    assert results[:1000] == [number * (number + 1) // 2 for number in range(1000)]
    assert results[1000:] == [1, {b"f": b"v"}]


def test_transaction(r):
    with r.pipeline() as pipe:
        assert pipe.set("a", 1).incr("a").hset("h", "f", "v").hgetall("h").execute() == [True, 2, 1, {b"f": b"v"}]
    with r.pipeline() as pipe:
        pipe.watch("a")
        r.set("a", 5)
        pipe.multi()
        pipe.set("a", 6)
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert r.transaction(lambda pipe: (pipe.multi(), pipe.incr("a")), "a") == [6]
    assert r.get("a") == b"6"


def test_binary(r):
    r.set(ALL_BYTES, ALL_BYTES)
    assert r.get(ALL_BYTES) == ALL_BYTES
    r.hset("h", ALL_BYTES, ALL_BYTES)
    assert r.hgetall("h") == {ALL_BYTES: ALL_BYTES}
    large = ALL_BYTES * 20_000
    r.set("large", large)
    assert r.get("large") == large
    r.set("empty", b"")
    assert r.get("empty") == b""
    assert sorted(r.scan_iter(match="e*")) == [b"empty"]


def test_errors(r):
    r.hset("h", "f", "v")
    with pytest.raises(redis.ResponseError, match="^WRONGTYPE "):
        r.get("h")
    with pytest.raises(redis.ResponseError, match="^unknown command 'NOSUCH', with args beginning with: 'x' "):
        r.execute_command("NOSUCH", "x")
    with pytest.raises(redis.ResponseError, match="^wrong number of arguments for 'get' command"):
        r.execute_command("GET")
    assert r.ping()
    pipe = r.pipeline(transaction=False)
    results = pipe.set("a", 1).get("h").get("a").execute(raise_on_error=False)
    assert results[0] is True and isinstance(results[1], redis.ResponseError) and results[2] == b"1"
    pipe = r.pipeline()
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        pipe.set("a", 2).get("h").execute()
    assert r.get("a") == b"2"
    pipe = r.pipeline()
    with pytest.raises(redis.ResponseError):
        pipe.set("a", 3).execute_command("NOSUCH").execute()
    assert r.get("a") == b"2"


def test_shapes_that_depend_on_the_protocol(r, options):
    r.hset("h", mapping={"a": 1, "b": 2})
    pairs = r.hrandfield("h", 2, withvalues=True)
    flat = [part for pair in pairs for part in pair] if isinstance(pairs[0], list) else pairs
    assert dict(zip(flat[::2], flat[1::2])) == {b"a": b"1", b"b": b"2"}
    assert {k.decode() if isinstance(k, bytes) else k for k in r.config_get("maxmemory*")} >= {"maxmemory", "maxmemory-policy"}
    assert "get" in r.command()
    assert r.command_count() > 50
    assert r.command_getkeys("MSET", "a", "1", "b", "2") in (["a", "b"], [b"a", b"b"])
    assert r.hscan("h")[1] == {b"a": b"1", b"b": b"2"}
    assert r.scan(match="h") in ((0, [b"h"]),)
    assert r.object("encoding", "h") in (b"listpack", "listpack")
    assert r.lcs("absent", "absent2") == b""
    assert isinstance(r.time(), tuple)
    assert r.client_id() > 0 and any(entry["cmd"] == "client|list" for entry in r.client_list())


def test_lock_by_set_nx(r):
    assert r.set("lock", "token", nx=True, px=60_000) is True
    assert r.set("lock", "other", nx=True, px=60_000) is None
    assert 50_000 < r.pttl("lock") <= 60_000
    assert r.getdel("lock") == b"token"
    assert r.set("lock", "other", nx=True, px=60_000) is True


@pytest.mark.parametrize("protocol", [2, 3])
def test_asyncio(server, protocol):
    async def run():
        client = redis.asyncio.Redis(host=server.host, port=server.port, protocol=protocol, max_connections=50)
        assert await client.ping() is True
        for start in range(1, 201, 50):
            assert sorted(await asyncio.gather(*(client.incr("n") for _ in range(50)))) == list(range(start, start + 50))
        async with client.pipeline() as pipe:
            assert await pipe.set("a", ALL_BYTES).get("a").execute() == [True, ALL_BYTES]
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            await client.hset("a", "f", "v")
        await client.aclose()
    asyncio.run(run())
