"""channels_redis: its layer on publish and subscribe."""
import json

import pytest

LISTENERS, SPEAKERS = 3, 2


@pytest.mark.parametrize("layer", ["pubsub"])
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
