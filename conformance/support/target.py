"""A server that keys are moved to, which does as a test says: it notes the requests that come, and answers with what it is given."""
import fcntl
import socket
import struct
import termios
import threading

from support.resp import Closed, Connection


class Target:
    """Accepts connections until its end.

    answer      is called with the number of the connection and with each request, a list of bytes, and returns the bytes to be sent: nothing
                for no answer, None to close the connection
    """

    def __init__(self, answer=lambda number, request: b"+OK\r\n", *, reads=True):
        self.answer = answer
        self.reads = reads
        self.requests = []
        self.connections = []
        self.arrived = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for connection in self.connections:
            connection.close()

    def _accept(self):
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            connection = Requests(accepted)
            with self.arrived:
                self.connections.append(connection)
                self.arrived.notify_all()
            if self.reads:
                threading.Thread(target=self._serve, args=(len(self.connections), connection), daemon=True).start()

    def _serve(self, number, connection):
        try:
            while True:
                request = connection.read().plain()
                with self.arrived:
                    self.requests.append(request)
                    self.arrived.notify_all()
                answer = self.answer(number, request)
                if answer is None:
                    return connection.end()
                connection.send_raw(answer)
        except (Closed, OSError):
            pass

    def wait_for(self, count, seconds=10):
        """Waits until so many requests have come."""
        self.wait_until(lambda: len(self.requests) >= count, seconds)

    def wait_until(self, condition, seconds=10):
        """Waits until the condition holds, which is looked at whenever a request has come."""
        with self.arrived:
            assert self.arrived.wait_for(condition, seconds), self.requests

    def wait_for_connections(self, count, seconds=10):
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.connections) >= count, seconds), self.connections

    @property
    def unread_bytes(self):
        """How many bytes have come on the newest connection that nobody has read."""
        return struct.unpack("i", fcntl.ioctl(self.connections[-1].socket, termios.FIONREAD, b"    "))[0]

    def send(self, data):
        """Sends something on the newest connection."""
        self.connections[-1].send_raw(data)

    @property
    def names(self):
        return [request[0] for request in self.requests]


class Requests(Connection):
    """The other side of a connection: requests have the form of replies."""

    def __init__(self, accepted):
        accepted.settimeout(60)
        self.socket = accepted
        self.buffer = bytearray()

    def end(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
