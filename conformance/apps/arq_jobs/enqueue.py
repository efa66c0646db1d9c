"""Enqueues jobs and waits for their results: python enqueue.py COUNT SECONDS. Writes the results as JSON."""
import asyncio
import json
import sys

from arq import create_pool

from worker import settings


async def main(count, seconds):
    pool = await create_pool(settings)

    async def results(jobs):
        return await asyncio.gather(*(job.result(timeout=seconds, poll_delay=0.05) for job in jobs))

    sums = await results([await pool.enqueue_job("add", number, 1) for number in range(count)])
    same = [await pool.enqueue_job("add", 1000, 2, _job_id="only one") for _ in range(5)]
    delayed = [await pool.enqueue_job("add", number, 3, _defer_by=number / 20) for number in range(10)]
    unlucky = await pool.enqueue_job("unlucky")
    failing = await pool.enqueue_job("fail")
    print(json.dumps({
        "sums": sums,
        "accepted": [job is not None for job in same],
        "only one": await same[0].result(timeout=seconds),
        "delayed": await results(delayed),
        "unlucky": await unlucky.result(timeout=seconds),
        "failing": repr((await asyncio.gather(failing.result(timeout=seconds), return_exceptions=True))[0]),
    }))
    await pool.aclose()


asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
