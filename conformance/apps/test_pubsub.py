"""Publish and subscribe through Debian's node-redis and php-redis, in both directions."""
import json
import os

NODE = {"NODE_PATH": "/usr/share/nodejs:" + os.environ.get("NODE_PATH", "")}    # where Debian installs what Node is to find
SUBSCRIBERS = 2     # of each language


def test_every_subscriber_hears_every_message_in_order(programs, data, wait_for, load):
    count = 1000 * load
    channels = ["news:node:0", "news:node:1", "news:php:0", "news:php:1"]
    subscribers = [programs("pubsub", "node", "subscriber.js", len(channels), count, environment=NODE) for _ in range(SUBSCRIBERS)]
    subscribers += [programs("pubsub", "php", "subscriber.php", count, *channels) for _ in range(SUBSCRIBERS)]
    wait_for(lambda: len(data.client_list(_type="pubsub")) == 2 * SUBSCRIBERS
             and data.pubsub_numsub(*channels) == [(name, SUBSCRIBERS) for name in channels],
             lambda: "\n".join(one.output() for one in subscribers))
    assert data.pubsub_numpat() == 1
    assert sorted(data.pubsub_channels("news:*")) == channels

    publishers = [programs("pubsub", *(("node", "publisher.js") if ":node:" in name else ("php", "publisher.php")), name, count,
                           environment=NODE) for name in channels]
    for one in publishers:
        heard_by = json.loads(one.finish())
        assert len(heard_by) == count and max(heard_by) == 2 * SUBSCRIBERS
    for one in subscribers:
        assert json.loads(one.finish()) == {name: list(range(1, count + 1)) for name in channels}
    wait_for(lambda: data.pubsub_numpat() == 0 and data.pubsub_channels() == [], "subscriptions outlive their clients")
