"""State that all workers of a web application share, kept in one store.

Worker processes share no memory: a module-level dictionary, counter or lock is a different one in each of them, and is lost when a worker
is replaced. Everything here lives in the store instead, and every step that must not be interrupted is one command or one transaction.
"""
import secrets
import time

import redis


class AgreedKey:
    """The key with which all workers sign cookies.

    Each worker proposes a random key; SET NX lets exactly one proposal win, and all of them use the winner. A worker that had looked only
    once would hold on to its key when the store starts anew and is empty, while workers that start later agree on another one. So each
    request looks again, and proposes what its worker has: the first one puts the old key back, and if another key was faster, all take
    that."""

    def __init__(self, store, name="app:secret-key"):
        self.store = store
        self.name = name
        self.key = secrets.token_hex(32)
        self.current()

    def current(self):
        """One command: sets the key if there is none, and tells which there was."""
        self.key = self.store.set(self.name, self.key, nx=True, get=True) or self.key
        return self.key

    def use_in(self, app):
        """Has `app` sign with the agreed key from the beginning of each request."""
        answer = app.wsgi_app

        def answer_with_agreed_key(environ, start_response):
            app.secret_key = self.current()
            return answer(environ, start_response)
        app.secret_key = self.key
        app.wsgi_app = answer_with_agreed_key


class LockTimeout(Exception):
    """The lock was not free in time."""


class Lock:
    """A lock between processes, which frees itself after `seconds` if its holder dies.

    The holder is known by a random token, so that one whose time ran out cannot free the lock of the next holder. Work done under
    the lock should take much less than `seconds`.

        with Lock(store, "inventory"):
            ...
    """

    def __init__(self, store, name, seconds=10.0, wait_seconds=10.0):
        self.store = store
        self.key = f"lock:{name}"
        self.milliseconds = int(seconds * 1000)
        self.wait_seconds = wait_seconds
        self.token = secrets.token_hex(16)

    def acquire(self):
        """Waits for the lock. Raises LockTimeout after `wait_seconds`."""
        deadline = time.monotonic() + self.wait_seconds
        while not self.store.set(self.key, self.token, nx=True, px=self.milliseconds):
            if time.monotonic() > deadline:
                raise LockTimeout(self.key)
            time.sleep(0.002 + secrets.randbelow(8) / 1000)

    def release(self):
        """Frees the lock if it is still ours; returns whether it was.

        WATCH makes the deletion fail if the lock passes to someone else between looking and deleting."""
        with self.store.pipeline() as transaction:
            try:
                transaction.watch(self.key)
                if transaction.get(self.key) != self.token:
                    return False
                transaction.multi()
                transaction.delete(self.key)
                transaction.execute()
                return True
            except redis.WatchError:
                return False

    def __enter__(self):
        self.acquire()
        return self

    def __exit__(self, *_):
        self.release()


class Sessions:
    """Per-user sessions: a hash for each, which expires `seconds` after its last use."""

    def __init__(self, store, seconds):
        self.store = store
        self.seconds = seconds

    @staticmethod
    def key(identifier):
        return f"session:{identifier}"

    def begin(self, user):
        """Starts a session and returns its identifier."""
        identifier = secrets.token_urlsafe(24)
        with self.store.pipeline() as transaction:
            transaction.hset(self.key(identifier), mapping={"user": user, "visits": 0})
            transaction.expire(self.key(identifier), self.seconds)
            transaction.execute()
        return identifier

    def visit(self, identifier):
        """Counts a visit and returns the session's fields, or None if it has ended."""
        key = self.key(identifier)
        with self.store.pipeline() as transaction:
            try:
                transaction.watch(key)
                if not transaction.exists(key):
                    return None
                transaction.multi()
                transaction.hincrby(key, "visits", 1)
                transaction.expire(key, self.seconds)
                transaction.hgetall(key)
                return transaction.execute()[-1]
            except redis.WatchError:
                return self.visit(identifier)       # someone else used the session just now

    def end(self, identifier):
        self.store.delete(self.key(identifier))
