"""Pages and results of functions that all workers share.

    pip install Flask-Caching redis gunicorn
    gunicorn -w 4 app:app
"""
import os

import redis
from flask import Flask, jsonify
from flask_caching import Cache

url = os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0")
store = redis.Redis.from_url(url)
app = Flask(__name__)
cache = Cache(app, config={
    "CACHE_TYPE": "RedisCache",
    "CACHE_REDIS_URL": url,
    "CACHE_KEY_PREFIX": "pages:",
    "CACHE_DEFAULT_TIMEOUT": 300,
})


@app.get("/")
def index():
    return "ready"


@app.get("/page/<name>")
@cache.cached()
def page(name):
    return jsonify(name=name, made=store.incr(f"made:{name}"))


@cache.memoize()
def square(number):
    store.hincrby("squared", number)
    return number * number


@app.get("/square/<int:number>")
def show_square(number):
    return jsonify(square(number))


@app.get("/forget/<int:number>")
def forget(number):
    cache.delete_memoized(square, number)
    return jsonify(True)


@app.get("/clear")
def clear():
    return jsonify(cache.clear())


@app.get("/hit")
def hit():
    return jsonify(cache.cache.inc("hits"))


@app.get("/claim/<name>")
def claim(name):
    """True for the first who asks."""
    return jsonify(cache.add(f"claim:{name}", os.getpid()))


@app.get("/many")
def many():
    cache.set_many({f"many:{number}": number for number in range(100)})
    found = cache.get_many(*(f"many:{number}" for number in range(101)))
    cache.delete_many(*(f"many:{number}" for number in range(100)))
    return jsonify(found=found, left=cache.has("many:5"))
