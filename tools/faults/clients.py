"""Rows 12, 13, 14, 19 and 28: many clients, slow clients, strange clients, and clients that may not."""

import contextlib
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import termios
import time

from .daemon import Daemon, Gone
from .run import NotHere, row

MEBIBYTE = 1 << 20


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def latencies(client, count, line):
    """Seconds that each of so many requests takes; each must be answered with OK."""
    result = []
    for _ in range(count):
        started = time.monotonic()
        status = client.status(line)
        result.append(time.monotonic() - started)
        if not status.startswith("OK"):
            raise Gone(f"{line}: {status}")
    return result


CARELESS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "careless.py")
# Seconds that the protocol leaves to a request, and after which a client that reads nothing is given up.
LINE, STALLED = 10, 30


class SlowClients:
    """Half of so many clients send a byte a second, the others ask for much and never read, while one more asks as usual.

    In turns with that one, another asks `calm`, a daemon that has no other clients: a busy machine disturbs both alike.
    """

    request = b"SEARCH text=\"left pleural effusion\" k=300 with=report\n"
    question = "SEARCH text=\"left pleural effusion\" k=5"

    def __init__(self, daemon, calm, count, seconds):
        self.daemon = daemon
        self.slow, self.mute = [], []
        try:
            with daemon.client() as client, calm.client() as other:
                self.measure(client, other, count, seconds)
            self.failures = [self.slow_failure(other) for other in self.slow] + [self.mute_failure(other) for other in self.mute]
        finally:
            for other in self.slow + self.mute:
                other.close()

    def measure(self, client, calm, count, seconds):
        for one in (client, calm):
            latencies(one, 50, self.question)
        before = self.daemon.memory()
        for index in range(count):
            other = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            other.connect(self.daemon.socket)
            other.setblocking(False)
            (self.mute if index % 2 else self.slow).append(other)
        for other in self.mute:
            # As much as the socket takes: requests whose answers nobody reads.
            with contextlib.suppress(OSError):
                for _ in range(40):
                    other.send(self.request)
        started = time.monotonic()
        alone, beside, peak, place = [], [], 0, 0
        end = started + max(LINE + 3, seconds)
        while time.monotonic() < end or len(beside) < 1000:
            for other in self.slow:
                with contextlib.suppress(OSError):
                    # Never to the end of the line.
                    other.send(self.request[place % 40 : place % 40 + 1])
            place += 1
            for turn in range(6):
                one, times = ((client, beside), (calm, alone))[(turn + place) % 2]
                sample = latencies(one, 20, self.question)
                # The mute ones' own searches take time for a moment; what counts is what others see once those wait for their readers.
                if place > 2:
                    times += sample
            peak = max(peak, self.daemon.memory())
            time.sleep(max(0, min(1, end - time.monotonic())))
        self.waited = time.monotonic() - started
        self.grown = peak - before
        self.beside = percentile(beside, 0.99)
        self.ratio = self.beside / percentile(alone, 0.99)

    def slow_failure(self, other):
        """What is wrong with what a slow writer was told: one line that says why, and the end."""
        received = self.received(other, lambda data: False)
        if received is None:
            return f"a slow writer is not given up {self.waited:.0f} s after its first byte"
        if not received.startswith(b"ERR LIMIT ") or received.count(b"\n") != 1:
            return f"a slow writer is told {received[:80]}"
        return ""

    def mute_failure(self, other):
        """What is wrong with what waits for one that never read: its first answer is whole and in order, unless it was given up."""
        received = self.received(other, lambda data: b"\nOK " in data and data.endswith(b"\n"))
        ended = received is None or not received.endswith(b"\n")
        lines = (received or b"").split(b"\n")[: -1 if received else None]
        for rank, line in enumerate(lines, 1):
            if line.startswith(b"OK hits=300"):
                return "" if rank == 301 else f"{rank - 1} hits before the status"
            if not line.startswith(b'{"rank":%d,' % rank):
                return f"line {rank} of an answer is {line[:80]}"
        if ended and self.waited < STALLED:
            return f"the first answer ends after {len(lines)} lines"
        return "" if lines else "a client that asked got nothing"

    def received(self, other, is_enough):
        """What a client can read: until that is enough, until the end, or nothing more comes for some seconds (None if nothing ever did)."""
        other.settimeout(5)
        data = b""
        while not is_enough(data):
            try:
                part = other.recv(1 << 16)
            except TimeoutError:
                return data or None
            except OSError:
                break
            if not part:
                break
            data += part
        return data

    def conditions(self):
        """What must hold besides: pairs of whether it does, and of words."""
        return [
            (self.grown <= 64 * MEBIBYTE, f"memory grew by {self.grown / MEBIBYTE:.1f} MiB, at most 64"),
            (self.ratio <= 2, f"p99 of others is {self.ratio:.2f} times as long ({self.beside * 1e3:.1f} ms), at most 2"),
        ]


