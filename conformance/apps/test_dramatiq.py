"""dramatiq: one script for all that its broker does, with keys that it makes from a name; results in lists; limits by WATCH."""
import dramatiq
import pytest

CONSUMERS = 2


@pytest.fixture(scope="module")
def tasks(load_app):
    loaded = load_app("dramatiq_jobs", "tasks")
    yield loaded
    loaded.broker.close()


@pytest.fixture(scope="module")
def consumers(programs, tasks):
    return [programs("dramatiq_jobs", "python", "-m", "dramatiq", "tasks", "--processes", 2, "--threads", 2) for _ in range(CONSUMERS)]


def results(messages, patience):
    return [message.get_result(block=True, timeout=patience * 1000) for message in messages]


def test_each_message_is_handled_once_and_gives_its_result(tasks, consumers, data, patience, load):
    count = 100 * load
    assert results([tasks.add.send(number, 1) for number in range(count)], patience) == [number + 1 for number in range(count)]
    assert data.hgetall("done") == {f"{number}+1": "1" for number in range(count)}
    tasks.broker.join("default", timeout=patience * 1000)


def test_groups_and_pipelines(tasks, consumers, patience):
    group = dramatiq.group([tasks.add.message(number, 2) for number in range(10)]).run()
    assert list(group.get_results(block=True, timeout=patience * 1000)) == [number + 2 for number in range(10)]
    pipeline = (tasks.add.message(1, 3) | tasks.add.message(10) | tasks.add.message(100)).run()
    assert pipeline.get_result(block=True, timeout=patience * 1000) == 114


def test_delayed_and_retried_messages(tasks, consumers, data, patience):
    delayed = [tasks.add.send_with_options(args=(number, 4), delay=50 * number) for number in range(10)]
    assert results(delayed, patience) == [number + 4 for number in range(10)]
    assert results([tasks.unlucky.send()], patience) == ["lucky"] and data.get("tries") == "4"


def test_a_rate_limit_holds_for_all_processes(tasks, consumers, data, wait_for, load):
    for _ in range(20 * load):
        tasks.print_page.send()
    wait_for(lambda: data.llen("pages") == 20 * load, lambda: "\n".join(one.output()[-3000:] for one in consumers))
    assert set(data.lrange("pages", 0, -1)) == {"1"}
