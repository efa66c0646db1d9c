"""Actors for dramatiq.

    pip install 'dramatiq[redis]'
    dramatiq tasks --processes 2 --threads 4
"""
import os
import time

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import RedisBackend as RedisRateLimits
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend as RedisResults

url = os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0")
store = redis.Redis.from_url(url)
broker = RedisBroker(url=url)
broker.add_middleware(Results(backend=RedisResults(url=url), store_results=True))
dramatiq.set_broker(broker)
printer = ConcurrentRateLimiter(RedisRateLimits(url=url), "printer", limit=1)


@dramatiq.actor
def add(a, b):
    store.hincrby("done", f"{a}+{b}")
    return a + b


@dramatiq.actor(max_retries=5, min_backoff=50, max_backoff=100)
def unlucky():
    if store.incr("tries") < 4:
        raise ConnectionError("try again")
    return "lucky"


@dramatiq.actor(max_retries=100_000, min_backoff=10, max_backoff=50)
def print_page():
    """Raises, and is tried again, while another worker prints."""
    with printer.acquire():
        store.rpush("pages", store.incr("printing"))
        time.sleep(0.005)
        store.decr("printing")
