"""A Flask application under `gunicorn -w 4` with the server under test as the workers' shared store.

Everything runs twice: over TCP, and over a unix socket with a password.
"""
import concurrent.futures
import hashlib
import http.client
import json
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

APP = pathlib.Path(__file__).resolve().parent.parent / "apps" / "flask_shared_state"
sys.path.insert(0, str(APP))
from shared_state import Lock, LockTimeout      # noqa: E402

PASSWORD = "not-so-secret"
WORKERS = 4
SESSION_SECONDS = 1000


class Site:
    """The application: gunicorn with its workers, and the store they share."""

    def __init__(self, store_server, url):
        self.store_server = store_server
        self.store = redis.Redis.from_url(url, decode_responses=True)
        self.port = servers.free_port()
        self.log_path = store_server.directory / "gunicorn.log"
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-w", str(WORKERS), "--timeout", "60", "--bind", f"127.0.0.1:{self.port}", "--chdir", str(APP),
             "app:create_app()"],
            stdout=self.log, stderr=subprocess.STDOUT,
            env={**os.environ, "STORE_URL": url, "SESSION_SECONDS": str(SESSION_SECONDS)})
        try:
            assert eventually(self.answers, seconds=60), self.log_path.read_text()
        except BaseException:
            self.stop()
            raise

    def answers(self):
        try:
            return self.request("GET", "/worker")[0] == 200
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
        self.store.close()

    def request(self, method, path, body=None, cookie=None):
        """(status, parsed answer or None, cookie or None)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {"Cookie": cookie} if cookie else {})
            answer = connection.getresponse()
            content = answer.read()
            set_cookie = answer.getheader("Set-Cookie")
            return (answer.status, json.loads(content) if answer.getheader("Content-Type") == "application/json" else None,
                    set_cookie.split(";")[0] if set_cookie else None)
        finally:
            connection.close()

    def together(self, count, call, threads=16):
        """Calls `call` `count` times from many threads; returns the results."""
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda _: call(), range(count)))

    def all_workers(self):
        """{pid: fingerprint of its key} of all workers."""
        seen = {}

        def ask():
            status, answer, _ = self.request("GET", "/worker")
            assert status == 200
            seen[answer["pid"]] = answer["key"]
            return answer["pid"]
        ask_each(WORKERS, ask)
        return seen


@pytest.fixture
def own_site():
    """A site whose store a test may restart, and a function that does."""
    running = []

    def begin(port=None):
        running.append(servers.Server(servers.under_test(), [*servers.TEST_FLAGS, *(["--port", str(port)] if port else [])], port=port,
                                      add_port=port is None))
        return running[-1]
    store = begin()
    try:
        site = Site(store, f"redis://127.0.0.1:{store.port}/0")
        try:
            def restart():
                running[-1].stop()
                begin(store.port)
            yield site, restart
        finally:
            site.stop()
    finally:
        running[-1].stop()


@pytest.fixture(scope="module", params=["tcp", "unix-socket-with-password"])
def site(request, tmp_path_factory):
    if request.param == "tcp":
        store = servers.Server(servers.under_test(), servers.TEST_FLAGS)
        url = f"redis://127.0.0.1:{store.port}/0"
    else:
        path = str(tmp_path_factory.mktemp("socket") / "store.sock")
        store = servers.Server(servers.under_test(), [*servers.TEST_FLAGS, "--port", "0", "--unixsocket", path, "--unixsocketperm", "700",
                                                      "--requirepass", PASSWORD], add_port=False, unix_socket=path)
        url = f"unix://:{PASSWORD}@{path}?db=0"
    try:
        running = Site(store, url)
        try:
            yield running
        finally:
            running.stop()
    finally:
        store.stop()


def test_the_store_is_reached_as_intended(site, request):
    if site.store_server.unix_socket:
        assert site.store_server.listening_addresses() == set(), "no TCP port is open"
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(unix_socket_path=site.store_server.unix_socket).ping()
        assert all(entry["addr"].startswith(site.store_server.unix_socket) for entry in site.store.client_list())
    assert site.store.ping()


def test_all_workers_agree_on_the_secret_key(site):
    keys = site.all_workers()
    assert len(keys) == WORKERS
    assert set(keys.values()) == {hashlib.sha256(site.store.get("app:secret-key").encode()).hexdigest()}


def test_all_workers_agree_on_the_secret_key_after_the_store_was_restarted(own_site):
    site, restart = own_site
    before = site.all_workers()
    restart()
    assert set(site.all_workers().values()) == set(before.values()), "the key that the workers had is put back"


def test_a_worker_that_starts_after_the_store_agrees_with_the_others(own_site):
    """Nobody had asked the store yet: the new worker's key is the first, and the others take it."""
    site, restart = own_site
    before = site.all_workers()
    restart()
    os.kill(next(iter(before)), signal.SIGKILL)
    assert eventually(lambda: site.store.exists("app:secret-key"), seconds=30), "the new worker has proposed a key"
    after = site.all_workers()
    assert len(after) == WORKERS and set(after) != set(before)
    assert set(after.values()) == {hashlib.sha256(site.store.get("app:secret-key").encode()).hexdigest()}
    _, _, cookie = site.request("POST", "/login/ada")
    answers = site.together(40, lambda: site.request("GET", "/me", cookie=cookie))
    assert {status for status, _, _ in answers} == {200}


