r"""Case files: command sequences as text, run on two servers side by side.

    # a comment
    == SET: NX sets only an absent key
    SET k "a\x00b" NX
    {sorted} KEYS *
    b> GET k
    CLIENT NO-TOUCH on
    => +OK

`==` begins a case; every case runs in RESP2 and in RESP3, with empty databases and new connections. Marks before the title:
`[7.2]` the commands are not those of Redis 7.0, so each reply is written out and the reference server is not asked; `[8.2]`,
`[valkey]` compared with redis-server 8.2.3 or valkey-server 9.1.2 instead; `[resp2]`, `[resp3]` this protocol only.

Each line is one command in redis-cli's quoting; `<x*1000>` stands for x written 1000 times, `<10:20>` for the bytes 10 to 19.
`name>` before it chooses the connection (default: a). The same reply, byte for byte, must come from both servers, unless a mode
in braces says otherwise:

    {sorted}      an array or set whose order does not matter
    {pairs}       a map or flat list of pairs whose order does not matter
    {near N}      integers (and digits in strings) may differ by N
    {scores}      texts of the same double are the same, however many digits they have
    {shape}       same types and lengths, other values
    {greeting}    as {shape}, of HELLO's reply wherever it stands; the tested server may add fields of its own behind Redis's
    {kind}        same type byte; with an error also the same first word
    {match /re/}  both are strings of the same type and match the expression fully
    {walk}        a SCAN: cursors are followed to the end, the union of the elements is compared
    {walkpairs}   the same for field/value pairs (HSCAN)
    {ignore}      any reply will do
    {noreply}     no reply will come
    {raw}         the rest of the line is sent as it is, with the escapes of a quoted string; one reply is read
    {next}        nothing is sent; what the server sends next is compared (the rest of the line says what)
    {closes}      after its reply the server closes the connection
    {closed}      nothing is sent; the server has closed the connection

`=> reply` below a command is the expected reply of a server of version 7.2 where it is not that of 7.0; escapes as in quotes, the last
CR LF may be left out. `=2>` and `=3>` give it per protocol. `repeat N:` before a command runs it N times with {i} from 0.
`sleep S` waits S seconds.
"""
import dataclasses
import pathlib
import re
import time

from support.compare import difference
from support.resp import Closed, Connection, Malformed, Reply, shown


MOST_DIFFERENCES = 8


class BadCase(Exception):
    """A case file that cannot be understood."""


@dataclasses.dataclass
class Step:
    line: int
    text: str
    connection: str = "a"
    mode: str = "exact"
    argument: str = ""
    arguments: list = dataclasses.field(default_factory=list)
    raw: bytes = None
    sleep: float = None
    repeat: int = 1
    expected: dict = dataclasses.field(default_factory=dict)    # protocol -> bytes

    def rendered(self, index):
        return [argument.replace(b"{i}", b"%d" % index) for argument in self.arguments]


@dataclasses.dataclass
class Case:
    path: pathlib.Path
    line: int
    title: str
    protocols: tuple = (2, 3)
    since72: bool = False
    # Which server's replies are expected: a fixture of conftest.py.
    peer: str = "reference"
    steps: list = dataclasses.field(default_factory=list)


ESCAPES = {ord("n"): 10, ord("r"): 13, ord("t"): 9, ord("a"): 7, ord("b"): 8}


def unescape(text):
    r"""Bytes of a text with the escapes of a double-quoted redis-cli argument."""
    data, out, i = text.encode(), bytearray(), 0
    while i < len(data):
        if data[i] == 92 and i + 1 < len(data):
            if data[i + 1] == ord("x") and re.fullmatch(rb"[0-9a-fA-F]{2}", data[i + 2:i + 4]):
                out.append(int(data[i + 2:i + 4], 16))
                i += 4
            else:
                out.append(ESCAPES.get(data[i + 1], data[i + 1]))
                i += 2
        else:
            out.append(data[i])
            i += 1
    return bytes(out)


def expand(argument):
    def repeated(match):
        return match[1] * int(match[2])

    def span(match):
        return bytes(range(int(match[1]), int(match[2])))
    return re.sub(rb"<(\d+):(\d+)>", span, re.sub(rb"<([^<>]*)\*(\d+)>", repeated, argument))


