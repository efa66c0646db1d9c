"""The fuzzer of `bent_pipelines.py`, for some seconds, with the seed of the run."""
import os
import time

from hostile.bent_pipelines import Fuzzer

SECONDS = float(os.environ.get("BENT_SECONDS", "20"))


def test_same_answers_to_bent_pipelines(start, shared_reference):
    seed = int(os.environ.get("CONFORMANCE_SEED", "0")) or int(time.time())
    print("CONFORMANCE_SEED", seed)
    fuzzer = Fuzzer(shared_reference.empty(), start(), seed)
    end = time.monotonic() + SECONDS
    number = 0
    while number < 5 or time.monotonic() < end:
        fuzzer.run_round(number)
        number += 1
    fuzzer.close()