def test_ten_thousand_hits_are_counted_exactly(site):
    site.store.delete("counter")
    answers = site.together(10_000, lambda: site.request("POST", "/counter"))
    assert {status for status, _, _ in answers} == {200}
    assert sorted(answer["count"] for _, answer, _ in answers) == list(range(1, 10_001))
    assert site.request("GET", "/counter")[1] == {"count": 10_000}


def test_a_dictionary_is_shared_by_all_workers(site):
    site.store.delete("settings")
    assert site.request("PUT", "/settings/theme", "dark")[0] == 204
    assert site.request("PUT", "/settings/gr%C3%B6%C3%9Fe", "12 px ✓".encode())[0] == 204
    answers = site.together(40, lambda: site.request("GET", "/settings"))
    assert all(answer == {"theme": "dark", "größe": "12 px ✓"} for _, answer, _ in answers)
    assert site.request("DELETE", "/settings/theme")[0] == 204
    assert site.request("DELETE", "/settings/theme")[0] == 404
    assert site.request("GET", "/settings")[1] == {"größe": "12 px ✓"}


def test_no_deposit_is_lost_under_the_lock(site):
    site.store.delete("account")
    answers = site.together(300, lambda: site.request("POST", "/deposit/7"))
    assert {status for status, _, _ in answers} == {200}
    assert site.store.get("account") == "2100"
    assert not site.store.exists("lock:account")


def test_the_lock_of_a_dead_holder_runs_out(site):
    site.store.set("lock:account", "token of a process that died", px=700)
    begun = time.monotonic()
    assert site.request("POST", "/deposit/1")[0] == 200
    assert 0.5 < time.monotonic() - begun < 10


def test_a_lock_is_released_only_by_its_holder(site):
    late, next_holder = Lock(site.store, "x", seconds=0.05), Lock(site.store, "x", seconds=60)
    late.acquire()
    time.sleep(0.1)
    next_holder.acquire()
    assert late.release() is False
    assert site.store.get("lock:x") == next_holder.token
    with pytest.raises(LockTimeout):
        Lock(site.store, "x", wait_seconds=0.1).acquire()
    assert next_holder.release() is True
    assert next_holder.release() is False