@row(12, "slow writers and readers", full=1000, quick=1000, weight=2)
def slow_clients(trial):
    """500 clients send a byte a second, 500 ask for much and never read. Others must not wait, memory must not grow, and each is told
    what the protocol promises. A try is such a client. The same with a daemon that does all of it wrong must not hold."""
    world = trial.world
    program = [sys.executable, CARELESS]
    with Daemon(world, "none", program=program) as daemon, Daemon(world, "none", program=program) as calm:
        careless = SlowClients(daemon, calm, 40, 0)
    caught = [sum(1 for failure in careless.failures if failure), *(not holds for holds, _ in careless.conditions())]
    trial.must(
        caught[0] >= 20 and all(caught[1:]),
        f"a careless daemon is caught: {caught[0]} of 40 clients, {careless.grown / MEBIBYTE:.0f} MiB, {careless.ratio:.1f} times as long")
    archive = world.archive(cases=300)
    with Daemon(world, archive) as daemon, Daemon(world, world.copy(archive)) as calm:
        found = SlowClients(daemon, calm, trial.needed, min(trial.end - time.monotonic(), 60))
        for failure in found.failures:
            trial.count(not failure, failure)
        for holds, words in found.conditions():
            trial.must(holds, words)
        trial.must(daemon.stop() == 0, "it ends with 0")


@row("12b", "nobody reads the log", full=20000, quick=4000, weight=0.3)
def unread_log(trial):
    """Standard error is a pipe that nobody reads, and every request is worth a line of it; the daemon answers all the same."""
    world = trial.world
    archive = world.archive(cases=5)
    reading, writing = os.pipe()
    # The log is sparing, so the pipe is small: one page.
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    with Daemon(world, archive, errors=writing, environment={"HILUM_LOG": "debug"}) as daemon:
        os.close(writing)
        with daemon.client(20) as client:
            while trial.goes_on():
                try:
                    status = client.status(f"GET id=none bad{trial.tried}=\"{'x' * 200}\"")
                    trial.count(status.startswith("ERR"), status)
                    if trial.tried % 4 == 0:
                        # A refusal is noted once a client, so there are many clients.
                        client.close()
                        client = daemon.client(20)
                except Gone as error:
                    trial.count(False, f"after {trial.tried} requests: {error}")
                    break
        waiting = struct.unpack("i", fcntl.ioctl(reading, termios.FIONREAD, bytes(4)))[0]
        trial.note(f"{waiting} bytes wait in a pipe of one page, which takes no line more without blocking once it holds one")
        trial.must(daemon.stop() == 0, "it ends with 0")
    os.close(reading)


HOLDER = """
import resource, socket, sys, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
sockets = []
for _ in range(int(sys.argv[2])):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect(sys.argv[1])
    sockets.append(s)
    if len(sockets) <= 9000:
        s.sendall(b'PING\\n')
        s.recv(64)
print(len(sockets), flush=True)
sys.stdin.read()
"""


