"""What workers do for a web application.

    pip install rq
    rq worker --url "$STORE_URL" --with-scheduler mail
"""
import os
import time

from redis import Redis
from rq import Queue

store = Redis.from_url(os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0"))
mail = Queue("mail", connection=store)


def send(number):
    store.hincrby("sent", number)
    return number * 2


def send_when_tried_again():
    if store.incr("tries") < 3:
        raise ConnectionError("the mail server is away")
    return "sent"


def total(numbers):
    return sum(numbers)


def count_senders():
    """How many of these jobs run at this moment."""
    count = store.incr("senders")
    time.sleep(0.01)
    store.decr("senders")
    return count


def wait_to_be_stopped():
    store.set("waiting", 1)
    store.blpop("never", 600)
