"""Reads settings through a cache in its own memory, which the server keeps fresh: python reader.py NAMES LAST_VERSION

Writes each version that it sees and how often it asked, as JSON, when all settings have come to LAST_VERSION.
"""
import json
import os
import sys

import redis
from redis.cache import CacheConfig

# Client-side caching needs RESP3: the server pushes the names of keys that have changed.
store = redis.Redis.from_url(os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0"), protocol=3, decode_responses=True,
                             cache_config=CacheConfig(max_size=10_000))

if __name__ == "__main__":
    names, last = [f"setting:{i}" for i in range(int(sys.argv[1]))], int(sys.argv[2])
    seen = {name: [] for name in names}
    reads = 0
    store.rpush("readers", os.getpid())
    while any(versions[-1:] != [last] for versions in seen.values()):
        for name in names:
            version = int(store.get(name))
            reads += 1
            if seen[name][-1:] != [version]:
                seen[name].append(version)
    print(json.dumps({"reads": reads, "seen": seen}))
