"""Deposits into an account that many processes share, each time under a lock: python deposit.py TIMES WITNESS

WITNESS is a path in a folder that all processes see: a file there tells, without the store, that somebody holds the lock.
"""
import os
import sys

import redis

store = redis.Redis.from_url(os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0"))


def deposit(amount, witness):
    # `timeout`: when the lock ends if its holder dies; `sleep`: between two tries; `blocking_timeout`: how long to try.
    with store.lock("lock:account", timeout=60, sleep=0.002, blocking_timeout=60):
        os.close(os.open(witness, os.O_CREAT | os.O_EXCL))
        balance = int(store.get("account") or 0)
        store.set("account", balance + amount)
        os.unlink(witness)


if __name__ == "__main__":
    for _ in range(int(sys.argv[1])):
        deposit(1, sys.argv[2])
