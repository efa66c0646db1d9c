import pytest

from support import server as servers

PASSWORD = "open sesame"


@pytest.fixture(scope="session")
def shared_guarded():
    launched = servers.Server(servers.under_test(), [*servers.TEST_FLAGS, "--requirepass", PASSWORD])
    yield launched
    launched.stop()


@pytest.fixture
def guarded(shared_guarded):
    """A server that wants the password, with empty databases."""
    with shared_guarded.connect(password=PASSWORD) as connection:
        connection("FLUSHALL")
    return shared_guarded
