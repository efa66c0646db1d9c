"""Fixtures for all suites. See support/server.py for which servers are started."""
import functools
import os
import resource

import pytest

from support import server as servers
from support.resp import Closed


def pytest_configure(config):
    """Some tests open thousands of connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 65536, hard))


@functools.cache
def tested_version():
    """Version (major, minor) of Redis whose commands the server under test claims, and whether it is a redis-server."""
    binary = servers.under_test()
    if not os.path.exists(binary):
        pytest.exit(f"no server to test at {binary}: build it (swift build -c release) or set SERVER", returncode=3)
    launched = servers.Server(binary, servers.TEST_FLAGS)
    try:
        with launched.connect() as connection:
            info = connection("INFO", "server").plain().decode()
    finally:
        launched.stop()
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    if "redis_version" not in fields:
        pytest.exit(f"INFO server of {binary} tells no redis_version:\n{info}", returncode=3)
    return tuple(map(int, fields["redis_version"].split(".")[:2])), servers.is_redis(binary)


def pytest_collection_modifyitems(config, items):
    if config.option.collectonly or not items:
        return
    version, redis = tested_version()
    kept, dropped = [], []
    for item in items:
        foreign = item.get_closest_marker("ours") and redis
        newer = any(item.get_closest_marker(name) and version < since for name, since in (("since72", (7, 2)), ("since74", (7, 4))))
        (dropped if foreign or newer else kept).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def pytest_report_header(config):
    return f"server under test: {os.path.relpath(servers.under_test())}"


@pytest.fixture(scope="session")
def version():
    """(major, minor) of the Redis whose commands the server under test claims to have."""
    return tested_version()[0]


@pytest.fixture(scope="session")
def is_redis():
    """True when the server under test is a redis-server."""
    return tested_version()[1]


class Shared:
    """A server that tests share. One that a test has broken is replaced, so that only that test fails."""

    def __init__(self, binary):
        self.binary = binary
        self.running = None

    def empty(self):
        """The server, running, with empty databases."""
        if self.running:
            try:
                self.running.check_alive()
                with self.running.connect(timeout=5) as connection:
                    assert connection("FLUSHALL").value == b"OK"
            except (AssertionError, OSError, Closed):
                self.running.discard()
                self.running = None
        if not self.running:
            self.running = servers.Server(self.binary, servers.TEST_FLAGS)
            if os.environ.get("MOVE_ALL_BLOCKS") and self.binary == servers.under_test():
                with self.running.connect() as connection:
                    assert connection("DEBUG", "MOVE-ALL-BLOCKS", 1).value == b"OK"
        return self.running

    def stop(self):
        if self.running:
            self.running.stop()


@pytest.fixture(scope="session")
def shared_server():
    shared = Shared(servers.under_test())
    yield shared
    shared.stop()


@pytest.fixture(scope="session")
def shared_reference():
    shared = Shared(servers.reference())
    yield shared
    shared.stop()


@pytest.fixture(scope="session")
def shared_newer_redis():
    shared = Shared(servers.newer_redis())
    yield shared
    shared.stop()


@pytest.fixture(scope="session")
def shared_valkey():
    shared = Shared(servers.valkey())
    yield shared
    shared.stop()


@pytest.fixture
def server(shared_server):
    """The server under test, running with the flags for tests, with empty databases."""
    running = shared_server.empty()
    yield running
    running.check_alive()


@pytest.fixture
def reference(shared_reference):
    """The server to compare with, with empty databases."""
    return shared_reference.empty()


@pytest.fixture
def newer_redis(shared_newer_redis):
    """redis-server 8.2.3, with empty databases."""
    return shared_newer_redis.empty()


@pytest.fixture
def valkey(shared_valkey):
    """valkey-server 9.1.2, with empty databases."""
    return shared_valkey.empty()


@pytest.fixture
def client(server):
    """A RESP2 connection to the server under test."""
    with server.connect() as connection:
        yield connection


@pytest.fixture
def start():
    """Starts servers under test of the test's own: start("--timeout", "1", directory=...). All are stopped at the end."""
    launched = []

    def launch(*arguments, binary=None, test_flags=True, **options):
        flags = servers.TEST_FLAGS if test_flags else []
        one = servers.Server(binary or servers.under_test(), [*arguments, *flags], **options)
        launched.append(one)
        return one

    yield launch
    problems = []
    for one in launched:
        try:
            one.stop()
        except AssertionError as problem:
            problems.append(str(problem))
    assert not problems, "\n".join(problems)