def test_a_session_is_known_to_all_workers_and_outlives_its_worker(site):
    _, begun, cookie = site.request("POST", "/login/ada")
    answers = site.together(40, lambda: site.request("GET", "/me", cookie=cookie))
    assert all(answer["user"] == "ada" for _, answer, _ in answers)
    assert sorted(answer["visits"] for _, answer, _ in answers) == list(range(1, 41))
    before = site.all_workers()
    assert begun["pid"] in before

    os.kill(begun["pid"], signal.SIGKILL)
    assert eventually(lambda: not pathlib.Path(f"/proc/{begun['pid']}").exists(), seconds=30)
    status, answer, _ = site.request("GET", "/me", cookie=cookie)
    assert status == 200 and answer["user"] == "ada" and answer["visits"] == 41 and answer["pid"] != begun["pid"]

    after = site.all_workers()      # the worker that replaced it signs with the same key
    assert len(set(after) - set(before)) == 1 and set(after.values()) == set(before.values())
    answers = site.together(40, lambda: site.request("GET", "/me", cookie=cookie))
    assert sorted(answer["visits"] for _, answer, _ in answers) == list(range(42, 82))


def test_sessions_are_apart_and_end(site):
    cookies = {user: site.request("POST", f"/login/{user}")[2] for user in ("ada", "bob")}
    for user, cookie in cookies.items():
        assert site.request("GET", "/me", cookie=cookie)[1]["user"] == user
    keys = site.store.keys("session:*")
    assert all(0 < site.store.ttl(key) <= SESSION_SECONDS for key in keys)
    assert site.request("POST", "/logout", cookie=cookies["ada"])[0] == 204
    assert site.request("GET", "/me", cookie=cookies["ada"])[0] == 401
    assert site.request("GET", "/me", cookie=cookies["bob"])[0] == 200
    for key in site.store.keys("session:*"):
        site.store.pexpire(key, 50)
    time.sleep(0.2)
    assert site.request("GET", "/me", cookie=cookies["bob"])[0] == 401
    assert site.request("GET", "/me")[0] == 401
    assert site.request("GET", "/me", cookie="session=forged")[0] == 401
    assert site.store.keys("session:*") == []


def test_counter_and_session_outlive_a_killed_store(tmp_path):
    """The store logs what it does and is killed in the middle of hits: each that was counted is there afterwards, and so is who was logged in."""
    store = servers.Server(servers.under_test(), [*servers.TEST_FLAGS, "--appendonly", "yes", "--appendfsync", "always"], directory=tmp_path)
    site = None
    try:
        site = Site(store, f"redis://127.0.0.1:{store.port}/0")
        # One that starts while there is no store ends all.
        site.all_workers()
        _, _, cookie = site.request("POST", "/login/ada")
        sent = 0
        for visit in range(1, 4):
            def hit():
                """The counts that were answered until the store had gone, and how many were asked for."""
                counts, status = [], 200
                while status == 200:
                    status, answer, _ = site.request("POST", "/counter")
                    if status == 200:
                        counts.append(answer["count"])
                return counts
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                hits = [pool.submit(hit) for _ in range(8)]
                before = int(site.store.get("counter") or 0)
                assert eventually(lambda: int(site.store.get("counter") or 0) >= before + 50, seconds=60)
                store.process.send_signal(signal.SIGKILL)
                store.process.wait()
                counts = [count for each in hits for count in each.result(60)]
            store.kill()
            # Of each of the clients, the last hit may have been counted without an answer.
            sent += len(counts) + 8
            assert len(set(counts)) == len(counts)
            store = servers.Server(servers.under_test(), [*servers.TEST_FLAGS, "--appendonly", "yes", "--appendfsync", "always"],
                                   directory=tmp_path, port=store.port)
            assert eventually(lambda: site.request("GET", "/counter")[0] == 200, seconds=60)
            assert max(counts) <= site.request("GET", "/counter")[1]["count"] <= sent
            status, answer, _ = site.request("GET", "/me", cookie=cookie)
            assert (status, answer["user"], answer["visits"]) == (200, "ada", visit)
    finally:
        if site:
            site.stop()
        store.stop()
