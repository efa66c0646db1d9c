"""A small Flask application for several worker processes; README.md tells how it is run.

Settings, from the environment:
    STORE_URL         where the store is: redis://[:password@]host:port/db or unix://[:password@]/path?db=0
    SESSION_SECONDS   how long an unused session lives (default 3600)
"""
import hashlib
import os

import redis
from flask import Flask, abort, jsonify, request, session

from shared_state import AgreedKey, Lock, Sessions


def create_app():
    app = Flask(__name__)
    store = redis.Redis.from_url(os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0"), decode_responses=True)
    sessions = Sessions(store, int(os.environ.get("SESSION_SECONDS", "3600")))
    AgreedKey(store).use_in(app)

    @app.get("/worker")
    def worker():
        """Which process answered, and a fingerprint of the key it signs with."""
        return jsonify(pid=os.getpid(), key=hashlib.sha256(app.secret_key.encode()).hexdigest())

    # A counter: INCR is atomic, so nothing else is needed.

    @app.post("/counter")
    def count():
        return jsonify(count=store.incr("counter"))

    @app.get("/counter")
    def counted():
        return jsonify(count=int(store.get("counter") or 0))

    # A dictionary: a hash, each of whose fields is read and written by itself.

    @app.get("/settings")
    def settings():
        return jsonify(store.hgetall("settings"))

    @app.put("/settings/<name>")
    def change_setting(name):
        store.hset("settings", name, request.get_data(as_text=True))
        return "", 204

    @app.delete("/settings/<name>")
    def remove_setting(name):
        return ("", 204) if store.hdel("settings", name) else abort(404)

    # A lock: for work that takes several steps and must not be done by two workers at once.

    @app.post("/deposit/<int:amount>")
    def deposit(amount):
        with Lock(store, "account"):
            balance = int(store.get("account") or 0)
            store.set("account", balance + amount)
        return jsonify(balance=balance + amount)

    # Sessions: the signed cookie holds only the identifier, the store the rest.

    @app.post("/login/<user>")
    def login(user):
        session["id"] = sessions.begin(user)
        return jsonify(pid=os.getpid())

    @app.get("/me")
    def me():
        fields = sessions.visit(session["id"]) if "id" in session else None
        if fields is None:
            abort(401)
        return jsonify(user=fields["user"], visits=int(fields["visits"]), pid=os.getpid())

    @app.post("/logout")
    def logout():
        if "id" in session:
            sessions.end(session.pop("id"))
        return "", 204

    return app
