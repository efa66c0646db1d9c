"""redis-py's Lock: a token set with NX and PX, and three scripts that look at the token before they act."""
import signal

import pytest
import redis
from redis.exceptions import LockError, LockNotOwnedError

PROCESSES = 8


def test_a_thousand_acquisitions_by_eight_processes_have_one_holder_at_a_time(programs, data, load, tmp_path):
    times = 125 * load
    depositors = [programs("lock", "python", "deposit.py", times, tmp_path / "held") for _ in range(PROCESSES)]
    for one in depositors:
        one.finish()        # a second holder would have found the witness there, and failed
    assert int(data.get("account")) == PROCESSES * times, "no deposit is lost"
    assert not data.exists("lock:account")


def test_the_lock_of_a_killed_holder_expires(programs, store, data, wait_for):
    holder = programs("lock", "python", "-c", "import os, redis, signal\n"
                      "store = redis.Redis.from_url(os.environ['STORE_URL'])\n"
                      "store.lock('lock:orphan', timeout=0.5).acquire()\n"
                      "store.set('acquired', 1)\n"
                      "signal.pause()")
    wait_for(lambda: data.exists("acquired"), holder.output)
    holder.process.send_signal(signal.SIGKILL)
    holder.process.wait()
    with data.lock("lock:orphan", timeout=60, sleep=0.01, blocking_timeout=60) as lock:
        assert lock.owned()


@pytest.mark.parametrize("protocol", [2, 3])
def test_only_the_holder_extends_reacquires_and_releases(store, protocol):
    client = redis.Redis.from_url(store.url, protocol=protocol)
    name = f"lock:{protocol}"
    mine, other = client.lock(name, timeout=60), client.lock(name, timeout=60)
    assert mine.acquire() is True and other.acquire(blocking=False) is False
    assert mine.extend(60) is True and 60_000 < client.pttl(name) <= 120_000
    assert mine.extend(30, replace_ttl=True) is True and client.pttl(name) <= 30_000
    assert mine.reacquire() is True and 30_000 < client.pttl(name) <= 60_000
    client.script_flush()       # the scripts are loaded anew when the server says that it does not have them
    assert mine.extend(1) is True

    client.set(name, "token of another", px=60_000)
    for act in (mine.reacquire, mine.release):
        with pytest.raises(LockNotOwnedError):
            act()
    with pytest.raises(LockError):
        other.release()
    assert client.get(name) == b"token of another"
    client.delete(name)
    client.close()
