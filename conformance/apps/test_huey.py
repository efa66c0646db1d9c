"""huey: a list or a sorted set as queue, hashes of results, a schedule that a script reads and trims at once, locks."""
import datetime

import pytest
from huey.exceptions import TaskException

CONSUMERS, WORKERS = 2, 2


@pytest.fixture(scope="module", params=["", "yes"], ids=["list", "priorities"])
def environment(request, data):
    data.flushall()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRIORITIES", request.param)
        yield {"PRIORITIES": request.param}


@pytest.fixture(scope="module")
def tasks(environment, load_app):
    return load_app("huey_jobs", "tasks")


@pytest.fixture(scope="module")
def consumers(programs, environment):
    started = [programs("huey_jobs", "python", "-m", "huey.bin.huey_consumer", "tasks.huey", "-w", WORKERS, "-k", "process", "-d", "0.01",
                        "-m", "0.1", "-s", "1", environment=environment) for _ in range(CONSUMERS)]
    yield started
    for one in started:
        one.ask_to_end()
    problems = [problem for one in started if (problem := one.stop())]
    assert not problems, "\n".join(problems)


@pytest.fixture
def results(consumers, wait_for):
    """Waits until tasks have been done, and returns their results."""
    def wait(handles):
        found = {}

        def look():
            for handle in handles:
                try:
                    if handle.id not in found and (value := handle.get()) is not None:
                        found[handle.id] = value
                except TaskException:       # the task will be tried again
                    handle.reset()
            return len(found) == len(handles)
        wait_for(look, lambda: "\n".join([f"{len(found)} of {len(handles)} results", *(one.output()[-3000:] for one in consumers)]))
        return [found[handle.id] for handle in handles]
    return wait


def test_order_of_the_queue(tasks, environment, data):
    priorities = environment["PRIORITIES"]
    for number in (1, 5, 3):
        tasks.note(number, **({"priority": number} if priorities else {}))
    assert len(tasks.huey) == 3
    assert [tasks.huey.dequeue().args[0] for _ in range(3)] == ([5, 3, 1] if priorities else [1, 5, 3])


def test_each_task_is_done_once_and_gives_its_result(tasks, results, data, load):
    count = 100 * load
    assert results([tasks.add(number, 1) for number in range(count)]) == [number + 1 for number in range(count)]
    assert data.hgetall("done") == {f"{number}+1": "1" for number in range(count)}
    assert tasks.huey.result_count() == 0, "results are read once"


def test_a_chain_of_tasks(tasks, consumers, patience):
    chain = tasks.huey.enqueue(tasks.add.s(20, 2).then(tasks.add, 10).then(tasks.add, 100))
    assert chain.get(blocking=True, timeout=patience) == [22, 32, 132]


def test_scheduled_and_retried_tasks(tasks, results, data):
    delayed = [tasks.add.schedule((number, 2), delay=datetime.timedelta(milliseconds=100 * number)) for number in range(10)]
    assert results(delayed) == [number + 2 for number in range(10)]
    assert {data.hget("done", f"{number}+2") for number in range(10)} == {"1"}, "two schedulers read the schedule, one gets the task"
    assert results([tasks.unlucky()]) == ["lucky"] and data.get("tries") == "4"
    assert tasks.huey.scheduled_count() == 0


def test_a_revoked_task_is_not_done(tasks, results, data, wait_for):
    task = tasks.add.s(1000, 1)
    tasks.huey.revoke(task, revoke_once=True)
    tasks.huey.enqueue(task)
    wait_for(lambda: not tasks.huey.is_revoked(task), "nobody takes the task")
    assert results([tasks.add(1000, 2)]) == [1002] and not data.hexists("done", "1000+1")


def test_a_locked_task_runs_in_one_process_at_a_time(tasks, consumers, data, wait_for, load):
    for _ in range(10 * load):
        tasks.report()
    wait_for(lambda: data.llen("reports") == 10 * load, lambda: "\n".join(one.output()[-3000:] for one in consumers))
    assert set(data.lrange("reports", 0, -1)) == {"1"}
