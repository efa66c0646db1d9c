"""A chat on Django Channels' layers: python chat.py hear COUNT, or python chat.py say NAME COUNT

    pip install channels channels_redis
"""
import asyncio
import json
import os
import sys

from channels.layers import get_channel_layer
from django.conf import settings

url = os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0")
LAYERS = {
    # Keeps messages in sorted sets until they are read. `capacity`: how many wait for a reader who is slow before more are dropped.
    "core": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [url], "capacity": 100_000}},
    # Passes messages on to those who listen now.
    "pubsub": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [url]}},
}
settings.configure(CHANNEL_LAYERS={"default": LAYERS[os.environ.get("LAYER", "core")]})


async def hear(count):
    layer = get_channel_layer()
    name = await layer.new_channel()
    await layer.group_add("chat", name)
    print(f"ready {name}", flush=True)
    heard = [await layer.receive(name) for _ in range(count)]
    await layer.group_discard("chat", name)
    print(json.dumps([[message["from"], message["number"]] for message in heard]))


async def say(speaker, count):
    layer = get_channel_layer()
    for number in range(count):
        await layer.group_send("chat", {"type": "said", "from": speaker, "number": number})


if __name__ == "__main__":
    asyncio.run(hear(int(sys.argv[2])) if sys.argv[1] == "hear" else say(sys.argv[2], int(sys.argv[3])))
