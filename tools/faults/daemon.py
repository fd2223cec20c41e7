"""A daemon under test, and a client of the line protocol."""

import json
import os
import signal
import socket
import subprocess
import time


class Gone(Exception):
    """The daemon closed the connection, or never answered."""


class Client:
    """One connection; requests may be pipelined."""

    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(path)
        except OSError as error:
            self.socket.close()
            raise Gone(f"connect: {error}") from error
        self.buffer = b""

    def send(self, line, literal=b""):
        data = line.encode() if isinstance(line, str) else line
        try:
            self.socket.sendall(data + b"\n" + (literal + b"\n" if literal else b""))
        except OSError as error:
            raise Gone(f"send: {error}") from error

    def line(self):
        while b"\n" not in self.buffer:
            try:
                part = self.socket.recv(1 << 16)
            except OSError as error:
                raise Gone(f"receive: {error}") from error
            if not part:
                raise Gone("closed by the daemon")
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def reply(self):
        """The objects of one reply and its status line."""
        objects = []
        while True:
            line = self.line()
            if line.startswith(b"{"):
                objects.append(json.loads(line))
            else:
                return objects, line.decode("utf-8", "replace")

    def ask(self, line, literal=b""):
        self.send(line, literal)
        return self.reply()

    def status(self, line, literal=b""):
        return self.ask(line, literal)[1]

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Daemon:
    """`hilum serve` on an archive; `program` is another one that takes the same words."""

    def __init__(
        self, world, archive, options=(), environment=None, socket_path=None, wait=True, prefix=(), limit=120, errors=None, program=None,
        **popen):
        self.socket = socket_path or world.socket()
        self.log = world.file("log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*prefix, *(program or [world.program]), "serve", archive, "--socket", self.socket, *options],
                stdout=subprocess.DEVNULL, stderr=errors or log, env=world.environment(environment), **popen)
        world.processes.add(self.process)
        self.world = world
        if wait:
            self.wait(limit)

    @property
    def pid(self):
        return self.process.pid

    def wait(self, limit=120):
        """Until it answers; raises Gone when it ends first."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Gone(f"ended with {self.process.returncode}: {self.words()}")
            try:
                # Another program may listen there and say nothing.
                with Client(self.socket, timeout=min(limit, 5)) as client:
                    if client.status("PING") == "OK PONG":
                        return
            except Gone:
                pass
            time.sleep(0.005)
        if self.process.poll() is not None:
            raise Gone(f"ended with {self.process.returncode}: {self.words()}")
        self.kill()
        raise Gone("did not answer in time")

    def words(self):
        with open(self.log, "r", errors="replace") as log:
            text = log.read()
        return text if len(text) < 2000 else f"{text[:500]} … {text[-1500:]}"

    def client(self, timeout=60):
        return Client(self.socket, timeout)

    def is_running(self):
        return self.process.poll() is None

    def kill(self):
        if self.is_running():
            self.process.send_signal(signal.SIGKILL)
        self.ended()

    def stop(self, limit=120):
        """Ends it as a service manager does; its exit status, negative for a signal."""
        if self.is_running():
            self.process.terminate()
        return self.ended(limit)

    def ended(self, limit=120):
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
            status = f"hung, was killed ({status})"
        self.world.processes.discard(self.process)
        return status

    def pause(self):
        """A moment for a process that is ending to end."""
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    # What the kernel says about it.

    def memory(self, field="VmRSS"):
        """Bytes; `VmHWM` is the peak."""
        return memory(self.pid, field)

    def forget_peak(self):
        with open(f"/proc/{self.pid}/clear_refs", "w") as file:
            file.write("5")

    def seconds(self):
        """Of processor time, all threads."""
        return seconds(self.pid)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def memory(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0


def seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
