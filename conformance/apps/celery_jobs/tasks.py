"""Tasks for Celery, with the store as its broker and for its results.

    pip install celery redis
    celery --app tasks worker --concurrency 2
"""
import os

import redis
from celery import Celery

url = os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0")
store = redis.Redis.from_url(url)
app = Celery("shop", broker=url, backend=url)
app.conf.update(
    task_acks_late=True,                        # a task is taken off the queue when it is done, not when it begins
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    result_expires=3600,
    # A task whose worker died goes back into its queue after visibility_timeout. It must be longer than any task takes.
    broker_transport_options={"visibility_timeout": int(os.environ.get("VISIBILITY_SECONDS", "3600")),
                              "unacked_restore_interval": 1, "unacked_restore_throttle": 1},
    broker_connection_retry_on_startup=True,
)


@app.task
def add(a, b):
    store.hincrby("done", f"{a}+{b}")
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=5)
def unlucky(self):
    if store.incr("tries") < 4:
        raise self.retry(countdown=0.1)
    return "lucky"


@app.task
def fail():
    raise ValueError("no such customer")


@app.task
def work_until_told(name):
    """Works until a list named after it has something."""
    store.rpush("begun", name)
    store.blpop(f"go:{name}", 600)
    store.rpush("ended", name)
    return name
