"""Random values between Lua and the outside: as replies, JSON, MessagePack and packed structures, the same as redis-server's.

Their effects are not replayed: these scripts only convert values and write nothing. Scripts that write are in `test_effects.scripted`."""
import os
import random
import struct

import pytest

ROUNDS = int(os.environ.get("CONFORMANCE_SCRIPTS", "300"))
SEED = int(os.environ.get("CONFORMANCE_SEED", random.randrange(1 << 30)))


def number(draw):
    return draw.choice([
        lambda: str(draw.randint(-5, 300)), lambda: str(draw.randint(-(1 << 33), 1 << 33)), lambda: str(draw.randint(-(1 << 62), 1 << 62)),
        lambda: repr(draw.uniform(-10, 10)), lambda: f"{draw.uniform(0, 1)}e{draw.randint(-20, 20)}", lambda: f"2^{draw.randint(0, 64)}",
        lambda: f"-2^{draw.randint(0, 64)}", lambda: draw.choice(["1/0", "-1/0", "-0.0", "1e15", "1e16", "1e17", "1e20", "127", "128", "-32", "-33", "65535", "65536"]),
    ])()


def text(draw):
    content = "".join(draw.choice(["a", "\\n", "\\r", "\\0", "\\255", "\\195\\169", "/", '\\"', "\\\\", "\\127", "é", " "]) for _ in range(draw.randint(0, 40)))
    return f'"{content}"'


def scalar(draw):
    return draw.choice([number, text, lambda _: draw.choice(["true", "false"])])(draw)


def value(draw, depth=0):
    if depth > 3 or draw.random() < 0.4:
        return scalar(draw)
    kind = draw.randrange(4)
    if kind == 0:
        return "{" + ", ".join(value(draw, depth + 1) for _ in range(draw.randint(0, 20))) + "}"
    if kind == 1:
        return "{" + f"{draw.choice(['a', 'b', 'c'])} = {value(draw, depth + 1)}" + "}"
    if kind == 2:
        return "{" + f"[{draw.randint(-1, 12)}] = {value(draw, depth + 1)}" + "}"
    return draw.choice([
        lambda: "{ok = " + text(draw) + "}", lambda: "{err = " + text(draw) + "}", lambda: "{double = " + number(draw) + "}",
        lambda: "{map = {[" + scalar(draw) + "] = " + value(draw, depth + 1) + "}}", lambda: "{set = {[" + text(draw) + "] = true}}",
        lambda: "{big_number = '" + str(draw.randint(-(1 << 90), 1 << 90)) + "'}",
        lambda: "{verbatim_string = {format = 'txt', string = " + text(draw) + "}}", lambda: "{1, nil, 2}", lambda: "{cjson.null}",
    ])()


def json_text(draw, depth=0):
    kinds = ["number", "string", "word"] + ([] if depth > 3 else ["array", "object"])
    kind = draw.choice(kinds)
    if kind == "number":
        return draw.choice([str(draw.randint(-1000, 1 << 62)), repr(draw.uniform(-1e9, 1e9)), "1e5", "-0", "0x1f", "01", "1.", ".5", "inf", "-nan", "1E+3"])
    if kind == "string":
        return '"' + "".join(draw.choice(["a", "\\n", "\\u00e9", "\\ud83d\\ude00", "\\ud800", "\\/", "\\x", "é", "\t", "\\u12"]) for _ in range(draw.randint(0, 6))) + '"'
    if kind == "word":
        return draw.choice(["true", "false", "null", "tru", ""])
    space = draw.choice(["", " ", "\n"])
    if kind == "array":
        return "[" + ("," + space).join(json_text(draw, depth + 1) for _ in range(draw.randint(0, 4))) + draw.choice(["]", "]", "]", "", ",]"])
    return "{" + space + (f'"k":{json_text(draw, depth + 1)}' if draw.random() < 0.8 else "") + draw.choice(["}", "}", "}", "", ":"])


