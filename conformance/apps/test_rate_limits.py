"""limits and Flask-Limiter: each strategy is a script or two that count, look and decide at once."""
import asyncio

import pytest
from limits import parse
from limits.aio.storage import RedisStorage as AsyncRedisStorage
from limits.aio.strategies import (FixedWindowRateLimiter as AsyncFixedWindow, MovingWindowRateLimiter as AsyncMovingWindow,
                                   SlidingWindowCounterRateLimiter as AsyncSlidingWindow)
from limits.storage import storage_from_string
from limits.strategies import STRATEGIES

PROCESSES = 4


@pytest.fixture
def limiter(store, strategy):
    return STRATEGIES[strategy](storage_from_string(store.url))


@pytest.mark.parametrize("strategy", STRATEGIES)
class TestLimits:
    def test_all_processes_together_get_what_is_allowed(self, strategy, programs, limiter, load):
        allowed, tries = 300 * load, 150 * load
        limit = f"{allowed} per day"
        takers = [programs("rate_limits", "python", "take.py", strategy, limit, tries) for _ in range(PROCESSES)]
        assert sum(int(one.finish()) for one in takers) == allowed < PROCESSES * tries
        assert limiter.get_window_stats(parse(limit), "user", strategy).remaining == 0
        assert limiter.test(parse(limit), "user", strategy) is False
        limiter.clear(parse(limit), "user", strategy)
        assert limiter.hit(parse(limit), "user", strategy) is True

    def test_costs(self, strategy, limiter):
        """Thousands at once: the moving window puts as many elements into its list."""
        limit = parse("20000 per day")
        for cost, remaining in ((12_000, 8_000), (8_000, 0)):
            assert limiter.hit(limit, "costly", strategy, cost=cost) is True
            assert limiter.get_window_stats(limit, "costly", strategy).remaining == remaining
        assert limiter.hit(limit, "costly", strategy) is False

    def test_a_window_ends(self, strategy, limiter, wait_for):
        limit = parse("3 per second")
        wait_for(lambda: not limiter.hit(limit, "brief", strategy), "a loaded machine never gets four requests into a second")
        wait_for(lambda: limiter.hit(limit, "brief", strategy), "the window does not end")

    def test_with_asyncio(self, strategy, store):
        kinds = {"fixed-window": AsyncFixedWindow, "moving-window": AsyncMovingWindow, "sliding-window-counter": AsyncSlidingWindow}

        async def take():
            storage = AsyncRedisStorage(f"async+{store.url}", implementation="redispy")
            taken = await asyncio.gather(*(kinds[strategy](storage).hit(parse("20 per day"), "async", strategy) for _ in range(50)))
            return sum(taken)
        assert asyncio.run(take()) == 20

    def test_flask_limiter_under_gunicorn(self, strategy, gunicorn):
        site = gunicorn("rate_limits", "app:app", {"STRATEGY": strategy})
        for user in ("ada", "bob"):
            answers = site.together(60, lambda _: site.request("GET", f"/search?user={user}{strategy}")[0])
            assert sorted(set(answers)) == [200, 429] and answers.count(200) == 30, user
