import os
import shutil
import sys

import pytest

# However the suite is started, its own module is found.
sys.path.insert(0, os.path.dirname(__file__))

import cli_support  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def programs():
    assert shutil.which("redis-server") and shutil.which(cli_support.REFERENCE), "redis-server and redis-cli are needed"
    assert os.access(cli_support.RESPCLI, os.X_OK), f"{cli_support.RESPCLI} is not there: swift build -c release"


@pytest.fixture(scope="session")
def shared_server():
    server = cli_support.Server()
    yield server
    server.close()


@pytest.fixture
def server(shared_server):
    """A server without keys and with its default settings."""
    shared_server.command("FLUSHALL")
    return shared_server


@pytest.fixture(scope="session")
def locked_server():
    server = cli_support.Server("--requirepass", "secret")
    server.command("ACL", "SETUSER", "alice", "on", ">wonder", "~*", "&*", "+@all", password="secret")
    yield server
    server.close()
