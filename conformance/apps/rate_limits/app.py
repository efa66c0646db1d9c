"""A Flask application whose workers count requests together.

    pip install Flask-Limiter redis gunicorn
    STRATEGY=moving-window gunicorn -w 4 app:app
"""
import os

from flask import Flask, request
from flask_limiter import Limiter

app = Flask(__name__)
limiter = Limiter(
    lambda: request.args.get("user", "nobody"),
    app=app,
    storage_uri=os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0"),
    strategy=os.environ.get("STRATEGY", "fixed-window"),
    headers_enabled=True,
)


@app.get("/")
def index():
    return "ready"


@app.get("/search")
@limiter.limit("30 per day")
def search():
    return "found"
