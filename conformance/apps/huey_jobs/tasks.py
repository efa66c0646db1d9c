"""Tasks for huey.

    pip install huey redis
    huey_consumer tasks.huey -w 2 -k process
"""
import os

import redis
from huey import PriorityRedisHuey, RedisHuey, crontab

url = os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0")
store = redis.Redis.from_url(url)

# PriorityRedisHuey keeps the queue in a sorted set, RedisHuey in a list.
huey = (PriorityRedisHuey if os.environ.get("PRIORITIES") else RedisHuey)("shop", url=url)


@huey.task()
def add(a, b):
    store.hincrby("done", f"{a}+{b}")
    return a + b


@huey.task(retries=5)
def unlucky():
    if store.incr("tries") < 4:
        raise ConnectionError("try again")
    return "lucky"


@huey.task(retries=10_000)
@huey.lock_task("report")
def report():
    """Raises, and is tried again, if another process writes a report now."""
    store.rpush("reports", store.incr("reporting"))
    store.decr("reporting")


@huey.task()
def note(number):
    store.rpush("notes", number)


@huey.periodic_task(crontab(minute="*"))
def every_minute():
    store.incr("minutes")
