"""Takes what a limit allows, as one of several processes: python take.py STRATEGY LIMIT TRIES. Writes how often it was allowed.

    pip install limits redis
"""
import os
import sys

from limits import parse
from limits.storage import storage_from_string
from limits.strategies import STRATEGIES

storage = storage_from_string(os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0"))

if __name__ == "__main__":
    strategy, limit, tries = sys.argv[1:]
    limiter = STRATEGIES[strategy](storage)
    print(sum(limiter.hit(parse(limit), "user", strategy) for _ in range(int(tries))))
