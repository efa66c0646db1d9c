"""A small RESP2/RESP3 client that keeps the exact bytes of every reply.

It is written for tests: it never reconnects, never retries, never decodes text, and its parser refuses anything that is not
well-formed, so that a wrong length or a stray line in a reply is an error here and not a silent success.
"""
import socket
import time


class Malformed(Exception):
    """The server sent bytes that are not a RESP reply."""


class Closed(Exception):
    """The server closed the connection where a reply was expected."""


class Reply:
    """One reply: `kind` is its type byte, `value` its content, `raw` the bytes as received.

    Values: bytes for strings and errors, int for integers, the text of the number for doubles (`,`) and big numbers (`(`), None for
    any null, bool for `#`, a list of Reply for `*`, `~` and `>`, a list of (Reply, Reply) for `%`. An attribute
    (`|`) is seen only in the raw bytes of the reply it belongs to.
    """

    __slots__ = ("kind", "value", "raw")

    def __init__(self, kind, value, raw):
        self.kind = kind
        self.value = value
        self.raw = raw

    def __repr__(self):
        return shown(self.raw)

    @property
    def is_error(self):
        return self.kind in "-!"

    @property
    def is_null(self):
        return self.value is None

    def plain(self):
        """The value as ordinary Python data: lists, dicts (maps), bytes, ints, floats, None, bools."""
        if self.value is None:
            return None
        if self.kind in "*~>":
            return [element.plain() for element in self.value]
        if self.kind == "%":
            return {hashable(key.plain()): value.plain() for key, value in self.value}
        if self.kind == ",":
            return float(self.value)
        if self.kind == "(":
            return int(self.value)
        if self.kind == "=":
            return self.value[4:]
        return self.value

    def as_pairs(self):
        """A map as a dict, whether it came as a RESP3 map or as a flat RESP2 array."""
        if self.kind == "%":
            return self.plain()
        flat = self.plain()
        return {hashable(flat[i]): flat[i + 1] for i in range(0, len(flat), 2)}


def hashable(value):
    return tuple(value) if isinstance(value, list) else value


def shown(raw, limit=600):
    """Bytes as text for a failure message, shortened in the middle."""
    text = raw.decode("latin-1").encode("unicode_escape").decode("ascii")
    if len(text) > limit:
        text = f"{text[:limit // 2]} ...({len(raw)} bytes)... {text[-limit // 4:]}"
    return text


