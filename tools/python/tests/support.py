"""A daemon on a small drawn archive, and a server that behaves badly."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Callable, List, Optional

import hilum

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("HILUM_PROGRAM", str(ROOT / ".build/release/hilum"))
CASE_COUNT = 40


def call(*words: str) -> None:
    """Runs the program to its end."""
    subprocess.run([PROGRAM, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=300)


@functools.lru_cache(maxsize=None)
def drawn() -> str:
    """A folder with drawn cases and an archive of them, made once a run."""
    folder = tempfile.mkdtemp(prefix="hilum-python-")
    atexit.register(shutil.rmtree, folder)
    call("phantom", f"{folder}/cases", "--count", str(CASE_COUNT), "--seed", "7")
    call("init", f"{folder}/archive")
    call("index", f"{folder}/archive", f"{folder}/cases")
    return folder


class DaemonCase(unittest.TestCase):
    """Tests that share a daemon; they leave its archive as they found it, or use ids of their own."""

    folder: str
    socket: str
    images: List[Path]
    _daemon: "subprocess.Popen[bytes]"

    @classmethod
    def setUpClass(cls) -> None:
        if not os.access(PROGRAM, os.X_OK):
            raise unittest.SkipTest(f"{PROGRAM} is not there; build it, or name another in HILUM_PROGRAM")
        cls.folder = tempfile.mkdtemp(prefix="hilum-python-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        shutil.copytree(drawn() + "/archive", cls.folder + "/archive")
        cls.images = sorted(Path(drawn(), "cases/images").glob("*.png"))
        cls.socket = f"{cls.folder}/s"
        cls.start()
        cls.addClassCleanup(cls.stop)

    @classmethod
    def start(cls) -> None:
        """Starts the daemon, and waits until it answers."""
        cls._daemon = subprocess.Popen(
            [PROGRAM, "serve", f"{cls.folder}/archive", "--socket", cls.socket, "--image-root", drawn() + "/cases"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while True:
            try:
                with hilum.Client(cls.socket) as client:
                    return client.ping()
            except hilum.HilumError:
                if time.monotonic() > end or cls._daemon.poll() is not None:
                    raise
                time.sleep(0.01)

    @classmethod
    def stop(cls) -> None:
        """Ends the daemon as a service manager does."""
        cls._daemon.terminate()
        cls._daemon.wait(60)


class FakeServer:
    """A socket behind which `serve` runs, once for each connection."""

    def __init__(self, serve: "Callable[[socket.socket], None]") -> None:
        self._folder = tempfile.mkdtemp(prefix="hilum-fake-")
        self.path = f"{self._folder}/s"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen()
        self._serve = serve
        self.connection_count = 0
        self.failure: Optional[BaseException] = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> "FakeServer":
        return self

    def __exit__(self, *_: object) -> None:
        # A thread in accept() does not notice that its socket is closed; shutdown wakes it.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(30)
        shutil.rmtree(self._folder)
        if self.failure:
            raise self.failure

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connection_count += 1
            with connection:
                connection.settimeout(30)
                try:
                    self._serve(connection)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                except BaseException as error:
                    self.failure = error


class Lines:
    """The request lines of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def next(self) -> Optional[str]:
        """The next line; None at the end."""
        while b"\n" not in self._buffer:
            octets = self._connection.recv(65536)
            if not octets:
                return None
            self._buffer += octets
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def octets(self, count: int) -> bytes:
        """The next octets, and the line feed behind them."""
        while len(self._buffer) < count + 1:
            self._buffer += self._connection.recv(65536)
        taken, self._buffer = self._buffer[:count], self._buffer[count + 1:]
        return taken


def tag(line: str) -> str:
    """`@tag ` of a request."""
    return line.split(" ")[0] + " "