@row(13, "10,000 idle clients", full=9990, quick=9990, weight=1)
def idle_clients(trial):
    world = trial.world
    archive = world.archive(cases=20)
    with Daemon(world, archive) as daemon, daemon.client() as client:
        latencies(client, 100, "PING")
        before, alone = daemon.memory(), latencies(client, 2000, "PING")
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, daemon.socket, str(trial.needed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        count = int(holder.stdout.readline() or 0)
        each = (daemon.memory() - before) / max(count, 1)
        beside = latencies(client, 2000, "PING")
        started, used = time.monotonic(), daemon.seconds()
        time.sleep(1)
        idle = (daemon.seconds() - used) / (time.monotonic() - started)
        for index in range(trial.needed):
            trial.count(index < count, "not connected")
        floor = percentile(alone, 0.99)
        # The machine's own delays, which the daemon cannot undercut, are measured beside.
        trial.must(
            percentile(beside, 0.99) <= max(1e-3, 2 * floor),
            f"p99 of PING is {percentile(beside, 0.99) * 1e3:.3f} ms with all of them and {floor * 1e3:.3f} ms alone; at most 1 ms,"
            " or on a busy machine twice as long as alone")
        trial.must(each <= 16 * 1024, f"{each / 1024:.2f} KiB each, at most 16")
        trial.must(idle < 0.05, f"{idle:.1%} of a processor while nothing happens, at most 5 %")
        holder.stdin.close()
        holder.wait()
        trial.must(client.status("PING") == "OK PONG", "it answers when they are gone")
        trial.must(daemon.stop() == 0, "it ends with 0")


@row(14, "no descriptors left", full=200, quick=6, weight=1)
def no_descriptors(trial):
    """A daemon with 64 descriptors and 100 clients: it refuses some with BUSY, does not spin, and recovers."""
    world = trial.world
    archive = world.archive(cases=20)
    limit = ["prlimit", "--nofile=64:64"]
    busy = 0
    while trial.goes_on():
        wrong = []
        try:
            with Daemon(world, archive, prefix=limit) as daemon:
                clients = []
                for _ in range(100):
                    other = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                    other.settimeout(10)
                    other.connect(daemon.socket)
                    clients.append(other)
                time.sleep(0.3)
                used, started = daemon.seconds(), time.monotonic()
                time.sleep(1)
                share = (daemon.seconds() - used) / (time.monotonic() - started)
                if share > 0.05:
                    wrong.append(f"it uses {share:.1%} of a processor")
                words = []
                for other in clients:
                    if select.select([other], [], [], 0)[0]:
                        words.append(other.recv(4096))
                told = [text for text in words if text.startswith(b"ERR BUSY")]
                busy += len(told)
                if not told:
                    wrong.append("nobody is told BUSY")
                if any(not text.startswith(b"ERR BUSY") for text in words):
                    wrong.append(f"other words: {words[:2]}")
                for other in clients:
                    other.close()
                end = time.monotonic() + 10
                status = ""
                while status != "OK PONG" and time.monotonic() < end:
                    try:
                        with daemon.client(5) as client:
                            status = client.status("PING")
                            change = client.status("PUT id=x report=\"a b\"")
                            status = status if change.startswith("OK") else f"a change is refused: {change}"
                    except Gone as error:
                        status = str(error)
                if status != "OK PONG":
                    wrong.append(f"it does not recover: {status}")
                if daemon.stop() != 0:
                    wrong.append("it does not end with 0")
        except Gone as error:
            wrong.append(str(error))
        trial.count(not wrong, f"{wrong[:3]}")
    trial.note(f"{busy} clients were told BUSY")


def conversation(path, data, limit=60):
    """Sends bytes (or each of an iterator) and reads until the daemon closes; its bytes, and whether it closed by itself."""
    other = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    other.settimeout(limit)
    other.connect(path)
    received = bytearray()
    try:
        for part in [data] if isinstance(data, bytes) else data:
            view = memoryview(part)
            while view:
                readable, writable, _ = select.select([other], [other], [], limit)
                if readable:
                    got = other.recv(1 << 16)
                    if not got:
                        return bytes(received)
                    received += got
                if writable:
                    view = view[other.send(view[: 1 << 16]) :]
        other.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    try:
        while got := other.recv(1 << 16):
            received += got
    except OSError:
        pass
    other.close()
    return bytes(received)


def strange_lines():
    """(name, bytes or a list of them, what the answer must be): a prefix of each status line, or a number of lines."""
    yield "bad UTF-8", b"PUT id=a report=\"\xff\xfe\"\nPING\n", [b"ERR BADREQ", b"OK PONG"]
    yield "bad UTF-8 in a verb", b"\xc3\x28\nPING\n", [b"ERR BADREQ", b"OK PONG"]
    yield "overlong UTF-8", b"GET id=\"\xc0\xaf\"\nPING\n", [b"ERR BADREQ", b"OK PONG"]
    yield "a surrogate", b"GET id=\"\xed\xa0\x80\"\nPING\n", [b"ERR BADREQ", b"OK PONG"]
    yield "NUL in a line", b"PING\x00\nPING\n", [b"ERR BADREQ", b"OK PONG"]
    yield "NUL in an id", b"GET id=\"a\\u0000b\"\nPING\n", [b"ERR", b"OK PONG"]
    yield "only NULs", bytes(1000) + b"\nPING\n", [b"ERR BADREQ", b"OK PONG"]
    yield "CRLF", b"PING\r\nCOUNT\r\n", [b"OK PONG", b"OK count="]
    yield "CR alone", b"PING\rPING\nPING\n", [b"ERR BADREQ", b"OK PONG"]
    yield "a comment", b"# " + b"x" * 1000 + b"\nPING\n", [b"OK PONG"]
    yield "10^6 empty lines", [b"\n" * 10**6, b"PING\n"], [b"OK PONG"]
    yield "10^6 CRLF", [b"\r\n" * 10**6, b"PING\n"], [b"OK PONG"]
    yield "a line of 64 KiB and a byte", b"GET id=" + b"x" * 65536 + b"\nPING\n", [b"ERR LIMIT"]
    yield "a line of 1 GiB", (b"x" * MEBIBYTE for _ in range(1024)), [b"ERR LIMIT"]
    yield "a comment of 1 GiB", (b"#" * MEBIBYTE for _ in range(1024)), [b"ERR LIMIT"]
    yield "a literal over the limit", b"SEARCH bytes=99999999999\n" + b"x" * 100000, [b"ERR LIMIT"]
    yield "a literal of 2^63", b"SEARCH bytes=9223372036854775808\nPING\n", [b"ERR"]
    yield "a literal of -1", b"SEARCH bytes=-1\nPING\n", [b"ERR BADREQ", b"OK PONG"]
    yield "a literal cut short", b"SEARCH bytes=1000\nabc", [b"ERR"]
    yield "a literal where none belongs", b"PING bytes=4\nPING\nPING\n", None
    yield "an open quote", b"PUT id=a report=\"abc\nPING\n", [b"ERR BADREQ", b"OK PONG"]
    yield "a bad escape", b"PUT id=a report=\"\\x41\"\nPING\n", [b"ERR BADREQ", b"OK PONG"]
    yield "half a surrogate pair", b"GET id=\"\\ud800\"\nPING\n", [b"ERR", b"OK PONG"]
    yield "10^4 arguments", b"COUNT " + b" ".join(b"a=1" for _ in range(10**4)) + b"\nPING\n", None
    yield "an empty tag", b"@ PING\nPING\n", [b"ERR BADREQ", b"OK PONG"]
    yield "a long tag", b"@" + b"t" * 60000 + b" PING\nPING\n", None
    yield "an unknown verb", b"EXPLODE now\nPING\n", [b"ERR", b"OK PONG"]
    yield "10^5 pipelined PINGs", [b"PING\n" * 10**5], [b"OK PONG"] * 10**5
    yield "no line end", b"PING", None
    yield "nothing", b"", []
    yield "random bytes", os.urandom(50000), None


@row(19, "strange lines", full=31, quick=31, weight=1)
def lines(trial):
    """Bad UTF-8, NULs, endless lines: one error a line, bounded memory, and the connection goes on where the protocol says so."""
    world = trial.world
    archive = world.archive(cases=20)
    with Daemon(world, archive) as daemon:
        for name, data, expected in strange_lines():
            with daemon.client() as client:
                client.status("PING")
            daemon.forget_peak()
            before = daemon.memory()
            received = conversation(daemon.socket, data)
            grown = daemon.memory("VmHWM") - before
            statuses = [line for line in received.split(b"\n") if line and not line.startswith(b"{")]
            why = ""
            if not daemon.is_running():
                why = f"the daemon is gone: {daemon.words()[-500:]}"
            elif grown > 32 * MEBIBYTE:
                why = f"memory grew by {grown / MEBIBYTE:.1f} MiB"
            elif expected is not None and (
                len(statuses) != len(expected)
                or not all(status.startswith(prefix) for status, prefix in zip(statuses, expected))):
                why = f"{len(statuses)} answers, the first {statuses[:3]}"
            trial.count(not why, f"{name}: {why}")
            if not daemon.is_running():
                return
        trial.must(daemon.stop() == 0, "it ends with 0")


AS_USER = """
import os, socket, sys
os.setgroups([int(g) for g in sys.argv[3].split(',') if g])
os.setgid(int(sys.argv[2].split(':')[1]))
os.setuid(int(sys.argv[2].split(':')[0]))
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.settimeout(20)
try:
    s.connect(sys.argv[1])
except PermissionError:
    print('cannot connect')
    sys.exit()
for line in sys.argv[4:]:
    s.sendall(line.encode() + b'\\n')
    data = b''
    while not any(l.startswith((b'OK', b'ERR')) for l in data.split(b'\\n')[:-1]):
        part = s.recv(65536)
        if not part: break
        data += part
    print([l for l in data.decode().split('\\n') if l.startswith(('OK', 'ERR'))][0])
"""


@row(28, "other users and groups", full=12, quick=12, weight=0.3)
def other_users(trial):
    """The kernel says who a client is; who may not change the archive is refused, in the log too."""
    if os.geteuid() != 0:
        raise NotHere("only root can be other users")
    world = trial.world
    archive = world.archive(cases=5)
    os.chmod(world.sockets, 0o755)
    group, writer, writers = 54321, 54322, 54323
    options = ["--writer-uid", str(writer), "--writer-gid", str(writers)]
    with Daemon(world, archive, options) as daemon:
        os.chown(daemon.socket, -1, group)

        def said(user, main, others, *lines):
            done = subprocess.run(
                [sys.executable, "-c", AS_USER, daemon.socket, f"{user}:{main}", others, *lines], capture_output=True, text=True)
            return done.stdout.strip().split("\n")

        reads = ["SEARCH text=\"effusion\" k=1", "GET id=c1", "COUNT"]
        changes = ["PUT id=z report=\"x y\"", "DELETE id=c1", f"SNAPSHOT to={world.file('snapshot')}", "REEMBED abort"]
        cases = [
            ("a stranger cannot connect", said(65534, 65534, "", "PING"), ["cannot connect"]),
            ("a reader searches", said(65534, 65534, str(group), *reads), ["OK"] * 3),
            ("a reader by main group searches", said(65534, group, "", *reads), ["OK"] * 3),
        ]
        cases += [(f"a reader may not {line.split()[0]}", said(65534, group, "", line), ["ERR DENIED"]) for line in changes]
        cases += [
            ("a writer by user changes", said(writer, group, "", "PUT id=w report=\"x y\"", "DELETE id=w"), ["OK", "OK"]),
            ("root changes", said(0, 0, "", "PUT id=r report=\"x y\"", "DELETE id=r"), ["OK", "OK"]),
        ]
        os.chmod(daemon.socket, 0o666)
        cases += [
            ("a writer by group changes", said(65534, writers, "", "PUT id=g report=\"x y\"", "DELETE id=g"), ["OK", "OK"]),
            ("a stranger at an open socket may not change", said(65534, 65534, "", "DELETE id=c1"), ["ERR DENIED"]),
        ]
        with daemon.client() as client:
            cases.append(("the case is still there", [client.status("GET id=c1")], ["OK"]))
        for name, got, expected in cases:
            right = len(got) == len(expected) and all(text.startswith(prefix) for text, prefix in zip(got, expected))
            trial.count(right, f"{name}: {got}")
        trial.must("DENIED" in daemon.words(), "the log names refusals")
        trial.must(daemon.stop() == 0, "it ends with 0")
