"""python-socketio's Redis manager: servers tell each other on one channel what they emit."""
import asyncio

import pytest
import socketio

SERVERS = 2


@pytest.fixture(scope="module")
def sites(listening):
    return [listening("socketio_chat", lambda port: ["python", "app.py", port]) for _ in range(SERVERS)]


class User:
    """A client connected to one of the servers, which keeps what it hears."""

    def __init__(self, site):
        self.site, self.client = site, socketio.AsyncClient(reconnection=False)
        self.said, self.private, self.arrived = [], [], []
        self.client.on("said", self.said.append)
        self.client.on("arrived", self.arrived.append)

        @self.client.on("private")
        def private(text):
            self.private.append(text)
            return f"heard {text}"

    async def enter(self, room):
        await self.client.connect(f"http://127.0.0.1:{self.site.port}", transports=["websocket"], wait_timeout=60)
        return await self.client.call("enter", room, timeout=60)


async def until(condition, patience):
    async with asyncio.timeout(patience):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def chat(sites, data, patience):
    """Connects four users to two servers, in a room, and runs a conversation of theirs."""
    def run(room, conversation):
        async def main():
            users = [User(sites[i % SERVERS]) for i in range(4)]
            try:
                assert len({await user.enter(room) for user in users}) == SERVERS
                await until(lambda: data.pubsub_numsub("socketio") == [("socketio", SERVERS)], patience)
                await conversation(users)
            finally:
                for user in users:
                    await user.client.disconnect()
        asyncio.run(main())
    return run


def test_everybody_in_the_room_hears_everything_in_order(chat, programs, patience, load):
    count = 100 * load

    async def conversation(users):
        announcer = programs("socketio_chat", "python", "announce.py", "everybody", count)
        for number in range(count):
            for speaker, user in enumerate(users):
                await user.client.emit("say", {"room": "everybody", "from": speaker, "number": number})
        everything = count * (len(users) + 1)
        await until(lambda: all(len(user.said) == everything for user in users), patience)
        for user in users:
            for speaker in (0, 1, 2, 3, "announcer"):
                assert [said["number"] for said in user.said if said["from"] == speaker] == list(range(count))
        announcer.finish()
    chat("everybody", conversation)


def test_rooms_are_apart(chat, patience):
    async def conversation(users):
        await users[3].client.call("enter", "two", timeout=patience)
        for number in range(20):
            await users[0].client.emit("say", {"room": "two", "number": number})
        await users[0].client.emit("say", {"room": "one", "number": 20})
        await until(lambda: all(user.said[-1:] == [{"room": "one", "number": 20}] for user in users), patience)
        assert [len(user.said) for user in users] == [1, 1, 1, 21]
    chat("one", conversation)


def test_an_answer_comes_back_through_the_other_server(chat, patience):
    async def conversation(users):
        for number in range(20):
            await users[0].client.emit("private", {"text": f"psst {number}", "to": users[1].client.get_sid()})
        await until(lambda: len(users[0].arrived) == 20, patience)
        assert users[0].arrived == [f"heard psst {number}" for number in range(20)]
        assert users[1].private == [f"psst {number}" for number in range(20)] and users[3].private == []
    chat("answers", conversation)


def test_one_server_disconnects_a_user_of_the_other(chat, patience):
    async def conversation(users):
        await users[0].client.emit("send_away", users[1].client.get_sid())
        await until(lambda: not users[1].client.connected, patience)
        assert [user.client.connected for user in users] == [True, False, True, True]
    chat("partings", conversation)
