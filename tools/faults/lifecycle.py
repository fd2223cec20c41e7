"""Rows 10, 11, 26, 29 and 30: starting, sockets in the way, copies, the service's sandbox, archives of other releases."""

import hashlib
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import threading
import time

from .daemon import Daemon, Gone
from .ledger import Ledger
from .run import NotHere, row

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@row(10, "two daemons at once", full=200, quick=30, weight=1)
def two_daemons(trial):
    """Exactly one serves; the other ends within a second of processor time, not with 0, and names the process that holds the archive."""
    world = trial.world
    archive = world.archive(cases=20)
    slowest = 0
    while trial.goes_on():
        path = world.socket()
        shares = trial.random.random() < 0.5
        pair = [Daemon(world, archive, wait=False, socket_path=path if shares else world.socket()) for _ in range(2)]
        started, why = time.monotonic(), ""
        while all(daemon.is_running() for daemon in pair) and time.monotonic() < started + 30:
            time.sleep(0.002)
        ended = [daemon for daemon in pair if not daemon.is_running()]
        if len(ended) != 1:
            # Both may end only if one of them failed for another reason.
            why = f"{len(ended)} of 2 ended: {[daemon.words()[-300:] for daemon in pair]}"
        else:
            other = pair[0] if ended[0] is pair[1] else pair[1]
            slowest = max(slowest, time.monotonic() - started)
            try:
                other.wait(30)
                with other.client() as client:
                    if client.status("COUNT") != "OK count=20":
                        why = "the one that serves does not know its cases"
            except Gone as error:
                why = f"nobody serves: {error}"
            words = ended[0].words()
            if ended[0].process.returncode <= 0:
                why = f"the other ended with {ended[0].process.returncode}"
            elif not why and not re.search(rf"\b{other.pid}\b", words):
                why = f"the other does not name process {other.pid}: {words[-300:]}"
        for daemon in pair:
            daemon.stop()
        trial.count(not why, why)
    trial.note(f"the other ended after {slowest:.2f} s at the latest; a second is the aim on a quiet machine")


@row(11, "something lies where the socket belongs", full=14, quick=14, weight=0.5)
def sockets_in_the_way(trial):
    """It starts, or says why; it never removes what is not a socket of a dead daemon."""
    world = trial.world
    archive = world.archive(cases=3)

    def listening(path):
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen()
        return server

    def stale(path):
        listening(path).close()

    def killed(path):
        daemon = Daemon(world, archive, socket_path=path)
        daemon.kill()

    def datagram(path):
        server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        server.bind(path)
        held.append(server)

    def text(path):
        with open(path, "w") as file:
            file.write("precious")

    held = []
    target = world.socket()
    text(target)
    ways = [
        ("a stale socket", stale, True),
        ("the socket of a killed daemon", killed, True),
        ("a socket that another program listens on", lambda path: held.append(listening(path)), False),
        ("a datagram socket in use", datagram, None),
        ("a file", text, False),
        ("an empty file", lambda path: open(path, "w").close(), False),
        ("a folder", os.mkdir, False),
        ("a link to a file", lambda path: os.symlink(target, path), False),
        ("a link to nothing", lambda path: os.symlink(path + "-nothing", path), False),
        ("a link to itself", lambda path: os.symlink(path, path), False),
        ("a pipe", os.mkfifo, False),
    ]
    for name, make, starts in ways:
        path = world.socket()
        make(path)
        before = os.lstat(path)
        try:
            with Daemon(world, archive, socket_path=path, limit=20) as daemon:
                why = "it starts" if starts is False else ""
                if daemon.stop() != 0:
                    why = "it does not end with 0"
        except Gone as error:
            why = f"it does not start: {error}" if starts else "" if "hilum serve:" in str(error) else f"no sentence: {error}"
            if not os.path.lexists(path) or os.lstat(path).st_ino != before.st_ino:
                why += " what lay there is gone"
            elif stat.S_ISREG(before.st_mode) and os.lstat(path).st_size != before.st_size:
                why += " the file was changed"
        trial.count(not why, f"{name}: {why}")
    with open(target) as file:
        trial.must(file.read() == "precious", "the file behind a link is as it was")
    lengths = [(107, True), (108, False), (3000, False)]
    for length, starts in lengths:
        folder = world.sockets + "/" + "d" * 40
        os.makedirs(folder, exist_ok=True)
        path = folder + "/" + "s" * (length - len(folder) - 1)
        # The lock beside the socket has a longer name, which a file may have.
        try:
            with Daemon(world, archive, socket_path=path, limit=20) as daemon:
                why = "" if starts else "it starts"
                daemon.stop()
        except Gone as error:
            why = f"it does not start: {error}" if starts else "" if "hilum serve:" in str(error) else f"no sentence: {error}"
        trial.count(not why, f"a path of {length} bytes: {why}")
    for server in held:
        server.close()


