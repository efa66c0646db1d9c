"""Celery: queues are lists, what workers took is kept in a hash and a sorted set, and channels carry commands to workers and results."""
import pytest
from celery import chain, chord, group

WORKERS = 2


@pytest.fixture(scope="module")
def tasks(load_app):
    return load_app("celery_jobs", "tasks")


@pytest.fixture(scope="module")
def worker(programs):
    """Starts a worker with two processes."""
    def start(name, *options, environment=None):
        return programs("celery_jobs", "python", "-m", "celery", "--app", "tasks", "worker", "--concurrency", 2,
                        "--hostname", f"{name}@here", "--loglevel", "INFO", *options, environment=environment)
    return start


@pytest.fixture(scope="module")
def workers(worker, wait_for):
    started = [worker(f"worker-{i}") for i in range(WORKERS)]
    for one in started:
        wait_for(lambda: "@here ready" in one.output(), one.output)
    return started


def test_each_task_is_done_once_and_gives_its_result(tasks, workers, data, patience, load):
    count = 100 * load
    results = group(tasks.add.s(number, 1) for number in range(count)).apply_async()
    assert results.get(timeout=patience) == [number + 1 for number in range(count)]
    assert data.hgetall("done") == {f"{number}+1": "1" for number in range(count)}
    results.forget()


def test_a_chord_runs_its_body_once_after_all_its_parts(tasks, workers, data, patience, load):
    chords = [chord((tasks.add.s(number, 1000 + i) for number in range(10)), tasks.total.s()).apply_async() for i in range(5 * load)]
    assert [result.get(timeout=patience) for result in chords] == [45 + 10 * (1000 + i) for i in range(5 * load)]


def test_chains_errors_and_retries(tasks, workers, data, patience):
    assert chain(tasks.add.s(5000, 1), tasks.add.s(10), tasks.add.s(100)).apply_async().get(timeout=patience) == 5111
    assert tasks.unlucky.delay().get(timeout=patience) == "lucky" and data.get("tries") == "4"
    with pytest.raises(ValueError, match="no such customer"):
        tasks.fail.delay().get(timeout=patience)


def test_workers_answer_questions_and_commands(tasks, workers, patience):
    names = {f"worker-{i}@here" for i in range(WORKERS)}
    seen = {}
    for answer in tasks.app.control.ping(limit=WORKERS, timeout=patience):
        seen.update(answer)
    assert seen == {name: {"ok": "pong"} for name in names}
    inspect = tasks.app.control.inspect(limit=WORKERS, timeout=patience)
    assert {name: [queue["name"] for queue in queues] for name, queues in inspect.active_queues().items()} == \
        {name: ["celery"] for name in names}


def test_a_worker_that_is_told_to_end_finishes_its_tasks_and_leaves_the_rest(tasks, worker, data, wait_for, patience):
    names = [f"warm-{i}" for i in range(6)]
    results = [tasks.work_until_told.apply_async((name,), queue="restarts") for name in names]
    first = worker("first", "--queues", "restarts")
    wait_for(lambda: data.llen("begun") == 2, first.output)
    first.ask_to_end()
    wait_for(lambda: "Warm shutdown" in first.output(), first.output)
    for name in names:
        data.rpush(f"go:{name}", "go")
    first.finish()
    assert sorted(data.lrange("ended", 0, -1)) == sorted(data.lrange("begun", 0, -1)), "what had begun has ended"
    second = worker("second", "--queues", "restarts")
    assert [result.get(timeout=patience) for result in results] == names
    assert sorted(data.lrange("ended", 0, -1)) == names, second.output()
    assert second.stop() is None
    wait_for(lambda: not data.exists("unacked", "unacked_index"), "tasks are still kept as unacknowledged")


def test_the_tasks_of_a_killed_worker_are_done_by_its_successor(tasks, worker, data, wait_for, patience):
    data.delete("begun", "ended")
    results = [tasks.work_until_told.apply_async((name,), queue="losses") for name in ("lost-1", "lost-2")]
    first = worker("third", "--queues", "losses")
    wait_for(lambda: data.llen("begun") == 2, first.output)
    first.kill()
    assert data.hlen("unacked") == 2
    for name in ("lost-1", "lost-2"):       # more than once: the killed worker may still be waiting as far as the server knows
        data.rpush(f"go:{name}", *["go"] * 20)
    second = worker("fourth", "--queues", "losses", environment={"VISIBILITY_SECONDS": "2"})
    assert [result.get(timeout=patience) for result in results] == ["lost-1", "lost-2"]
    assert set(data.lrange("ended", 0, -1)) == {"lost-1", "lost-2"}, second.output()
