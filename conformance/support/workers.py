"""Worker processes that accept connections at one socket: which of them answers is up to the kernel, and on a quick machine it is always the same."""
import os
import signal


def ask_each(count, ask):
    """Calls `ask`, which gives the id of the process that answered it, until `count` have; one that has answered rests until all did.

    Returns their ids. There are no other requests meanwhile.
    """
    answered = []
    try:
        while len(answered) < count:
            pid = ask()
            os.kill(pid, signal.SIGSTOP)
            answered.append(pid)
    finally:
        for pid in answered:
            os.kill(pid, signal.SIGCONT)
    return answered
