"""Says something in a room from a process that is no server: python announce.py ROOM COUNT"""
import os
import sys

import socketio

manager = socketio.RedisManager(os.environ.get("STORE_URL", "redis://127.0.0.1:6379/0"), write_only=True)
for number in range(int(sys.argv[2])):
    manager.emit("said", {"room": sys.argv[1], "from": "announcer", "number": number}, room=sys.argv[1])
