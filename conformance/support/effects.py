"""What writes did, as the server records it: DEBUG EFFECTS runs it again in a second store with another seed and a later clock."""
import contextlib

from support.resp import shown


class Recording:
    def __init__(self, control):
        self.control = control

    def log(self):
        """What was recorded: commands, each a list of words."""
        return self.control("DEBUG", "EFFECTS", "LOG").plain()

    def restart(self):
        """Forgets what was recorded, and begins again from no data."""
        for words in (["FLUSHALL"], ["DEBUG", "EFFECTS", "STOP"], ["DEBUG", "EFFECTS", "START"]):
            assert self.control(*words).value == b"OK", words

    def problem(self, lead=600_000):
        """What is wrong in the second store, whose clock is ahead by `lead` milliseconds; None if it has the same data."""
        reply = self.control("DEBUG", "EFFECTS", "REPLAY", lead)
        if reply.is_error:
            return f"the effects cannot be run: {reply.value}"
        ours, theirs, failures = reply.plain()
        # A HyperLogLog is changed up to where it is damaged.
        failures = [failure for failure in failures if b"INVALIDOBJ" not in failure]
        if failures:
            return "failed where they were run again: " + "; ".join(shown(failure, 300) for failure in failures[:5])
        return None if ours == theirs else "other data where the effects were run again"

    def check(self, lead=600_000):
        problem = self.problem(lead)
        assert not problem, problem + ", after\n" + "\n".join(quoted(words) for words in self.log()[-40:])


def quoted(words):
    return "    " + " ".join('"%s"' % shown(word, 80) for word in words)


@contextlib.contextmanager
def recorded(control):
    """Records effects from no data on, on a server with the connection `control`."""
    assert control("FLUSHALL").value == b"OK"
    reply = control("DEBUG", "EFFECTS", "START")
    assert reply.value == b"OK", reply
    try:
        yield Recording(control)
    finally:
        control("DEBUG", "EFFECTS", "STOP")
