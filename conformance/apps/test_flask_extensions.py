"""Flask-Session and Flask-Caching under gunicorn with four workers."""
import itertools
import json

import pytest


@pytest.fixture(scope="module")
def sessions(gunicorn):
    return gunicorn("flask_session_visits", "app:app")


@pytest.fixture(scope="module")
def pages(gunicorn):
    return gunicorn("flask_caching_pages", "app:app")


def test_sessions_go_from_worker_to_worker(sessions, data, load):
    def visit(cookie, name, number):
        answer = json.loads(sessions.request("GET", "/visit", cookie)[1])
        assert (answer["user"], answer["visits"]) == (name, number)
        return answer["pid"]

    def user(number):
        """A user's visits, one after the other; each is counted, whoever answers."""
        cookie = sessions.request("GET", f"/login/user-{number}")[2]
        for i in range(1, 11):
            visit(cookie, f"user-{number}", i)
        return cookie
    cookies = sessions.together(20 * load, user)
    numbers = itertools.count(11)
    sessions.ask_each_worker(lambda: visit(cookies[0], "user-0", next(numbers)))
    keys = data.keys("session:*")
    assert len(keys) == 20 * load and all(0 < data.ttl(key) <= 3600 for key in keys)


def test_a_session_outlives_its_worker_and_ends_with_logout(sessions, data):
    cookie = sessions.request("GET", "/login/ada")[2]
    pid = json.loads(sessions.request("GET", "/visit", cookie)[1])["pid"]
    sessions.kill_worker(pid)
    answers = [json.loads(text) for status, text, _ in sessions.together(20, lambda _: sessions.request("GET", "/visit", cookie))]
    assert {answer["user"] for answer in answers} == {"ada"} and pid not in {answer["pid"] for answer in answers}
    before = len(data.keys("session:*"))
    sessions.request("GET", "/logout", cookie)
    assert len(data.keys("session:*")) == before - 1
    assert json.loads(sessions.request("GET", "/visit", cookie)[1])["user"] is None


def test_a_page_is_made_once_and_served_by_all(pages, data):
    first = pages.request("GET", "/page/news")[1]
    assert set(pages.together(100, lambda _: pages.request("GET", "/page/news")[1])) == {first}
    assert data.get("made:news") == "1"
    assert 0 < data.ttl("pages:view//page/news") <= 300


def test_results_of_functions_are_forgotten_one_by_one_and_together(pages, data):
    pages.request("GET", "/square/0")       # the first call of all agrees on a version of the function
    assert pages.together(10, lambda n: pages.request("GET", f"/square/{n}")[1].strip()) == [str(n * n) for n in range(10)]
    assert pages.together(50, lambda n: pages.request("GET", f"/square/{n % 10}")[1].strip()) == \
        [str(n % 10 * (n % 10)) for n in range(50)]
    assert data.hgetall("squared") == {str(n): "1" for n in range(10)}
    pages.request("GET", "/forget/3")
    pages.together(10, lambda n: pages.request("GET", f"/square/{n}"))
    assert data.hgetall("squared") == {str(n): "2" if n == 3 else "1" for n in range(10)}
    assert json.loads(pages.request("GET", "/clear")[1]) is True
    assert data.keys("pages:*") == [] and data.hlen("squared") == 10, "only what has the prefix is removed"
    assert pages.request("GET", "/square/9")[1].strip() == "81" and data.hget("squared", "9") == "2"


def test_counters_claims_and_many_at_once(pages, load):
    hits = [json.loads(text) for _, text, _ in pages.together(200 * load, lambda _: pages.request("GET", "/hit"))]
    assert sorted(hits) == list(range(1, 200 * load + 1))
    claims = [json.loads(text) for _, text, _ in pages.together(40, lambda n: pages.request("GET", f"/claim/{n % 4}"))]
    assert claims.count(True) == 4
    assert json.loads(pages.request("GET", "/many")[1]) == {"found": [*range(100), None], "left": False}
