import pytest

from support import server as servers


@pytest.fixture(scope="session")
def shared_reference():
    launched = servers.Server(servers.reference(), servers.TEST_FLAGS)
    yield launched
    launched.stop()


@pytest.fixture
def reference(shared_reference):
    """The server to compare with, with empty databases."""
    with shared_reference.connect() as connection:
        assert connection("FLUSHALL").value == b"OK"
    return shared_reference