def digest(folder):
    """Of every file below a folder, by name; locks and sockets apart."""
    result = {}
    for path, _, files in os.walk(folder):
        for name in files:
            if name in ("lock.mdb", "writer.lock", "log.key", "inbox.refused") or name.endswith((".sock", ".lock")):
                continue
            with open(os.path.join(path, name), "rb") as file:
                result[os.path.relpath(os.path.join(path, name), folder)] = hashlib.sha256(file.read()).hexdigest()
    return result


@row(26, "backup while writing, restored elsewhere", full=50, quick=8, weight=1.5)
def backups(trial):
    """A snapshot is taken amid changes; restored, it has every case acknowledged before it, and two copies of it are alike to the byte."""
    world = trial.world
    archive = world.archive(images=True)
    ledger = Ledger(trial.random)
    questions = [f"SEARCH text=\"{words}\" k=10 exact=1 mode=vector" for words in ("left effusion", "nodule", "no fracture", "mass")]

    def top(client):
        return [[(hit["id"], hit["score"]) for hit in client.ask(question)[0]] for question in questions]

    with Daemon(world, archive) as daemon, daemon.client() as client:
        drawn = int(client.status("COUNT").split("=")[1])
        while trial.goes_on():
            snapshot, one, two = world.file("snapshot"), world.file("restored"), world.file("restored")
            states, stop, wrong = [dict(ledger.live)], threading.Event(), []

            def change():
                try:
                    with daemon.client() as writer:
                        while not stop.is_set():
                            ledger.apply(writer, 1)
                            states.append(dict(ledger.live))
                except Gone as error:
                    wrong.append(f"a change: {error}")

            writer = threading.Thread(target=change)
            writer.start()
            time.sleep(trial.random.uniform(0, 0.2))
            first = len(states) - 1
            status = client.status(f"SNAPSHOT to={snapshot}")
            last = len(states) + 1
            stop.set()
            writer.join()
            if not status.startswith("OK"):
                wrong.append(status)
            else:
                world.must("restore", snapshot, one, "--quiet")
                world.must("restore", snapshot, two, "--quiet")
                # An archive of its own gets a history of its own, so copies are compared.
                world.must("restore", snapshot, one + ".copy", "--copy", "--quiet")
                world.must("restore", snapshot, two + ".copy", "--copy", "--quiet")
                if digest(one + ".copy") != digest(two + ".copy"):
                    wrong.append("two copies of one snapshot differ")
                shutil.rmtree(one + ".copy")
                shutil.rmtree(two + ".copy")
                with open(snapshot + "/snapshot.json") as file:
                    json.load(file)
                sound, words = world.check(one)
                if not sound:
                    wrong.append(words)
                with Daemon(world, one) as restored, restored.client() as reader:
                    answer = top(reader)
                    found = {}
                    for name in {name for state in states[first:last] for name in state}:
                        objects, got = reader.ask(f"GET id={name} with=report")
                        if got.startswith("OK"):
                            found[name] = objects[0]["report"]
                    # One of the states between the request and its answer, to the report.
                    if found not in states[first:last]:
                        wrong.append(f"its {len(found)} cases are no state between {len(states[first])} and {len(states[-1])}")
                    if reader.status("COUNT") != f"OK count={len(found) + drawn}":
                        wrong.append("other cases came or went")
                    restored.stop()
                with Daemon(world, two) as restored, restored.client() as reader:
                    if top(reader) != answer:
                        wrong.append("two restores answer differently")
                # Without changes in between, the restored archive answers as the original does.
                quiet = world.file("snapshot")
                client.status(f"SNAPSHOT to={quiet}")
                third = world.file("restored")
                world.must("restore", quiet, third, "--quiet")
                with Daemon(world, third) as restored, restored.client() as reader:
                    if top(reader) != top(client):
                        wrong.append("the restored archive answers otherwise than the one it was taken from")
                world.forget(quiet, third)
            trial.count(not wrong, f"{wrong[:3]}")
            world.forget(snapshot, one, two)
        wrong = verified_with(client, ledger, drawn)
        trial.must(not wrong, f"the archive itself has every case {wrong[:3] or ''}")


def verified_with(client, ledger, others):
    """`Ledger.verify` beside cases that it does not know."""
    wrong = ledger.verify(client, only=list(ledger.live))
    status = client.status("COUNT")
    if status != f"OK count={len(ledger.live) + others}":
        wrong.append(status)
    return wrong


