"""What the parts of the cluster test share: its folder, its processes, its figures."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

HERE = os.path.dirname(os.path.abspath(__file__))
CLUSTER = os.path.dirname(HERE)
sys.path[:0] = [os.path.join(CLUSTER, "ray"), os.path.join(CLUSTER, "..", "python")]

import hilum  # noqa: E402


class World:
    """A folder, sizes, and all that was started; everything ends with it."""

    def __init__(self, program: str, cases: int, questions: int, parts: int, is_quick: bool) -> None:
        self.program = os.path.abspath(program)
        self.cases, self.questions, self.parts, self.is_quick = cases, questions, parts, is_quick
        # Sockets have short paths.
        self.folder = tempfile.mkdtemp(prefix="hilum-c-", dir="/tmp")
        self.processes: List["subprocess.Popen[bytes]"] = []
        self.figures: List[Dict[str, Any]] = []

    def path(self, *names: str) -> str:
        return os.path.join(self.folder, *names)

    # MARK: Processes

    def run(self, *arguments: str, allowed: Sequence[int] = (0,), **options: Any) -> str:
        """Runs `hilum`; its output."""
        done = subprocess.run(
            [self.program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        if done.returncode not in allowed:
            raise Failure(f"hilum {' '.join(arguments[:3])} … ended with {done.returncode}: {done.stderr[-500:]}")
        return done.stdout

    def start(self, *arguments: str, log: str = "log", env: Optional[Dict[str, str]] = None) -> "subprocess.Popen[bytes]":
        """Starts a program in a group of its own, so that all of it can be ended."""
        with open(self.path(f"{log}.log"), "ab") as file:
            process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, env=env)
        self.processes.append(process)
        return process

    @staticmethod
    def kill(process: "subprocess.Popen[bytes]", number: int = signal.SIGKILL) -> None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        process.wait()

    def close(self, keep: bool) -> None:
        for process in reversed(self.processes):
            try:
                os.killpg(process.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        end = time.monotonic() + 15
        for process in self.processes:
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.kill(process)
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if keep:
            print(f"kept: {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    # MARK: Figures

    def figure(self, name: str, value: Any, target: str, holds: bool) -> None:
        self.figures.append({"figure": name, "value": value, "target": target, "holds": bool(holds)})
        print(f"  {'ok ' if holds else 'NOT'} {name}: {value} (target: {target})", file=sys.stderr, flush=True)


class Failure(Exception):
    """What ends the test."""


def until(condition: Callable[[], Any], what: str, seconds: float = 120, pause: float = 0.02) -> float:
    """Waits until something holds; for how many seconds."""
    began = time.monotonic()
    while True:
        try:
            if condition():
                return time.monotonic() - began
        except (hilum.HilumError, OSError):
            pass
        if time.monotonic() - began > seconds:
            raise Failure(f"{what} within {seconds:.0f} s did not come")
        time.sleep(pause)


def line(socket: str, text: str, timeout: float = 30) -> Tuple[List[Dict[str, Any]], str]:
    """One request by itself: objects and status."""
    import socket as sockets

    with sockets.socket(sockets.AF_UNIX) as end:
        end.settimeout(timeout)
        end.connect(socket)
        with end.makefile("rwb") as stream:
            stream.write(text.encode() + b"\n")
            stream.flush()
            objects: List[Dict[str, Any]] = []
            while True:
                got = stream.readline()
                if not got.endswith(b"\n"):
                    raise hilum.Closed("CLOSED", "the daemon ended the connection")
                if not got.startswith(b"{"):
                    return objects, got.decode().strip()
                objects.append(json.loads(got))


def answers(socket: str) -> bool:
    """Whether a daemon says that it is there."""
    return line(socket, "PING", timeout=5)[1].startswith("OK PONG")


class Asking:
    """Asks question after question in a thread, and counts what came of it."""

    def __init__(self, socket: str, texts: Sequence[str], pause: float = 0.01) -> None:
        self.socket, self.texts, self.pause = socket, texts, pause
        self.asked = self.failed = self.partial = 0
        self.failures: List[str] = []
        #: The longest time without an answer.
        self.longest = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Asking":
        self._thread.start()
        return self

    def __exit__(self, *rest: Any) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        client = hilum.Client(self.socket, timeout=30)
        while not self._stop.is_set():
            text = self.texts[self.asked % len(self.texts)]
            began = time.monotonic()
            error: Optional[Exception] = None
            # A question only reads, so whoever asks may ask again; five seconds are the promise.
            while time.monotonic() - began < 5:
                try:
                    reply = client.send(hilum.requests.Request(f"SEARCH text={json.dumps(text)} k=5", lambda reply: reply))
                    shards = reply.status.get("shards", "1/1").split("/")
                    self.partial += shards[0] != shards[1]
                    error = None
                    break
                except (hilum.HilumError, OSError) as failure:
                    error = failure
                    time.sleep(0.05)
            self.asked += 1
            self.longest = max(self.longest, time.monotonic() - began)
            if error is not None:
                self.failed += 1
                self.failures.append(str(error))
            time.sleep(self.pause)
        client.close()