def encode(*arguments):
    """A request as a multibulk. Strings are sent as UTF-8, numbers as decimal text."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        if isinstance(argument, str):
            argument = argument.encode()
        elif not isinstance(argument, (bytes, bytearray)):
            argument = str(argument).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(argument), argument))
    return b"".join(parts)


class Connection:
    """One connection. `address` is (host, port) or the path of a unix socket."""

    def __init__(self, address, protocol=2, timeout=10.0, password=None, receive_buffer=None):
        if receive_buffer is not None:      # to be set before connecting
            self.socket = socket.socket()
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        elif isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        if password is not None:
            reply = self("AUTH", password)
            assert reply.raw == b"+OK\r\n", reply
        if protocol == 3:
            reply = self("HELLO", "3")
            assert not reply.is_error, reply

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __call__(self, *arguments):
        """Sends one command and returns its reply."""
        self.socket.sendall(encode(*arguments))
        return self.read()

    def send(self, *arguments):
        self.socket.sendall(encode(*arguments))

    def send_raw(self, data):
        self.socket.sendall(data)

    def pipeline(self, commands):
        """Sends all commands at once and returns their replies."""
        self.socket.sendall(b"".join(encode(*command) for command in commands))
        return [self.read() for _ in commands]

    def close(self):
        self.socket.close()

    def half_close(self):
        """Tells the server that nothing more will be sent; its replies can still be read."""
        self.socket.shutdown(socket.SHUT_WR)

    def read(self, timeout=None):
        """The next reply (pushes included)."""
        if timeout is not None:
            before = self.socket.gettimeout()
            self.socket.settimeout(timeout)
            try:
                return self._read_reply()
            finally:
                self.socket.settimeout(before)
        return self._read_reply()

    def read_until_close(self, timeout=10.0):
        """Everything the server sends until it closes the connection. Raises TimeoutError if it does not close."""
        self.socket.settimeout(timeout)
        data = bytes(self.buffer)
        self.buffer.clear()
        while True:
            try:
                chunk = self.socket.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                return data
            if not chunk:
                return data
            data += chunk

    def silent(self, seconds=0.1):
        """True if nothing arrives for `seconds`."""
        if self.buffer:
            return False
        before = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self.buffer += self.socket.recv(65536)
            return False
        except (TimeoutError, socket.timeout):
            return True
        finally:
            self.socket.settimeout(before)

    # --- parsing -----------------------------------------------------------------------------------------------------------

    def _fill(self):
        chunk = self.socket.recv(262144)
        if not chunk:
            raise Closed(f"closed by the server; unread: {shown(bytes(self.buffer))}")
        self.buffer += chunk

    def _line(self, start):
        """The line that begins at `start`, and where the next begins."""
        while True:
            end = self.buffer.find(b"\n", start)
            if end >= 0:
                if end == start or self.buffer[end - 1] != 13:
                    raise Malformed(f"line feed without carriage return: {shown(bytes(self.buffer))}")
                line = bytes(self.buffer[start:end - 1])
                if b"\r" in line:
                    raise Malformed(f"carriage return inside a line: {shown(line)}")
                return line, end + 1
            self._fill()

    def _number(self, line):
        digits = line[1:] if line[:1] == b"-" else line
        if not digits.isdigit() or (len(digits) > 1 and digits[:1] == b"0"):
            raise Malformed(f"not an integer: {shown(line)}")
        return int(line)

    def _read_reply(self):
        reply, end = self._parse(0)
        del self.buffer[:end]
        return reply

    def _parse(self, start):
        line, position = self._line(start)
        kind, rest = chr(line[0]) if line else "", line[1:]
        if kind in ("+", "-"):
            value = rest
        elif kind == ":":
            value = self._number(rest)
        elif kind in ("$", "=", "!"):
            length = self._number(rest)
            if length < 0:
                if length != -1 or kind != "$":
                    raise Malformed(f"length {length} of {kind}")
                value = None
            else:
                while len(self.buffer) < position + length + 2:
                    self._fill()
                value = bytes(self.buffer[position:position + length])
                if self.buffer[position + length:position + length + 2] != b"\r\n":
                    raise Malformed(f"string of {length} bytes does not end in CR LF")
                position += length + 2
                if kind == "=" and value[3:4] != b":":
                    raise Malformed(f"verbatim string without format: {shown(value)}")
        elif kind in ("*", "~", ">", "%", "|"):
            length = self._number(rest)
            if length < 0:
                if length != -1 or kind != "*":
                    raise Malformed(f"length {length} of {kind}")
                value = None
            else:
                value = []
                for _ in range(length):
                    element, position = self._parse(position)
                    if kind in "%|":
                        content, position = self._parse(position)
                        element = (element, content)
                    value.append(element)
        elif kind == "_":
            if rest:
                raise Malformed(f"null with content: {shown(line)}")
            value = None
        elif kind == "#":
            if rest not in (b"t", b"f"):
                raise Malformed(f"boolean: {shown(line)}")
            value = rest == b"t"
        elif kind == ",":
            value = rest.decode("ascii")
            if value not in ("inf", "-inf", "nan"):
                float(value)
        elif kind == "(":
            value = rest.decode("ascii")
            int(value)
        else:
            raise Malformed(f"unknown type byte: {shown(line)}")
        if kind == "|":     # what an attribute is about follows it; both are one reply
            subject, position = self._parse(position)
            kind, value = subject.kind, subject.value
        return Reply(kind, value, bytes(self.buffer[start:position])), position


def eventually(condition, seconds=10.0, pause=0.02):
    """Calls `condition` until it is true; returns its last value. For things that other processes finish in their own time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(pause)
