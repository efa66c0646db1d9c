"""RQ: lists moved atomically, hashes of jobs, sorted sets as registries, scripts, streams of results, a channel for commands to workers."""
import pytest
from rq import RateLimit, Retry
from rq.command import send_shutdown_command, send_stop_job_command
from rq.registry import FinishedJobRegistry, StartedJobRegistry

WORKERS = 3


@pytest.fixture(scope="module")
def jobs(load_app):
    return load_app("rq_jobs", "jobs")


@pytest.fixture(scope="module")
def workers(programs, data, store, wait_for):
    started = [programs("rq_jobs", "python", "-m", "rq.cli", "worker", "--url", store.url, "--with-scheduler", "--name", f"worker-{i}",
                        "mail") for i in range(WORKERS)]
    wait_for(lambda: data.scard("rq:workers") == WORKERS, lambda: "\n".join(one.output() for one in started))
    return started


@pytest.fixture
def results(workers, wait_for):
    """Waits until jobs have ended, and returns their results."""
    def wait(enqueued):
        wait_for(lambda: all(job.get_status() in ("finished", "failed", "stopped") for job in enqueued),
                 lambda: "\n".join([str([job.get_status() for job in enqueued]), *(one.output()[-3000:] for one in workers)]))
        return [job.return_value() for job in enqueued]
    return wait


def test_each_job_is_done_once_and_gives_its_result(jobs, results, data, load):
    count = 40 * load
    enqueued = jobs.mail.enqueue_many([jobs.mail.prepare_data(jobs.send, (number,)) for number in range(count)])
    total = jobs.mail.enqueue(jobs.total, [1, 2], depends_on=enqueued)
    assert results([*enqueued, total]) == [number * 2 for number in range(count)] + [3]
    assert data.hgetall("sent") == {str(number): "1" for number in range(count)}
    assert set(FinishedJobRegistry(queue=jobs.mail).get_job_ids()) >= {job.id for job in enqueued}
    assert {job.worker_name for job in enqueued if job.refresh() is None} <= {f"worker-{i}" for i in range(WORKERS)}


def test_a_failing_job_is_tried_again_by_the_scheduler(jobs, results, data):
    job = jobs.mail.enqueue(jobs.send_when_tried_again, retry=Retry(max=3, interval=1))
    assert results([job]) == ["sent"] and data.get("tries") == "3"


def test_jobs_of_a_rate_limit_run_one_at_a_time(jobs, results, data, load):
    limit = RateLimit("mail server", concurrency=1)
    assert results([jobs.mail.enqueue(jobs.count_senders, rate_limit=limit) for _ in range(6 * load)]) == [1] * 6 * load


def test_a_worker_is_told_to_stop_a_job(jobs, results, data, store, wait_for):
    job = jobs.mail.enqueue(jobs.wait_to_be_stopped)
    wait_for(lambda: data.exists("waiting"), "the job does not begin")
    send_stop_job_command(jobs.store, job.id)
    results([job])
    assert job.get_status() == "stopped"
    wait_for(lambda: StartedJobRegistry(queue=jobs.mail).count == 0, "the job is still registered")


def test_workers_are_told_to_end(jobs, workers, data, wait_for):
    send_shutdown_command(jobs.store, "worker-0")
    workers[0].finish()
    assert data.smembers("rq:workers") == {f"rq:worker:worker-{i}" for i in range(1, WORKERS)}
