"""Jobs for arq.

    pip install arq
    arq worker.WorkerSettings
"""
import os

from arq import Retry
from arq.connections import RedisSettings

settings = RedisSettings.from_dsn(os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0"))


async def add(context, a, b):
    await context["redis"].hincrby("done", f"{a}+{b}", 1)
    return a + b


async def unlucky(context):
    if context["job_try"] < 4:
        raise Retry(defer=0.05)
    return f"lucky at try {context['job_try']}"


async def fail(context):
    raise ValueError("no such customer")


class WorkerSettings:
    functions = [add, unlucky, fail]
    redis_settings = settings
    poll_delay = 0.05
    max_jobs = 10