def split(text):
    """Arguments of a line, as redis-cli splits it."""
    arguments, i = [], 0
    while i < len(text):
        if text[i].isspace():
            i += 1
            continue
        current = b""
        while i < len(text) and not text[i].isspace():
            if text[i] == '"':
                end = i + 1
                while end < len(text) and text[end] != '"':
                    end += 2 if text[end] == "\\" else 1
                if end >= len(text):
                    raise BadCase(f"open quote: {text}")
                current += unescape(text[i + 1:end])
                i = end + 1
            elif text[i] == "'":
                end = text.index("'", i + 1)
                current += text[i + 1:end].encode()
                i = end + 1
            else:
                current += text[i].encode()
                i += 1
        arguments.append(expand(current))
    return arguments


STEP = re.compile(r"""(?:repeat\ (?P<repeat>\d+):\s+)?
                      (?:(?P<connection>\w+)>\s+)?
                      (?:\{(?P<mode>[a-z]+)(?:\ (?P<argument>/.*/|[^}]*))?\}\s*)?
                      (?P<rest>.*)""", re.X | re.S)
PEERS = {"8.2": "newer_redis", "valkey": "valkey"}
MODES = """exact sorted pairs near scores shape greeting kind match walk walkpairs ignore noreply raw next closes closed""".split()


def read_cases(path):
    cases, path = [], pathlib.Path(path)
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            if line.startswith("== "):
                marks, title = re.fullmatch(r"((?:\[[\w.]+\]\s*)*)(.*)", line[3:].strip()).groups()
                case = Case(path, number, title)
                for mark in re.findall(r"\[([\w.]+)\]", marks):
                    if mark == "7.2":
                        case.since72 = True
                    elif mark in PEERS:
                        case.peer = PEERS[mark]
                    elif mark in ("resp2", "resp3"):
                        case.protocols = (int(mark[-1]),)
                    else:
                        raise BadCase(f"unknown mark {mark}")
                cases.append(case)
            elif expected := re.fullmatch(r"=([23]?)> ?(.*)", line):
                raw = unescape(expected[2])
                raw = expand(raw if raw.endswith(b"\r\n") else raw + b"\r\n")
                for protocol in (2, 3) if not expected[1] else (int(expected[1]),):
                    cases[-1].steps[-1].expected[protocol] = raw
            elif line.startswith("sleep "):
                cases[-1].steps.append(Step(number, line, sleep=float(line[6:])))
            else:
                parts = STEP.fullmatch(line)
                step = Step(number, line, parts["connection"] or "a", parts["mode"] or "exact", parts["argument"] or "",
                            repeat=int(parts["repeat"] or 1))
                if step.mode not in MODES:
                    raise BadCase(f"unknown mode {step.mode}")
                if step.mode == "next":
                    pass
                elif step.mode == "raw":
                    step.raw = expand(unescape(parts["rest"]))
                else:
                    step.arguments = split(parts["rest"])
                    if not step.arguments and step.mode != "closed":
                        raise BadCase("no command")
                cases[-1].steps.append(step)
        except (BadCase, ValueError, IndexError) as problem:
            raise BadCase(f"{path.name}:{number}: {problem}") from None
    titles = [(case.title, protocol) for case in cases for protocol in case.protocols]
    doubled = {title for title in titles if titles.count(title) > 1}
    if doubled:
        raise BadCase(f"{path.name}: titles used twice: {sorted(doubled)}")
    return cases


