"""Says whether two replies are the same, as far as they have to be. The modes are described in support/cases.py."""
import re


def difference(mode, argument, expected, actual):
    """None if `actual` is as good as `expected`, else a description of both."""
    if mode in ("exact", "closes", "raw", "next"):
        same = expected.raw == actual.raw
    elif mode == "sorted":
        same = expected.kind == actual.kind and in_order(expected) == in_order(actual)
    elif mode == "pairs":
        same = expected.kind == actual.kind and pairs(expected) == pairs(actual)
    elif mode in ("walk", "walkpairs"):
        same = expected.raw == actual.raw       # the walk has put them in order
    elif mode == "near":
        same = near(expected, actual, int(argument))
    elif mode == "scores":
        same = scores(expected) == scores(actual)
    elif mode == "shape":
        same = shape(expected) == shape(actual)
    elif mode == "greeting":
        same = greeting(expected) == greeting(actual)
    elif mode == "kind":
        same = expected.kind == actual.kind and (not expected.is_error or word(expected) == word(actual))
    elif mode == "match":
        expression = re.compile(argument[1:-1].encode(), re.S)
        same = expected.kind == actual.kind and all(
            isinstance(one.value, bytes) and expression.fullmatch(one.plain()) for one in (expected, actual))
    else:
        raise ValueError(f"no comparison named {mode}")
    return None if same else f"reference: {expected}\n   tested: {actual}"


def in_order(reply):
    return sorted(element.raw for element in reply.value) if isinstance(reply.value, list) else reply.raw


def pairs(reply):
    if not isinstance(reply.value, list):
        return reply.raw
    if reply.kind == "%":
        return sorted((key.raw, value.raw) for key, value in reply.value)
    elements = [element.raw for element in reply.value]
    if reply.value and reply.value[0].kind == "*":
        return sorted(elements)
    return sorted(zip(elements[::2], elements[1::2])), len(elements)


def near(expected, actual, tolerance):
    if expected.kind != actual.kind:
        return False
    if expected.kind in "*~>" and expected.value is not None and actual.value is not None:
        return len(expected.value) == len(actual.value) and all(
            near(one, other, tolerance) for one, other in zip(expected.value, actual.value))
    numbers = [number(reply) for reply in (expected, actual)]
    if None in numbers:
        return expected.raw == actual.raw
    # A negative answer (no key, no deadline) is never near to a time.
    return abs(numbers[0] - numbers[1]) <= tolerance and (numbers[0] < 0) == (numbers[1] < 0)


def number(reply):
    if reply.kind == ":":
        return reply.value
    if reply.kind == "$" and reply.value is not None and re.fullmatch(rb"-?\d+", reply.value):
        return int(reply.value)
    return None


def scores(reply):
    """The reply with every text that has decimals as the double it spells: Redis 7.0 writes seventeen digits, 7.2 as few as will do."""
    if isinstance(reply.value, list):
        return reply.kind, [scores(part) for part in reply.value]
    text = reply.value if isinstance(reply.value, bytes) else str(reply.value).encode()
    if reply.kind in "$," and re.fullmatch(rb"-?\d+(\.\d+)?(e[-+]\d+)?", text):
        return reply.kind, float(text)
    return reply.raw


def shape(reply):
    if isinstance(reply.value, list):
        return reply.kind, [tuple(shape(part) for part in one) if isinstance(one, tuple) else shape(one) for one in reply.value]
    return reply.kind, reply.value is None


OWN_FIELDS = {b"server_name", b"resp_server_version"}


def greeting(reply):
    """The shape of a reply, with the fields that only the tested server adds to HELLO left out."""
    if reply.kind == "%":
        return reply.kind, [(shape(name), shape(value)) for name, value in reply.value if name.value not in OWN_FIELDS]
    if isinstance(reply.value, list) and reply.value and reply.value[0].value == b"server":
        pairs = zip(reply.value[::2], reply.value[1::2])
        return reply.kind, [(shape(name), shape(value)) for name, value in pairs if name.value not in OWN_FIELDS]
    if isinstance(reply.value, list):
        return reply.kind, [greeting(part) for part in reply.value]
    return shape(reply)


def word(reply):
    return reply.value.split(b" ")[0]