@row(29, "the sandbox of the services", full=1, quick=1, weight=0.1)
def sandbox(trial):
    if shutil.which("systemd-analyze") is None:
        raise NotHere("systemd-analyze is not installed")
    units = [name for name in sorted(os.listdir(TOOLS + "/systemd")) if name.endswith(".service")]
    serving = []
    for name in units:
        path = f"{TOOLS}/systemd/{name}"
        with open(path) as file:
            if re.search(r"^ExecStart=.*hilum serve", file.read(), re.M):
                serving.append(name)
        done = subprocess.run(["systemd-analyze", "security", "--offline=on", path], capture_output=True, text=True)
        match = re.search(r"exposure level[^:]*: *([0-9.]+)", done.stdout)
        exposure = float(match.group(1)) if match else 10
        trial.count(exposure <= 1.0, f"{name}: exposure {exposure}, at most 1.0")
        trial.note(f"{name}: exposure {exposure}")
    trial.must(serving, "there is a service for the daemon")


@row(30, "archives of other releases", full=8, quick=8, weight=0.5)
def other_releases(trial):
    """Those of earlier releases open with all their cases; those of later ones are refused in words, and stay as they are."""
    world = trial.world
    fixtures = os.path.join(os.path.dirname(TOOLS), "Tests/HilumArchiveTests/Fixtures")
    for name in sorted(os.listdir(fixtures)):
        if not os.path.exists(f"{fixtures}/{name}/data.mdb"):
            continue
        copy = world.copy(f"{fixtures}/{name}")
        stats = world.run("stats", copy, "--json")
        sound, words = world.check(copy)
        why = "" if stats.status == 0 and stats.object()["cases"] > 0 else f"stats: {stats.words()}"
        if not sound:
            why += words
        for answers in sorted(path for path in os.listdir(f"{fixtures}/{name}") if path.startswith("like-")):
            with open(f"{fixtures}/{name}/{answers}") as file:
                expected = [json.loads(line) for line in file]
            number = answers[len("like-") : -len(".jsonl")]
            call = world.run("search", copy, "--id", number, "-k", str(len(expected)), "--json")
            got = [json.loads(line) for line in call.out.splitlines()]
            if [hit["id"] for hit in got] != [hit["id"] for hit in expected]:
                why += f" {answers}: other hits ({call.errors[-300:]})"
        trial.count(not why, f"{name}: {why}")
    present = world.archive(cases=20)
    edits = [
        ("a later format", lambda data: later_format(data, 9)), ("format 0", lambda data: later_format(data, 0)),
        ("an empty store", lambda data: b""), ("a store of another program", lambda data: b"SQLite format 3\0" + bytes(len(data) - 16)),
        ("another version of LMDB", lambda data: version(data, 999)), ("another page size", page_size), ("a text", lambda data: b"hello\n" * 5000),
    ]
    for name, edit in edits:
        copy = world.copy(present)
        with open(copy + "/data.mdb", "rb") as file:
            data = file.read()
        changed = edit(data)
        with open(copy + "/data.mdb", "wb") as file:
            file.write(changed)
        world.forget(copy + "/lock.mdb")
        why = ""
        calls = [("stats", copy), ("check", copy), ("search", copy, "--text", "effusion"), ("serve", copy, "--socket", world.socket())]
        for words in calls:
            call = world.run(*words, limit=60)
            if call.status <= 0 or call.was_signalled or not (call.errors + call.out).strip():
                why += f" {words[0]} ended with {call.status}: {call.words()[-200:]}"
        with open(copy + "/data.mdb", "rb") as file:
            if file.read() != changed:
                why += " the file was changed"
        trial.count(not why, f"{name}: {why}")


def crc32c(data):
    """Castagnoli's sum, bit by bit; what is summed here is short."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def later_format(data, number):
    """The store with another number of its format, sealed as it should be."""
    data, place, count = bytearray(data), 0, 0
    while (place := data.find(b"format", place)) >= 0:
        place += 6
        # A digit, after the sum over the table's name, the key and the digit.
        if crc32c(b"metaformat" + data[place + 4 : place + 5]) == int.from_bytes(data[place : place + 4], "little"):
            digit = str(number).encode()
            data[place : place + 5] = crc32c(b"metaformat" + digit).to_bytes(4, "little") + digit
            count += 1
    if count == 0:
        raise RuntimeError("the number of the format is not where it was")
    return bytes(data)


def version(data, number):
    data = bytearray(data)
    for page in range(2):
        data[page * 4096 + 20 : page * 4096 + 24] = number.to_bytes(4, "little")
    return bytes(data)


def page_size(data):
    data = bytearray(data)
    for page in range(2):
        data[page * 4096 + 40 : page * 4096 + 44] = (8192).to_bytes(4, "little")
    return bytes(data)
