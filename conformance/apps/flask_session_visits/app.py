"""Sessions whose content is in the store: any worker can go on where another stopped.

    pip install Flask-Session redis gunicorn
    gunicorn -w 4 app:app
"""
import os

import redis
from flask import Flask, jsonify, session
from flask_session import Session

app = Flask(__name__)
app.config.update(
    SESSION_TYPE="redis",
    SESSION_REDIS=redis.Redis.from_url(os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0")),
    PERMANENT_SESSION_LIFETIME=3600,
)
Session(app)


@app.get("/")
def index():
    return "ready"


@app.get("/login/<user>")
def login(user):
    session["user"], session["visits"] = user, 0
    return jsonify(user=user)


@app.get("/visit")
def visit():
    session["visits"] = session.get("visits", 0) + 1
    return jsonify(user=session.get("user"), visits=session["visits"], pid=os.getpid())


@app.get("/logout")
def logout():
    session.clear()
    return jsonify(user=None)
