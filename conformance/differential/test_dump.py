"""DUMP and RESTORE: values travel between the server under test and the reference, in both directions and in every encoding.

Payloads of old forms, which no server writes any more, are built by hand. Damaged ones, with right checksums, so that the readers of
the values see them, must be answered, and what is let through must be sound.
"""
import os
import random
import struct

import pytest

from support.dump import (
    canonical_integer, intset, length, listpack, listpack_element, listpack_of, opened, payload, sealed, string, strings, ziplist, zipmap)

LONG = b"a long text, long enough not to be packed: " + b"x" * 80


# A form that the reference, if it is older, does not read.
STREAM_OF_REDIS_72 = 21


def strings_of(*texts):
    return [["SET", "k", text] for text in texts]


def pairs(count, value=b"v%d"):
    return [word for index in range(count) for word in (b"f%d" % index, value % index)]


# Each makes a value at the key k.
RECIPES = {
    "string empty": [["SET", "k", ""]],
    "string integers": None,
    "string short": [["SET", "k", "hello"]],
    "string raw": [["SET", "k", "x" * 20], ["APPEND", "k", "y" * 40]],
    "string compressible": [["SET", "k", b"abcabc" * 1000]],
    "string runs": [["SET", "k", b"a" * 100_000 + b"b" * 30 + b"a" * 9000]],
    "string random": [["SET", "k", random.Random(1).randbytes(50_000)]],
    "string text of an integer": [["SET", "k", "12"], ["APPEND", "k", "34"]],
    "hash of one": [["HSET", "k", "f", "v"]],
    "hash packed": [["HSET", "k", *pairs(100)]],
    "hash of integers": [["HSET", "k", *[word for index in range(62) for word in (1 << index, -1 << index)]]],
    "hash of empty texts": [["HSET", "k", "", "", "f", ""]],
    "hash table": [["HSET", "k", *pairs(1000)]],
    "hash of a long value": [["HSET", "k", "f", LONG, "12", "13"]],
    "hash of large values": [["HSET", "k", "f", b"abc" * 10_000, "g", random.Random(2).randbytes(20_000)]],
    "list packed of one": [["RPUSH", "k", "a"]],
    "list packed": [["RPUSH", "k", *range(100), "a", "", "b" * 100]],
    "list of nodes": [["RPUSH", "k", *[b"element %d" % index for index in range(5000)]]],
    "list of integers": [["RPUSH", "k", *range(-3000, 9000)]],
    "list with large elements": [["RPUSH", "k", "a", b"x" * 20_000, "b", random.Random(3).randbytes(9000), "c", b"y" * 70_000]],
    "list compressed": [["CONFIG", "SET", "list-compress-depth", 1], ["RPUSH", "k", *[b"some element %d" % (index // 9) for index in range(5000)]],
                        ["CONFIG", "SET", "list-compress-depth", 0]],
    "list of small nodes": [["CONFIG", "SET", "list-max-listpack-size", 3], ["RPUSH", "k", *range(50)], ["CONFIG", "SET", "list-max-listpack-size", -2]],
    "list of large nodes": [["CONFIG", "SET", "list-max-listpack-size", -5], ["RPUSH", "k", *[b"element %d" % index for index in range(9000)]],
                            ["CONFIG", "SET", "list-max-listpack-size", -2]],
    "sorted set packed": [["ZADD", "k", 1, "a", 2.5, "b", "-inf", "c", "inf", "d", 1e300, "e", 0.1, "f", -7, "12", 1, "", 1, "aa", "-0.0", "zero"]],
    "sorted set large": [["ZADD", "k", *[word for index in range(600) for word in (index * 0.37 - 100, b"m%d" % (index % 597))]]],
    "sorted set of one score": [["ZADD", "k", *[word for index in range(600) for word in (5, index)]]],
    "sorted set of a long member": [["ZADD", "k", 1, LONG, 2, "b"]],
    "stream of one": [["XADD", "k", "1-1", "f", "v"]],
    "stream of nodes": [["XADD", "k", b"%d-%d" % (index, index % 3 + 1), "f", index, "g", b"v%d" % index] for index in range(1, 700)],
    "stream of many fields": [["XADD", "k", b"5-%d" % (1 << index), *pairs(index % 5 + 1)] for index in range(60)],
    "stream with deleted entries": [["XADD", "k", b"%d-1" % index, "f", "v"] for index in range(1, 250)]
    + [["XDEL", "k", *[b"%d-1" % index for index in range(1, 120)], "200-1"], ["XTRIM", "k", "MAXLEN", 100]],
    "stream without entries": [["XADD", "k", "7-7", "f", "v"], ["XDEL", "k", "7-7"]],
    "stream of a group": [["XGROUP", "CREATE", "k", "g", "$", "MKSTREAM"]],
    "stream with a counted group": [["XADD", "k", "7-7", "f", "v"], ["XGROUP", "CREATE", "k", "g", "0", "ENTRIESREAD", 5], ["XSETID", "k", "9-9"]],
    "stream with groups": [["XADD", "k", b"%d-0" % index, "f", "v"] for index in range(1, 150)] + [
        ["XGROUP", "CREATE", "k", "one", "0"], ["XGROUP", "CREATE", "k", "two", "50"], ["XGROUP", "CREATE", "k", "", "$"],
        ["XREADGROUP", "GROUP", "one", "alice", "COUNT", 20, "STREAMS", "k", ">"],
        ["XREADGROUP", "GROUP", "one", "bob", "COUNT", 30, "STREAMS", "k", ">"], ["XGROUP", "CREATECONSUMER", "k", "two", "carol"],
        ["XCLAIM", "k", "one", "bob", 0, "5-0", "7-0", "TIME", 1000, "RETRYCOUNT", 8], ["XACK", "k", "one", "1-0", "30-0"]],
    "stream that counted too far": [["XADD", "k", "1-1", "f", "v"], ["XSETID", "k", "1-1", "ENTRIESADDED", 2**63 - 1], ["XADD", "k", "2-2", "f", "v"]],
    "stream with a group that counted too far": [
        ["XADD", "k", "1-1", "f", "v"], ["XGROUP", "CREATE", "k", "g", 0, "ENTRIESREAD", 2**63 - 1], ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", ">"]],
    "set of integers": [["SADD", "k", 1, -5, 300]],
    "set of wide integers": [["SADD", "k", 1, 1 << 20, -1 << 40]],
    "set of many integers": [["SADD", "k", *range(0, 5000, 7)]],
    "set packed": [["SADD", "k", "a", "b", "", 12, "x" * 64]],
    "set packed that was integers": [["SADD", "k", 1, 2, 3, 1 << 40], ["SADD", "k", "a"]],
    "set table": [["SADD", "k", *[b"m%d" % index for index in range(600)], *range(600)]],
    "set of a long member": [["SADD", "k", "a", LONG, 13]],
}
del RECIPES["string integers"]
for number in [0, 1, -1, 12, 127, 128, -128, -129, 255, 32767, 32768, -32768, -32769, 2147483647, 2147483648, -2147483648, -2147483649,
               9999999999, 9223372036854775807, -9223372036854775808]:
    RECIPES[f"string {number}"] = [["SET", "k", number]]


def made(connection, recipe):
    for command in recipe:
        reply = connection(*command)
        assert not reply.is_error, reply


def digest(connection, key="k"):
    return connection("DEBUG", "DIGEST-VALUE", key).plain()[0]


def encoding(connection, key="k"):
    return connection("OBJECT", "ENCODING", key).plain()


@pytest.mark.parametrize("name", RECIPES)
def test_values_travel(name, server, reference):
    with server.connect() as ours, reference.connect() as theirs:
        for source in (ours, theirs):
            ours("FLUSHALL"), theirs("FLUSHALL")
            made(source, RECIPES[name])
            dumped = source("DUMP", "k").value
            for target in (ours, theirs):
                reply = target("RESTORE", "k2", 0, dumped)
                if target is theirs and source is ours and dumped[0] == STREAM_OF_REDIS_72:
                    assert b"version or checksum" in reply.raw
                    continue
                assert reply.value == b"OK"
                assert digest(target, "k2") == digest(source)
            if source is ours and dumped[0] == STREAM_OF_REDIS_72:
                continue
            # Small sets of texts and small lists are packed since Redis 7.2.
            assert encoding(ours, "k2") == (b"listpack" if name.startswith(("set packed", "list packed")) else encoding(theirs, "k2"))


def test_noise_that_comes_again_is_compressed(server, reference):
    """Random bytes twice in a row, so that the match is found late and goes back far."""
    rng = random.Random(7)
    with server.connect() as ours, reference.connect() as theirs:
        for _ in range(600):
            part = rng.randbytes(rng.randrange(200, 8000))
            value = part + rng.randbytes(rng.choice([0, 0, 100])) + part + part[:rng.choice([0, 500])]
            ours("SET", "k", value)
            dumped = ours("DUMP", "k").value
            assert theirs("RESTORE", "k", 0, dumped, "REPLACE").value == b"OK" and theirs("GET", "k").value == value, (len(part), len(value))


OLD_FORMS = {
    "string": payload(0, string("hello")),
    "string of no canonical length": payload(0, b"\x80\0\0\0\x05hello"),
    "hash": payload(4, length(2), strings("f", "v", "g", LONG)),
    "hash zip map": payload(9, string(zipmap((b"f", b"v"), (b"12", b"-13"), (b"", b"")))),
    "hash zip map with spare bytes": payload(9, string(zipmap((b"f", b"v"), (b"12", b"-13"), spare=3))),
    "hash zip map of long values": payload(9, string(zipmap((b"f", LONG * 5), (b"g" * 300, b"")))),
    "hash zip map of many": payload(9, string(zipmap(*((b"f%d" % index, b"v") for index in range(300))))),
    "hash ziplist": payload(13, string(ziplist("f", "v", 1, 2, -100, 1 << 40, "", "x" * 60, 300, 40000, 1 << 22, 1 << 30))),
    "hash ziplist of long lengths": payload(13, string(ziplist("f", "v", 1, 2, wide=True))),
    "hash ziplist of many": payload(13, string(ziplist(*range(2000)))),
    "hash ziplist of long values": payload(13, string(ziplist("f", "v" * 300, "g", "w" * 20_000, "h", 12))),
    "hash listpack": payload(16, string(listpack("f", "v", "g", 12, 13, "x" * 100)), version=10),
    "hash listpack of unknown count": payload(16, string(listpack("f", "v", "g", "w", count=65535)), version=10),
    "hash listpack of many": payload(16, string(listpack(*range(4000))), version=10),
    "list": payload(1, length(4), strings("a", "12", LONG, "")),
    "list of many": payload(1, length(3000), strings(*[str(index) for index in range(3000)])),
    "list ziplist": payload(10, string(ziplist("a", 12, "x" * 300, "", -7))),
    "list ziplist of many": payload(10, string(ziplist(*range(5000)))),
    "list of ziplists": payload(14, length(3), *[string(ziplist(*range(index, index + 900))) for index in range(3)]),
    "list of a ziplist and an empty one": payload(14, length(2), string(ziplist()), string(ziplist("a"))),
    "list of listpacks": payload(18, length(3), *[b"\2" + string(listpack(*range(index, index + 900))) for index in range(3)], version=10),
    "list of one small listpack": payload(18, length(1), b"\2" + string(listpack("a", 1)), version=10),
    "list of a listpack and an empty one": payload(18, length(2), b"\2" + string(listpack()), b"\2" + string(listpack("a")), version=10),
    "list of large listpacks": payload(18, length(2), *[b"\2" + string(listpack(*range(70_000))) for index in range(2)], version=10),
    "list of a plain node": payload(18, length(1), b"\1" + string(b"p" * 9000), version=10),
    "list of plain nodes": payload(18, length(3), b"\1" + string(b"p" * 9000), b"\2" + string(listpack("a")), b"\1" + string(b"short"), version=10),
    "sorted set of texts": payload(3, length(5), *[string(member) + bytes([len(score)]) + score for member, score in
                                                   ((b"a", b"1.5"), (b"b", b"-3"), (b"c", b"1e10"))], string("d") + b"\xFE", string("e") + b"\xFF"),
    "sorted set": payload(5, length(3), string("a") + struct.pack("<d", 2.5), string("b") + struct.pack("<d", -1), string(LONG) + struct.pack("<d", 0)),
    "sorted set in no order": payload(5, length(200), *[string(b"m%d" % (index * 77 % 200)) + struct.pack("<d", index * 77 % 200) for index in range(200)]),
    "sorted set ziplist": payload(12, string(ziplist("a", "1.5", "b", 2, "c", 1 << 40))),
    "sorted set ziplist of many": payload(12, string(ziplist(*[word for index in range(300) for word in (b"m%03d" % index, index)]))),
    "sorted set listpack": payload(17, string(listpack("a", "-1.5", "b", 2, "c", 2, "d", "inf")), version=10),
    "sorted set listpack of many": payload(17, string(listpack(*[word for index in range(300) for word in (b"m%03d" % index, index)])), version=10),
    "set": payload(2, length(3), strings("a", "12", LONG)),
    "set of integers one by one": payload(2, length(3), b"\xC0\x05\xC1\x00\x10", strings("77")),
    "set of integers of a needless width": payload(11, string(intset(1, 2, 3, size=8))),
    "set of many integers": payload(11, string(intset(*range(-1000, 1000)))),
}


STREAM_END = length(1) + length(9) + length(9) + length(5) + length(5) + length(0) * 2 + length(1) + length(0)


def stream(node, count=1, groups=length(0)):
    """A stream of one node whose id is 5-5 and whose last id is 9-9."""
    return (bytes([19]) + length(1) + string(struct.pack(">QQ", 5, 5)) + string(node) + length(count) + length(9) * 2 + length(5) * 2
            + length(0) * 2 + length(count) + groups)


# Forms that are newer than the reference.
NEW_FORMS = {
    "stream": (sealed(stream(listpack(1, 0, 1, "f", 0, 2, 0, 0, "v", 4))), ["XADD", "5-5", "f", "v"]),
    "stream of Redis 5": (payload(15, length(1), string(struct.pack(">QQ", 5, 5)), string(listpack(1, 0, 1, "f", 0, 2, 0, 0, "v", 4)), length(1),
                                  length(5) * 2, length(0)), ["XADD", "5-5", "f", "v"]),
    "packed set": (payload(20, string(listpack("a", 12, "")), version=11), ["SADD", "a", 12, ""]),
    "packed set of many": (payload(20, string(listpack(*range(200), "a")), version=11), ["SADD", *range(200), "a"]),
    "packed set of integers kept as text": (payload(20, string(listpack("12", "a", text=True)), version=11), ["SADD", 12, "a"]),
}


@pytest.mark.ours
@pytest.mark.parametrize("name", NEW_FORMS)
def test_new_forms_are_read(name, server):
    data, (command, *arguments) = NEW_FORMS[name]
    with server.connect() as client:
        assert client("RESTORE", "k", 0, data).value == b"OK"
        client(command, "k2", *arguments)
        assert digest(client) == digest(client, "k2")


@pytest.mark.parametrize("name", OLD_FORMS)
def test_old_forms_are_read(name, server, reference):
    with server.connect() as ours, reference.connect() as theirs:
        for target in (ours, theirs):
            assert target("RESTORE", "k", 0, OLD_FORMS[name]).value == b"OK"
        assert digest(ours) == digest(theirs)


@pytest.mark.ours
def test_integers_kept_as_text_are_found(server):
    """No server writes such a listpack; here they would not be found if it was taken over as it is."""
    with server.connect() as client:
        client("RESTORE", "k", 0, payload(16, string(listpack("12", "v", "g", "13", text=True)), version=10))
        assert client("HGET", "k", "12").value == b"v" and client("HGET", "k", "g").value == b"13"
        assert client("HSET", "k", "12", "w").value == 0


DAMAGED = {
    "nothing": b"",
    "an unknown type": bytes([200]),
    "a type of a module": bytes([7]) + length(5),
    "a string without bytes": bytes([0]) + length(5),
    "a string too short": bytes([0]) + length(5) + b"abcd",
    "a length of no form": bytes([0]) + b"\x82" + b"abcdefgh",
    "a string of the highest length": bytes([0]) + b"\x81" + b"\xFF" * 8,
    "an integer cut short": bytes([0]) + b"\xC2\x01\x02",
    "an unknown kind of string": bytes([0]) + b"\xC4" + b"abcd",
    "a compressed string of nothing": bytes([0]) + b"\xC3" + length(1000) + length(2000) + b"ab",
    "a compressed string far too long": bytes([0]) + b"\xC3" + length(3) + length(1 << 40) + b"\xE0\x00\x00",
    "a compressed string that looks back too far": bytes([0]) + b"\xC3" + length(4) + length(5) + b"\x00a\x20\x09",
    "a compressed string too short": bytes([0]) + b"\xC3" + length(2) + length(5) + b"\x00a",
    "a hash of nothing": bytes([4]) + length(0),
    "a hash without fields": bytes([4]) + length(1 << 40),
    "a hash without a value": bytes([4]) + length(1) + string("f"),
    "a hash with a field twice": bytes([4]) + length(3) + strings("f", "v", "g", "v", "f", "w"),
    "a table with a field twice": bytes([4]) + length(3) + strings("f", LONG, "g", "v", "f", "w"),
    "a table with a field twice at last": bytes([4]) + length(3) + strings("f", "v", "f", "v", "g", LONG),
    "a packed hash of nothing": bytes([16]) + string(listpack()),
    "a packed hash without bytes": bytes([16]) + string(b""),
    "a packed hash with an odd count": bytes([16]) + string(listpack("f", "v", "g")),
    "a packed hash with a field twice": bytes([16]) + string(listpack("f", "v", "g", "v", "f", "w")),
    "a packed hash with an integer twice": bytes([16]) + string(listpack(1, 2, 3, 4, 1, 2)),
    "a packed hash of a wrong count": bytes([16]) + string(listpack("f", "v", count=4)),
    "a packed hash without an end": bytes([16]) + string(listpack("f", "v")[:-1] + b"\0"),
    "a packed hash of a wrong size": bytes([16]) + string(b"\x09" + listpack("f", "v")[1:]),
    "a packed hash that goes on": bytes([16]) + string(listpack("f", "v") + b"\xFF"),
    "an element out of its listpack": bytes([16]) + string(listpack_of([b"\xBFabc\x05", listpack_element("v")], 2)),
    "an element of no form": bytes([16]) + string(listpack_of([b"\xF5abc\x05", listpack_element("v")], 2)),
    "an element with a wrong length behind it": bytes([16]) + string(listpack_of([b"\x81f\x03", listpack_element("v")], 2)),
    "a ziplist of nothing": bytes([13]) + string(ziplist()),
    "a ziplist with a field twice": bytes([13]) + string(ziplist("f", "v", "f", "w")),
    "a ziplist with an odd count": bytes([13]) + string(ziplist("f", "v", "g")),
    "a ziplist of a wrong count": bytes([13]) + string(ziplist("f", "v", count=3)),
    "a ziplist of a wrong tail": bytes([13]) + string(ziplist("f", "v", tail=10)),
    "a ziplist without an end": bytes([13]) + string(ziplist("f", "v")[:-1] + b"\0"),
    "a ziplist that goes on": bytes([13]) + string(ziplist("f", "v") + b"\xFF"),
    "a list of nothing": bytes([1]) + length(0),
    "a list without its last element": bytes([1]) + length(3) + strings("a", "b"),
    "a list of a ziplist of nothing": bytes([10]) + string(ziplist()),
    "a list of no ziplists": bytes([14]) + length(0),
    "a list of ziplists of nothing": bytes([14]) + length(2) + string(ziplist()) * 2,
    "a list of a broken ziplist": bytes([14]) + length(2) + string(ziplist("a")) + string(ziplist("a", count=3)),
    "a list of no nodes": bytes([18]) + length(0),
    "a list of nodes of nothing": bytes([18]) + length(2) + (b"\2" + string(listpack())) * 2,
    "a list of too few nodes": bytes([18]) + length(2) + b"\2" + string(listpack("a")),
    "a list of a broken node": bytes([18]) + length(2) + b"\2" + string(listpack("a")) + b"\2" + string(listpack("a", count=2)),
    "a list of an unknown node": bytes([18]) + length(2) + b"\2" + string(listpack("a")) + b"\3" + string("a"),
    "a list of a plain node of nothing": bytes([18]) + length(1) + b"\1" + string(b""),
    "a sorted set of nothing": bytes([5]) + length(0),
    "a sorted set with a member twice": bytes([5]) + length(3) + b"".join(string(m) + struct.pack("<d", 1) for m in "aba"),
    "a sorted set with no number": bytes([5]) + length(1) + string("a") + struct.pack("<d", float("nan")),
    "a sorted set without a score": bytes([5]) + length(1) + string("a") + b"abc",
    "a sorted set with a text of no number": bytes([3]) + length(1) + string("a") + b"\3abc",
    "a sorted set with a text that is none": bytes([3]) + length(1) + string("a") + b"\xFD",
    "a packed sorted set with a member twice": bytes([17]) + string(listpack("a", 1, "b", 2, "a", 3)),
    "a packed sorted set of an odd count": bytes([17]) + string(listpack("a", 1, "b")),
    "a packed sorted set of nothing": bytes([17]) + string(listpack()),
    "a packed sorted set with no number": bytes([17]) + string(listpack("a", "x")),
    "a ziplist of members and no numbers": bytes([12]) + string(ziplist("a", "x")),
    "a stream of nothing at all": bytes([19]),
    "a stream of a node without an id": bytes([19]) + length(1) + string("short") + string(listpack(1, 0, 1, "f", 0, 2, 0, 0, "v", 4)) + STREAM_END,
    "a stream with a wrong count": stream(listpack(2, 0, 1, "f", 0, 2, 0, 0, "v", 4)),
    "a stream with a wrong count of deleted": stream(listpack(1, 1, 1, "f", 0, 2, 0, 0, "v", 4)),
    "a stream of too few fields": stream(listpack(1, 0, 3, "f", 0, 2, 0, 0, "v", 4)),
    "a stream with a negative count of fields": stream(listpack(1, 0, -1, "f", 0, 2, 0, 0, "v", 4)),
    "a stream without the end of its fields": stream(listpack(1, 0, 1, "f", 1, 2, 0, 0, "v", 4)),
    "a stream entry of unknown flags": stream(listpack(1, 0, 1, "f", 0, 7, 0, 0, "v", 4)),
    "a stream entry of a wrong length": stream(listpack(1, 0, 1, "f", 0, 2, 0, 0, "v", 5)),
    "a stream entry that is cut short": stream(listpack(1, 0, 1, "f", 0, 2, 0, 0, "v")),
    "a stream entry with many fields": stream(listpack(1, 0, 1, "f", 0, 0, 0, 0, 1 << 62, "v", 4)),
    "stream entries out of order": stream(listpack(2, 0, 1, "f", 0, 2, 0, 5, "v", 4, 2, 0, 5, "v", 4), 2),
    "a stream of another length": stream(listpack(1, 0, 1, "f", 0, 2, 0, 0, "v", 4), 2),
    "a stream with entries behind the last": stream(listpack(1, 0, 1, "f", 0, 2, 100, 0, "v", 4)),
    "stream nodes out of order": bytes([19]) + length(2) + (string(struct.pack(">QQ", 5, 5)) + string(listpack(1, 0, 1, "f", 0, 2, 0, 0, "v", 4))) * 2 + STREAM_END,
    "a stream group that is there twice": stream(listpack(1, 0, 1, "f", 0, 2, 0, 0, "v", 4), 1, length(2) + (string("g") + b"\0" * 5) * 2),
    "a stream group with a pending entry twice": stream(listpack(1, 0, 1, "f", 0, 2, 0, 0, "v", 4), 1, length(1) + string("g") + b"\0" * 3 + length(2)
                                                       + (struct.pack(">QQq", 5, 5, 0) + length(1)) * 2 + length(0)),
    "a stream consumer with what is not pending": stream(listpack(1, 0, 1, "f", 0, 2, 0, 0, "v", 4), 1, length(1) + string("g") + b"\0" * 3 + length(0)
                                                        + length(1) + string("c") + bytes(8) + length(1) + struct.pack(">QQ", 5, 5)),
    "a stream entry pending for two": stream(listpack(1, 0, 1, "f", 0, 2, 0, 0, "v", 4), 1, length(1) + string("g") + b"\0" * 3 + length(1)
                                             + struct.pack(">QQq", 5, 5, 0) + length(1) + length(2)
                                             + b"".join(string(c) + bytes(8) + length(1) + struct.pack(">QQ", 5, 5) for c in "cd")),
    "a set of nothing": bytes([2]) + length(0),
    "a set with a member twice": bytes([2]) + length(3) + strings("a", "b", "a"),
    "a set with an integer twice": bytes([2]) + length(3) + strings("1", "2", "1"),
    "a set with a long member twice": bytes([2]) + length(3) + strings(LONG, "2", LONG),
    "a set without a member": bytes([2]) + length(3) + strings("a", "b"),
    "integers of nothing": bytes([11]) + string(intset()),
    "integers of no width": bytes([11]) + string(intset(1, 2, size=3)),
    "integers of a wrong count": bytes([11]) + string(intset(1, 2, count=3)),
    "integers that fall": bytes([11]) + string(intset(2, 1)),
    "an integer twice": bytes([11]) + string(intset(1, 1)),
    "integers without a head": bytes([11]) + string(b"\2\0\0\0"),
    "a packed set of nothing": bytes([20]) + string(listpack()),
    "a packed set with a member twice": bytes([20]) + string(listpack("a", 2, "b", 2)),
    "a long packed set with a member twice": bytes([20]) + string(listpack(*range(300), 7)),
    "a zip map of nothing": bytes([9]) + string(zipmap()),
    "a zip map with a field twice": bytes([9]) + string(zipmap((b"f", b"v"), (b"f", b"w"))),
    "a zip map of a wrong count": bytes([9]) + string(zipmap((b"f", b"v"), count=2)),
    "a zip map without an end": bytes([9]) + string(zipmap((b"f", b"v"))[:-1]),
    "a zip map whose field is too long": bytes([9]) + string(b"\x01\xFE\xFF\xFF\xFF\xFFf\x01\x00v\xFF"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_values_are_refused(name, server, start):
    with server.connect() as client:
        assert client("SET", "k", "old").value == b"OK"
        assert client("RESTORE", "k", 0, sealed(DAMAGED[name]), "REPLACE").value == b"ERR Bad data format"
        assert client("GET", "k").value == b"old" and client("DBSIZE").value == 1


def damaged(data, rng):
    """Some of the ways in which bytes go bad."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        place = rng.randrange(len(data))
        match rng.randrange(6):
            case 0:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[place] = rng.choice([0, 1, 0x7F, 0x80, 0xC3, 0xFE, 0xFF, rng.randrange(256)])
            case 2:
                del data[place:place + rng.choice([1, 1, 2, 4, 1000])]
            case 3:
                data[place:place] = rng.randbytes(rng.choice([1, 1, 2, 4]))
            case 4:
                data[place:place] = data[max(0, place - rng.randrange(20)):place]
            case 5:
                other = rng.randrange(len(data))
                data[place], data[other] = data[other], data[place]
        if not data:
            data = bytearray(b"\0")
    return bytes(data)


# What is done with a value that was let through: all of it is looked at, and it is changed.
USES = {
    b"string": [["GET", "k"], ["APPEND", "k", "x"]],
    b"hash": [["HGETALL", "k"], ["HLEN", "k"], ["HSET", "k", "new", "v" * 100], ["HRANDFIELD", "k", -5, "WITHVALUES"], ["HDEL", "k", "f1", "new"]],
    b"list": [["LRANGE", "k", 0, -1], ["LLEN", "k"], ["RPUSH", "k", "x" * 100], ["LPOP", "k"], ["LINSERT", "k", "BEFORE", "x" * 100, "y"], ["LREM", "k", -1, "y"],
              ["LTRIM", "k", 1, -2]],
    b"set": [["SMEMBERS", "k"], ["SCARD", "k"], ["SADD", "k", "new", 1 << 40], ["SRANDMEMBER", "k", -5], ["SREM", "k", "new"], ["SPOP", "k"]],
    b"zset": [["ZRANGE", "k", 0, -1, "WITHSCORES"], ["ZCARD", "k"], ["ZADD", "k", 1.5, "new"], ["ZRANGEBYSCORE", "k", "-inf", "inf"],
              ["ZRANK", "k", "new"], ["ZPOPMIN", "k"], ["ZREM", "k", "new"]],
    b"stream": [["XRANGE", "k", "-", "+"], ["XLEN", "k"], ["XREVRANGE", "k", "+", "-"], ["XINFO", "STREAM", "k", "FULL"], ["XINFO", "GROUPS", "k"],
                ["XADD", "k", "18446744073709551615-*", "f", "v"], ["XGROUP", "CREATE", "k", "new", "0"], ["XREADGROUP", "GROUP", "new", "c", "COUNT", 100, "STREAMS", "k", ">"],
                ["XTRIM", "k", "MAXLEN", 2]],
}


# CONFORMANCE_DAMAGE=<number>: how often each value is damaged, by each seed.
ROUNDS = int(os.environ.get("CONFORMANCE_DAMAGE", "20"))


@pytest.mark.parametrize("seed", range(4))
def test_random_damage(seed, server):
    """Whatever is answered, the server goes on; and what it takes can be read, written and saved again."""
    rng = random.Random(seed)
    with server.connect() as client:
        values = [opened(data) for data in OLD_FORMS.values()]
        for recipe in RECIPES.values():
            client("FLUSHALL")
            made(client, recipe)
            dumped = client("DUMP", "k").value
            if len(dumped) < 3000:
                values.append(opened(dumped))
        client("FLUSHALL")
        taken = 0
        for round in range(ROUNDS):
            for value in values:
                reply = client("RESTORE", "k", 0, sealed(damaged(value, rng)), "REPLACE")
                if reply.is_error:
                    assert reply.value == b"ERR Bad data format"
                    continue
                taken += 1
                before = digest(client)
                kind = client("TYPE", "k").value
                again = client("DUMP", "k").value
                assert client("RESTORE", "k2", 0, again, "REPLACE").value == b"OK", (value, again)
                assert digest(client, "k2") == before
                for command in USES[kind]:
                    client(*command)
                client("DEBUG", "DIGEST-VALUE", "k")
                client("DEL", "k")
        assert taken > 0


@pytest.mark.ours
def test_streams_with_released_entries_are_not_for_servers_that_do_not_know_them(server, reference):
    with server.connect() as client, reference.connect() as other:
        client("XADD", "k", "1-1", "f", "v")
        client("XGROUP", "CREATE", "k", "g", "0")
        client("XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", ">")
        assert struct.unpack("<H", client("DUMP", "k").value[-10:-8])[0] == 11
        assert client("XNACK", "k", "g", "SILENT", "IDS", "1", "1-1").value == 1
        released = client("DUMP", "k").value
        assert b"version or checksum" in other("RESTORE", "l", "0", released).raw
        assert client("RESTORE", "l", "0", released).raw == b"+OK\r\n"
        assert digest(client, "k") == digest(client, "l")