class Side:
    """One of the two servers during a case: its named connections and what it answered."""

    def __init__(self, server, protocol):
        self.server = server
        self.protocol = protocol
        self.connections = {}
        self.control = Connection(server.address)
        assert self.control("FLUSHALL").raw == b"+OK\r\n"
        self.settings = {}

    def remember_settings(self, names):
        for name in names:
            reply = self.control("CONFIG", "GET", name).as_pairs()
            if len(reply) == 1:
                self.settings.update(reply)

    def close(self):
        for name, value in self.settings.items():
            if self.control("CONFIG", "GET", name).as_pairs() != {name: value}:
                reply = self.control("CONFIG", "SET", name, value)
                assert reply.raw == b"+OK\r\n", reply
        for connection in [*self.connections.values(), self.control]:
            connection.close()

    def on(self, name):
        if name not in self.connections:
            self.connections[name] = Connection(self.server.address, self.protocol)
        return self.connections[name]

    def run(self, step, arguments):
        """The reply to a step, or None where none is due."""
        connection = self.on(step.connection)
        if step.mode in ("walk", "walkpairs"):
            return self.walk(connection, arguments, pairs=step.mode == "walkpairs")
        if step.mode == "closed":
            self.await_close(connection)
            return None
        if step.mode == "next":
            return connection.read()
        if step.raw is not None:
            connection.send_raw(step.raw)
        else:
            connection.send(*arguments)
        if step.mode == "noreply":
            return None
        reply = connection.read()
        if step.mode == "closes":
            self.await_close(connection)
        return reply

    @staticmethod
    def await_close(connection):
        rest = connection.read_until_close()
        assert rest == b"", f"more before the end of the connection: {shown(rest)}"

    @staticmethod
    def walk(connection, arguments, pairs):
        """Follows a cursor to its end. The elements come back as one sorted reply without repetitions."""
        at = 2 if arguments[0].upper() in (b"HSCAN", b"SSCAN", b"ZSCAN") else 1
        arguments, found, kind = list(arguments), {}, "*"
        for _ in range(100_000):
            reply = connection(*arguments)
            if reply.is_error:
                return reply
            assert reply.kind == "*" and len(reply.value) == 2 and reply.value[0].kind == "$", reply
            cursor, batch = reply.value
            kind = batch.kind
            elements = batch.value
            if pairs:
                assert len(elements) % 2 == 0, batch
                elements = [Reply("*", elements[i:i + 2], elements[i].raw + elements[i + 1].raw) for i in range(0, len(elements), 2)]
            for element in elements:
                found[element.raw] = element
            if cursor.value == b"0":
                raws = sorted(found)
                return Reply(kind, [found[raw] for raw in raws], kind.encode() + b"%d\r\n" % len(raws) + b"".join(raws))
            arguments[at] = cursor.value
        raise AssertionError(f"cursor of {arguments} never comes back to 0")


def run_case(case, protocol, reference, tested, version):
    """Runs a case on both servers. Raises AssertionError that tells the commands and each difference (at most MOST_DIFFERENCES)."""
    alone = case.since72
    sides = [Side(tested, protocol)] + ([] if alone else [Side(reference, protocol)])
    told, differences = [], 0
    try:
        names = {name for step in case.steps if [a.upper() for a in step.arguments[:2]] == [b"CONFIG", b"SET"]
                 for name in step.arguments[2::2]}
        for side in sides:
            side.remember_settings(names)
        for step in case.steps:
            if step.sleep is not None:
                time.sleep(step.sleep)
                told.append(f"    {step.text}")
                continue
            problem = run_step(case, step, protocol, version, sides)
            told.append(f"    {step.text}" if not problem else f"  > {step.text}\n{problem}")
            differences += bool(problem)
            if differences == MOST_DIFFERENCES or (problem and problem.startswith("broken")):
                break
        if differences:
            raise AssertionError(f"{case.path.name}:{case.line} RESP{protocol} {case.title}\n" + "\n".join(told))
        tested.check_alive()
    finally:
        for side in sides:
            side.close()


def run_step(case, step, protocol, version, sides):
    """What is wrong with a step, or None."""
    for index in range(step.repeat):
        arguments = step.rendered(index)
        try:
            replies = [side.run(step, arguments) for side in sides]
        except (Closed, Malformed, OSError) as problem:
            return f"broken: {type(problem).__name__}: {problem}"
        problem = judge(case, step, protocol, version, replies)
        if problem:
            return problem
    return None


def judge(case, step, protocol, version, replies):
    actual = replies[0]
    if step.mode in ("noreply", "ignore", "closed"):
        return None
    if version >= (7, 2) and protocol in step.expected:
        wanted = step.expected[protocol]
        if step.mode == "match":
            raise BadCase(f"line {step.line}: a written reply to {{match}}")
        return None if actual.raw == wanted else f"expected: {shown(wanted)}\n  tested: {actual}"
    if case.since72:
        if step.mode == "match":
            return difference("match", step.argument, actual, actual)
        raise BadCase(f"{case.path.name}:{step.line}: a case for 7.2 needs the reply written out")
    return difference(step.mode, step.argument, replies[1], actual)
