"""A chat server of several processes, whose users meet in rooms wherever they are connected: python app.py PORT

    pip install python-socketio aiohttp redis
"""
import os
import sys

import socketio
from aiohttp import web

url = os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0")
sio = socketio.AsyncServer(
    async_mode="aiohttp",
    client_manager=socketio.AsyncRedisManager(url),
    async_handlers=False,       # what a user says is said in its order
)


@sio.event
async def enter(sid, room):
    await sio.enter_room(sid, room)
    return os.getpid()


@sio.event
async def say(sid, message):
    await sio.emit("said", message, room=message["room"])


@sio.event
async def private(sid, message):
    """Says something to one user, who may be connected to another process, and tells the sender when it has arrived."""
    async def arrived(answer):
        await sio.emit("arrived", answer, to=sid)
    await sio.emit("private", message["text"], to=message["to"], callback=arrived)


@sio.event
async def send_away(sid, other):
    await sio.disconnect(other)


app = web.Application()
app.router.add_get("/", lambda request: web.Response(text="ready"))
sio.attach(app)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))