def packed(draw):
    """Bytes that are MessagePack, or nearly."""
    marks = [0x00, 0x7F, 0xE0, 0xFF, 0xC0, 0xC2, 0xC3, 0xCC, 0xCD, 0xCE, 0xCF, 0xD0, 0xD1, 0xD2, 0xD3, 0xD9, 0xDA, 0xA3, 0xA0, 0x91, 0x92, 0x81, 0xDC, 0xDE, 0xC1]
    return bytes(draw.choice([draw.choice(marks), draw.randrange(4), draw.randrange(256)]) for _ in range(draw.randint(1, 24)))


# What is decoded is told of without depending on how numbers are printed in replies.
SHOW = """
local function show(v, depth)
    if type(v) ~= 'table' then return type(v) .. ':' .. (type(v) == 'userdata' and 'null' or string.format(type(v) == 'number' and '%.17g' or '%s', type(v) == 'number' and v or tostring(v))) end
    local parts = {}
    for k, e in pairs(v) do parts[#parts + 1] = show(k) .. '=' .. show(e) end
    table.sort(parts)
    return '{' .. table.concat(parts, ',') .. '}'
end
local results = {pcall(function() return CALL end)}
for i = 1, #results do results[i] = show(results[i]) end
return results
"""



def showing(call):
    """A script that shows what a function returns; `call` is its name and its arguments."""
    name, arguments = call.split(", ", 1)
    return SHOW.replace("CALL", f"{name}({arguments})")


FORMATS = ["<", ">", "!", "!4", "!8", " ", "x", "b", "B", "h", "H", "l", "L", "T", "i", "I", "i1", "i3", "I2", "i8", "c1", "c3", "c0", "s", "f", "d", "z", "!3", "i33"]


def scripts(draw):
    """One random script with its arguments."""
    kind = draw.randrange(7)
    if kind == 0:
        return f"redis.setresp({draw.choice([2, 3])}) return {value(draw)}", []
    if kind == 1:
        return f"return cjson.encode({value(draw)})", []
    if kind == 2:
        return f"return cmsgpack.pack({value(draw)}, {scalar(draw)})", []
    if kind == 3:
        return showing("cjson.decode, ARGV[1]"), [json_text(draw)]
    if kind == 4:
        call = draw.choice(["cmsgpack.unpack, ARGV[1]", f"cmsgpack.unpack_one, ARGV[1], {draw.randint(-1, 5)}", f"cmsgpack.unpack_limit, ARGV[1], {draw.randint(-1, 3)}, {draw.randint(0, 3)}"])
        return showing(call), [packed(draw)]
    chosen = "".join(draw.choice(FORMATS) for _ in range(draw.randint(1, 5)))
    if kind == 5:
        given = ", ".join(draw.choice([number, text, text])(draw) for _ in range(4))
        return showing(f"struct.pack, '{chosen}', {given}"), []
    # Lengths that come from the data itself are converted as the processor likes.
    chosen = chosen.replace("c0", "c2")
    data = struct.pack("<qdi", draw.randint(-9, 9), draw.uniform(-9, 9), draw.randint(0, 4)) + b"abc\0def"
    return showing(f"struct.unpack, '{chosen}', ARGV[1]"), [data]


def is_undefined(script):
    """Numbers that have no integer are converted as the processor likes."""
    return "struct.pack" in script and ("1/0" in script or "2^6" in script or "e1" in script or "e2" in script)


@pytest.mark.parametrize("protocol", [2, 3])
def test_random_values(server, reference, protocol):
    print(f"CONFORMANCE_SEED={SEED}")
    draw = random.Random(SEED + protocol)
    with server.connect(protocol=protocol) as tested, reference.connect(protocol=protocol) as other:
        for _ in range(ROUNDS):
            script, arguments = scripts(draw)
            if is_undefined(script):
                continue
            ours, theirs = tested("EVAL", script, "0", *arguments), other("EVAL", script, "0", *arguments)
            if ours.raw != theirs.raw and "double" in script:
                continue        # 7.0 writes 17 digits
            assert ours.raw == theirs.raw, f"{script}\n{arguments}\nreference: {theirs}\n   tested: {ours}"
