"""Many consumers and groups: whatever their names are and in whatever order they come and go, they are told of in the same order."""
import random


def names_of(reply):
    return [entry.value[1].value for entry in reply.value]


def some_names(draw, count):
    kinds = [lambda: b"consumer:%d" % draw.randrange(5000), lambda: b"%d" % draw.randrange(5000), lambda: draw.randbytes(draw.randrange(12)),
             lambda: bytes(draw.choices([0, 1, 255], k=draw.randrange(9)))]
    return [draw.choice(kinds)() for _ in range(count)]


def test_consumers_and_groups_are_in_order(server, reference):
    noted = []
    for one in (reference, server):
        draw = random.Random(7)
        notes = []
        with one.connect() as client:
            client("XADD", "s", "1-1", "a", "b")
            client("XGROUP", "CREATE", "s", "g", "0")
            for round, (made, removed) in enumerate([(300, 0), (900, 200), (1500, 300), (200, 1600), (50, 700), (900, 0)]):
                for name in some_names(draw, made):
                    notes.append(client("XGROUP", "CREATECONSUMER", "s", "g", name).raw)
                    notes.append(client("XGROUP", "CREATE", "s", name, "0", "ENTRIESREAD", round).raw)
                consumers = names_of(client("XINFO", "CONSUMERS", "s", "g"))
                for name in draw.sample(consumers, min(removed, len(consumers))) + [b"nobody"]:
                    notes.append(client("XGROUP", "DELCONSUMER", "s", "g", name).raw)
                    notes.append(client("XGROUP", "DESTROY", "s", name if name != b"g" else b"none").raw)
                for name in draw.sample(consumers, 20):
                    client("XADD", "s", "*", "a", "b")
                    notes.append(client("XREADGROUP", "GROUP", "g", name, "COUNT", "1", "STREAMS", "s", ">").kind)
                notes.append(names_of(client("XINFO", "CONSUMERS", "s", "g")))
                notes.append(len(client("XINFO", "GROUPS", "s").value))
                notes.append(names_of(client("XINFO", "GROUPS", "s")))
                notes.append(client("XPENDING", "s", "g").value[3].raw)
            payload = client("DUMP", "s").value
            notes.append(client("RESTORE", "t", "0", payload).raw)
            notes.append(client("COPY", "s", "u").raw)
            for key in "t", "u":
                notes.append(names_of(client("XINFO", "CONSUMERS", key, "g")))
                notes.append(names_of(client("XINFO", "GROUPS", key)))
            notes.append(client("DEL", "s", "t", "u").raw)
        noted.append(notes)
    assert len(noted[0]) > 100 and max(len(note) for note in noted[0] if isinstance(note, list)) > 1000
    assert noted[0] == noted[1]
