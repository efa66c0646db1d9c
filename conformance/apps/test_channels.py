"""channels_redis: a layer on sorted sets and blocking pops with scripts that know their keys only from ARGV, and one on channels."""
import asyncio
import json

import pytest
from channels_redis.core import RedisChannelLayer

LISTENERS, SPEAKERS = 3, 2


@pytest.mark.parametrize("layer", ["core", "pubsub"])
def test_everybody_in_the_group_hears_everything_in_order(layer, programs, wait_for, load):
    count = 100 * load
    environment = {"LAYER": layer}
    listeners = [programs("channels_group", "python", "chat.py", "hear", SPEAKERS * count, environment=environment)
                 for _ in range(LISTENERS)]
    wait_for(lambda: all("ready" in one.output() for one in listeners), lambda: "\n".join(one.output() for one in listeners))
    speakers = [programs("channels_group", "python", "chat.py", "say", f"speaker {i}", count, environment=environment)
                for i in range(SPEAKERS)]
    for one in speakers:
        one.finish()
    for one in listeners:
        heard = json.loads(one.finish().splitlines()[-1])
        for i in range(SPEAKERS):
            assert [number for speaker, number in heard if speaker == f"speaker {i}"] == list(range(count))


def test_messages_over_the_capacity_are_dropped(store):
    async def run():
        layer = RedisChannelLayer(hosts=[store.url], capacity=5)
        name = await layer.new_channel()
        await layer.group_add("small", name)
        for number in range(10):
            await layer.group_send("small", {"type": "said", "number": number})
        heard = [(await layer.receive(name))["number"] for _ in range(5)]
        await layer.group_send("small", {"type": "said", "number": "last"})
        heard.append((await layer.receive(name))["number"])
        await layer.close_pools()
        return heard
    assert asyncio.run(run()) == [0, 1, 2, 3, 4, "last"]


def test_messages_that_nobody_reads_expire(store, data, wait_for):
    async def run():
        layer = RedisChannelLayer(hosts=[store.url], expiry=1, prefix="brief")
        name = await layer.new_channel()
        await layer.group_add("brief", name)
        await layer.group_send("brief", {"type": "said", "number": 1})
        await layer.close_pools()
    asyncio.run(run())
    assert data.exists("brief:group:brief")
    wait_for(lambda: data.keys("brief:specific*") == [], "they stay")
