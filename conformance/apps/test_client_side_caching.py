"""redis-py's client-side caching: CLIENT TRACKING over RESP3, with pushes that take keys out of the cache.

redis-py offers it for Redis 7.4 and later only.
"""
import json

import pytest
import redis
from redis.cache import CacheConfig

pytestmark = pytest.mark.since74
PROCESSES = 4
KEYS = 10


def gets(data):
    return data.info("commandstats").get("cmdstat_get", {"calls": 0})["calls"]


def test_readers_see_every_change_in_order_and_ask_only_after_a_change(programs, data, wait_for, load):
    rounds = 100 * load
    names = [f"setting:{i}" for i in range(KEYS)]
    data.mset({name: 0 for name in names})
    before = gets(data)
    readers = [programs("cache", "python", "reader.py", KEYS, rounds) for _ in range(PROCESSES)]
    wait_for(lambda: data.llen("readers") == PROCESSES, lambda: "\n".join(one.output() for one in readers))
    for version in range(1, rounds + 1):
        for name in names:
            data.set(name, version)
    reads = 0
    for one in readers:
        told = json.loads(one.finish())
        reads += told["reads"]
        for name, versions in told["seen"].items():
            assert versions == sorted(set(versions)) and versions[-1] == rounds, f"{name} went back in time"
    asked = gets(data) - before
    assert PROCESSES * KEYS <= asked <= PROCESSES * KEYS * (rounds + 1), f"{asked} requests for {reads} reads"


@pytest.fixture
def cached(store):
    client = redis.Redis.from_url(store.url, protocol=3, decode_responses=True, cache_config=CacheConfig())
    yield client
    client.close()


def test_a_cached_value_is_read_without_asking_until_somebody_changes_it(cached, data, wait_for):
    data.set("theme", "dark")
    data.hset("user", mapping={"name": "ada", "visits": 1})
    assert cached.get("theme") == "dark" and cached.hget("user", "name") == "ada"
    before = gets(data)
    assert [cached.get("theme") for _ in range(1000)] == ["dark"] * 1000
    assert gets(data) == before and cached.get_cache().size == 2
    data.set("theme", "light")
    wait_for(lambda: cached.get("theme") == "light", "the change does not arrive")
    data.hset("user", "name", "bob")
    wait_for(lambda: cached.hget("user", "name") == "bob", "the change of a field does not arrive")
    data.delete("theme")
    wait_for(lambda: cached.get("theme") is None, "the removal does not arrive")


def test_expiry_and_a_flush_empty_the_cache(cached, data, wait_for):
    data.set("token", "x", px=300)
    data.set("theme", "dark")
    assert cached.get("theme") == "dark"
    wait_for(lambda: cached.get("token") is None, "the expired key is still served")
    data.flushall()
    wait_for(lambda: cached.get("theme") is None, "flushed keys are still served")
