"""A load of closed-loop clients on a Unix socket: each sends a request, waits for its reply, and sends the next one.

A client is a process that does next to nothing but write and read, so that the server is measured. What the clients themselves can do is
measured with PING, which costs a server least.
"""
import gc, os, random, socket, struct, time
from array import array
from dataclasses import dataclass


@dataclass
class Load:
    """What the clients of one run saw together."""

    seconds: float
    #: Of each request, in seconds, ascending.
    latencies: array
    #: The sum of `us=` over the replies that have it, and their number: the server's own time.
    own_us: int
    own_count: int
    #: Requests that were refused.
    errors: int

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def at(self, share: float) -> float:
        """The latency in milliseconds that `share` of the requests stay within."""
        if not self.latencies:
            return float("nan")
        return 1000 * self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]

    @property
    def own_ms(self) -> float:
        return self.own_us / self.own_count / 1000 if self.own_count else float("nan")


def run(path: str, requests: list[bytes], clients: int, seconds: float) -> Load:
    """Runs so many clients for so long. The requests are asked in turns, each client beginning at a place of its own."""
    gc.collect()
    gc.freeze()
    begin = time.monotonic() + 0.2 + 0.01 * clients
    pipes = []
    for number in range(clients):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(reading)
                octets = _client(path, requests, random.Random(number).randrange(len(requests)), begin, begin + seconds)
                with os.fdopen(writing, "wb") as pipe:
                    pipe.write(octets)
                status = 0
            finally:
                os._exit(status)
        os.close(writing)
        pipes.append((child, reading))
    latencies, own_us, own_count, errors = array("d"), 0, 0, 0
    for child, reading in pipes:
        with os.fdopen(reading, "rb") as pipe:
            octets = pipe.read()
        if os.waitpid(child, 0)[1] != 0:
            raise RuntimeError("a client of the load ended early")
        head = struct.unpack("<qqq", octets[:24])
        own_us, own_count, errors = own_us + head[0], own_count + head[1], errors + head[2]
        latencies.frombytes(octets[24:])
    gc.unfreeze()
    return Load(seconds, array("d", sorted(latencies)), own_us, own_count, errors)


def _client(path: str, requests: list[bytes], place: int, begin: float, end: float) -> bytes:
    gc.disable()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(path)
    latencies, own_us, own_count, errors, count = array("d"), 0, 0, 0, len(requests)
    clock, send, receive = time.monotonic, connection.sendall, connection.recv
    time.sleep(max(0.0, begin - clock()))
    start = clock()
    while start < end:
        send(requests[place % count])
        place += 1
        reply = receive(1 << 18)
        status = _status(reply)
        while status is None:
            more = receive(1 << 18)
            if not more:
                raise ConnectionError("the server closed the connection")
            reply += more
            status = _status(reply)
        now = clock()
        latencies.append(now - start)
        start = now
        if status.startswith(b"ERR"):
            errors += 1
        else:
            sign = status.find(b" us=")
            if sign >= 0:
                own_us += int(status[sign + 4:].split(None, 1)[0])
                own_count += 1
    return struct.pack("<qqq", own_us, own_count, errors) + latencies.tobytes()


def _status(reply: bytes) -> "bytes | None":
    """The last line, if it is there and ends the reply."""
    if not reply.endswith(b"\n"):
        return None
    last = reply[reply.rfind(b"\n", 0, -1) + 1:]
    return last if last.startswith((b"OK", b"ERR ")) else None


class Writer:
    """A process that stores cases as fast as the daemon takes them: so many requests are always under way."""

    def __init__(self, path: str, lines: list[bytes], under_way: int = 128):
        self._reading, writing = os.pipe()
        self._stopping, self._stop = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            try:
                os.close(self._stop)
                os.write(writing, struct.pack("<qd", *self._store(path, lines, under_way)))
                os._exit(0)
            finally:
                os._exit(1)
        os.close(writing)
        os.close(self._stopping)

    def _store(self, path: str, lines: list[bytes], under_way: int) -> "tuple[int, float]":
        import select

        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(path)
        start = time.monotonic()
        sent = answered = 0
        ends = False
        while answered < sent or not ends:
            ends = ends or bool(select.select([self._stopping], [], [], 0)[0]) or sent == len(lines)
            batch = [] if ends else lines[sent:sent + under_way - (sent - answered)]
            if batch:
                connection.sendall(b"".join(batch))
                sent += len(batch)
            if answered < sent:
                reply = connection.recv(1 << 18)
                if not reply:
                    raise ConnectionError("the daemon closed the connection")
                if b"ERR " in reply:
                    raise RuntimeError(reply.decode())
                answered += reply.count(b"\n")
        return answered, time.monotonic() - start

    def stop(self) -> "tuple[int, float]":
        """How many cases were stored, and in how many seconds."""
        os.close(self._stop)
        octets = os.read(self._reading, 16)
        os.close(self._reading)
        if os.waitpid(self._child, 0)[1] != 0:
            raise RuntimeError("the writer ended early")
        return struct.unpack("<qd", octets)
