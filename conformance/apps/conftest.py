"""Fixtures for real programs: a server of the module's own, and processes that use it.

Programs find the server in the environment variable STORE_URL, as they would in production. Whatever a test starts is ended with it,
and a process that is left then fails the test. CONFORMANCE_APPS=long multiplies the load by ten.
"""
import concurrent.futures
import contextlib
import http.client
import importlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import redis

from support import server as servers
from support.resp import eventually
from support.workers import ask_each

WORKERS = 4
APPS = pathlib.Path(__file__).resolve().parent
LOAD = 10 if os.environ.get("CONFORMANCE_APPS") == "long" else 1
SECONDS = 60 * LOAD         # upper bound for what a loaded machine may take; nothing waits so long unless something is broken


@pytest.fixture(scope="session")
def load():
    """Factor for the numbers of jobs, messages and requests."""
    return LOAD


@pytest.fixture(scope="session")
def patience():
    """Seconds that a library may wait for what other processes do."""
    return SECONDS


@pytest.fixture(scope="module")
def store():
    """The server under test."""
    launched = servers.Server(servers.under_test(), servers.TEST_FLAGS)
    launched.url = f"redis://127.0.0.1:{launched.port}/0"
    yield launched
    launched.stop()


@pytest.fixture(scope="module")
def data(store):
    """A plain client of the server, to look at what programs did."""
    client = redis.Redis.from_url(store.url, decode_responses=True)
    yield client
    client.close()


@pytest.fixture(scope="session")
def wait_for():
    """Waits until a condition holds, and returns its value; fails with `what` otherwise."""
    def wait(condition, what):
        value = eventually(condition, seconds=SECONDS, pause=0.05)
        assert value, what() if callable(what) else what
        return value
    return wait


def session_members(session):
    """Processes of a session (in the kernel's sense) that have not ended."""
    members = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = pathlib.Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                members.append(int(entry))
    return members


class Program:
    """A process, and those that it starts, in a session of their own."""

    def __init__(self, command, folder, environment, log_path):
        self.name = " ".join(map(str, command[-3:]))
        self.log_path = log_path
        self.asked = False
        self.log = open(log_path, "wb")
        self.process = subprocess.Popen(list(map(str, command)), cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    def output(self):
        return self.log_path.read_text(errors="replace")

    def finish(self):
        """Waits until the program has ended by itself, without a fault; returns what it wrote."""
        status = self.process.wait(SECONDS)
        assert status == 0, f"{self.name} ended with {status}\n{self.output()}"
        return self.output()

    def ask_to_end(self):
        self.asked = True
        self.process.terminate()

    def kill(self):
        """Ends the program and all that it started at once."""
        while members := session_members(self.pid):
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        self.process.wait()

    def stop(self):
        """Waits for a program that was asked to end, asks otherwise, and insists that nothing of it is left."""
        if not self.asked and self.process.poll() is None:
            self.ask_to_end()
        try:
            self.process.wait(SECONDS)
            left = not eventually(lambda: not session_members(self.pid), seconds=30)
        except subprocess.TimeoutExpired:
            left = True
        if left:
            self.kill()
        self.log.close()
        print(f"--- {self.name}\n{self.output()[-4000:]}")
        return f"{self.name} did not end when it was asked to" if left else None


@pytest.fixture(scope="module")
def programs(store, tmp_path_factory):
    """Starts programs: programs("folder", "python", "-m", "rq", ...) in conformance/apps/folder."""
    folder_of_logs = tmp_path_factory.mktemp("programs")
    started = []

    def start(folder, *command, environment=None):
        command = [sys.executable if part == "python" else part for part in command]
        one = Program(command, APPS / folder, {"STORE_URL": store.url, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},
                      folder_of_logs / f"{len(started)}.log")
        started.append(one)
        return one

    yield start
    for one in started:
        if one.process.poll() is None:
            one.ask_to_end()
    problems = [problem for one in reversed(started) if (problem := one.stop())]
    assert not problems, "\n".join(problems)


class Site:
    """A web application under gunicorn, or another server that listens at a port."""

    def __init__(self, program, port, wait_for):
        self.program, self.port, self.wait_for = program, port, wait_for

    def answers(self):
        try:
            return self.request("GET", "/")[0] < 600
        except OSError:
            return False

    def request(self, method, path, cookie=None):
        """(status, text, cookie or None)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method, path, headers={"Cookie": cookie} if cookie else {})
            answer = connection.getresponse()
            text, sent = answer.read().decode(), answer.getheader("Set-Cookie")
            return answer.status, text, sent.split(";")[0] if sent else None
        finally:
            connection.close()

    def ask_each_worker(self, ask):
        """Calls `ask`, which gives the id of the process that answered it, until each worker has; returns their ids."""
        return ask_each(WORKERS, ask)

    def kill_worker(self, pid):
        os.kill(pid, signal.SIGKILL)
        self.wait_for(lambda: not os.path.exists(f"/proc/{pid}"), f"process {pid} does not end")

    def together(self, count, call, threads=16):
        """Calls `call` with each number below `count` from many threads; returns the results in order."""
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            return list(pool.map(call, range(count)))


@pytest.fixture(scope="module")
def listening(programs, wait_for):
    """Starts a program that listens at a port: listening("folder", lambda port: ["python", "app.py", port])."""
    def start(folder, command, environment=None):
        for _ in range(5):
            port = servers.free_port()
            program = programs(folder, *command(port), environment=environment)
            site = Site(program, port, wait_for)
            wait_for(lambda: program.process.poll() is not None or site.answers(), program.output)
            if program.process.poll() is None:
                return site
            if "in use" not in program.output():
                break
        pytest.fail(program.output())
    return start


@pytest.fixture(scope="module")
def gunicorn(listening):
    """Starts a WSGI application of a folder with four workers."""
    def start(folder, application, environment=None):
        return listening(folder, lambda port: ["python", "-m", "gunicorn", "-w", WORKERS, "--timeout", SECONDS, "--bind", f"127.0.0.1:{port}",
                                               application], environment)
    return start


@pytest.fixture(scope="module")
def load_app(store):
    """Imports a module of a folder as the programs there do, with STORE_URL set: load_app("folder", "tasks")."""
    loaded = []
    patch = pytest.MonkeyPatch()
    patch.setenv("STORE_URL", store.url)

    def load(folder, name):
        patch.syspath_prepend(APPS / folder)
        sys.modules.pop(name, None)
        loaded.append(name)
        return importlib.import_module(name)

    yield load
    for name in loaded:
        sys.modules.pop(name, None)
    patch.undo()
