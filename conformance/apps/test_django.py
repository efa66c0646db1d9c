"""Django's cache and sessions, and django-redis, under gunicorn with four workers; and what their caches can do, from this process."""
import itertools
import json

import pytest
from django.conf import settings
from django.core.cache import CacheHandler

ALIASES = ["default", "django-redis"]
PREFIXES = {"default": "django:1:", "django-redis": "django-redis:1:"}


@pytest.fixture(scope="module")
def site(gunicorn):
    return gunicorn("django_site", "urls:application", {"DJANGO_SETTINGS_MODULE": "site_settings"})


@pytest.fixture(scope="module", params=ALIASES)
def site_with_sessions(gunicorn, request):
    if request.param == "default":
        return request.getfixturevalue("site")
    return gunicorn("django_site", "urls:application", {"DJANGO_SETTINGS_MODULE": "site_settings", "SESSION_CACHE": request.param})


@pytest.fixture(scope="module")
def caches(load_app):
    given = load_app("django_site", "site_settings").CACHES
    if not settings.configured:
        settings.configure()
    handler = CacheHandler(given)
    yield handler
    handler.close_all()


@pytest.fixture(params=ALIASES)
def cache(request, caches):
    yield caches[request.param]
    caches[request.param].clear()


@pytest.mark.parametrize("alias", ALIASES)
def test_counters_and_claims_of_all_workers(alias, site, data, load):
    hits = [json.loads(text) for _, text, _ in site.together(200 * load, lambda _: site.request("GET", f"/hit/{alias}"))]
    assert sorted(hits) == list(range(1, 200 * load + 1))
    claims = [json.loads(text) for _, text, _ in site.together(40, lambda n: site.request("GET", f"/claim/{alias}/{n % 4}"))]
    assert claims.count(True) == 4
    assert data.ttl(PREFIXES[alias] + "hits") == -1 and 0 < data.ttl(PREFIXES[alias] + "claim:0") <= 300


def test_no_deposit_is_lost_under_the_lock_of_django_redis(site, data, load):
    assert {status for status, _, _ in site.together(100 * load, lambda _: site.request("GET", "/deposit"))} == {200}
    assert data.get("django-redis:1:account") == str(100 * load)


def test_a_page_is_made_once_and_served_by_all(site, data):
    first = site.request("GET", "/page/news")[1]
    assert first == "news 1" and set(site.together(100, lambda _: site.request("GET", "/page/news")[1])) == {first}


def test_sessions_go_from_worker_to_worker_and_outlive_them(site_with_sessions, data, load):
    site = site_with_sessions

    def visit(cookie, name, number):
        *answer, pid = json.loads(site.request("GET", "/visit", cookie)[1])
        assert answer == [name, number]
        return pid

    def user(number):
        cookie = site.request("GET", f"/login/user-{number}")[2]
        for i in range(1, 11):
            visit(cookie, f"user-{number}", i)
        return cookie
    cookies = site.together(20 * load, user)
    numbers = itertools.count(11)
    workers = site.ask_each_worker(lambda: visit(cookies[0], "user-0", next(numbers)))
    site.kill_worker(workers[0])
    assert workers[0] not in site.together(20 * load, lambda n: visit(cookies[n], f"user-{n}", 11 if n else next(numbers)))
    site.request("GET", "/logout", cookies[0])
    assert json.loads(site.request("GET", "/visit", cookies[0])[1])[0] is None


def test_what_both_caches_can_do(cache):
    cache.set("a", {"any": ["object"]}, timeout=100)
    assert cache.get("a") == {"any": ["object"]} and cache.get("absent", "default") == "default" and "a" in cache
    assert cache.add("a", 1) is False and cache.add("b", 1, timeout=100) is True
    assert cache.incr("b", 5) == 6 and cache.decr("b", 2) == 4
    with pytest.raises(ValueError):
        cache.incr("absent")
    assert cache.touch("b", 200) is True and cache.touch("absent", 200) is False
    assert cache.get_or_set("c", lambda: "made", 100) == "made" and cache.get("c") == "made"
    cache.set_many({f"n{i}": i for i in range(100)}, timeout=100)
    assert cache.get_many([f"n{i}" for i in range(101)]) == {f"n{i}": i for i in range(100)}
    cache.delete_many([f"n{i}" for i in range(50)])
    assert len(cache.get_many([f"n{i}" for i in range(100)])) == 50
    cache.set("v", "old", version=1)
    assert cache.incr_version("v") == 2 and cache.get("v", version=2) == "old" and cache.get("v") is None
    assert cache.delete("a") is True and cache.delete("a") is False
    cache.set("now", 1, timeout=0)
    assert cache.get("now") is None


def test_what_django_redis_adds(caches):
    cache = caches["django-redis"]
    cache.set("k", "v", timeout=100)
    assert 0 < cache.ttl("k") <= 100 and 0 < cache.pttl("k") <= 100_000 and cache.ttl("absent") == 0
    assert cache.expire("k", 50) is True and cache.ttl("k") <= 50
    assert cache.persist("k") is True and cache.ttl("k") is None
    assert not cache.set("k", "other", nx=True) and cache.set("k", "other", xx=True) is True
    cache.set_many({f"user:{i}": i for i in range(500)})
    assert len(cache.keys("user:*")) == 500
    assert {key for key in cache.iter_keys("user:*", itersize=50)} == {f"user:{i}" for i in range(500)}
    assert cache.delete_pattern("user:1*", itersize=50) == 111 and len(cache.keys("user:*")) == 389
    cache.set("text", 1)
    assert cache.incr("text") == 2 and cache.ttl("text") <= 300
    assert cache.sadd("set", 1, 2, 3) == 3 and cache.smembers("set") == {1, 2, 3} and cache.sismember("set", 2) is True
    assert cache.hset("hash", "field", {"x": 1}) == 1 and cache.hexists("hash", "field") is True and cache.hlen("hash") == 1
    with cache.lock("a lock", timeout=10) as lock:
        assert lock.owned() and cache.lock("a lock", timeout=10).acquire(blocking=False) is False
    assert cache.lock("a lock", timeout=10).acquire(blocking=False) is True
    cache.clear()
