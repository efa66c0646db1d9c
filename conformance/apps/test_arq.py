"""arq, which keeps its queue in a sorted set, takes jobs with WATCH and MULTI, and comes with a redis-py of its own (RESP2)."""
import json
import pathlib
import sys

WORKERS = 2
# Where conformance/run installs arq_jobs/requirements.txt.
ENVIRONMENT = {"PYTHONPATH": str(pathlib.Path(sys.prefix) / "arq")}


def test_each_job_is_done_once_and_gives_its_result(programs, data, patience, load, wait_for):
    count = 100 * load
    workers = [programs("arq_jobs", "python", "-m", "arq", "worker.WorkerSettings", environment=ENVIRONMENT) for _ in range(WORKERS)]
    told = programs("arq_jobs", "python", "enqueue.py", count, patience, environment=ENVIRONMENT)
    told = json.loads(told.finish())
    assert told["sums"] == [number + 1 for number in range(count)]
    assert told["accepted"] == [True, False, False, False, False] and told["only one"] == 1002
    assert told["delayed"] == [number + 3 for number in range(10)]
    assert told["unlucky"] == "lucky at try 4"
    assert told["failing"] == "ValueError('no such customer')"
    done = {f"{number}+1": "1" for number in range(count)} | {f"{number}+3": "1" for number in range(10)} | {"1000+2": "1"}
    assert data.hgetall("done") == done
    wait_for(lambda: data.zcard("arq:queue") == 0, lambda: "\n".join(one.output()[-3000:] for one in workers))
