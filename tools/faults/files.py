"""Rows 17, 18 and 27: hostile images and weights, and paths that lead elsewhere."""

import contextlib
import ctypes
import os
import random
import shutil
import socket
import threading
import time

from . import images
from .daemon import Daemon, Gone
from .run import row

MEBIBYTE = 1 << 20


@row(17, "hostile images", full=30, quick=30, weight=1)
def hostile_images(trial):
    """Each is refused by name, stored or asked with, within 64 MiB and a second of processor time, and the daemon goes on."""
    world = trial.world
    archive = world.archive(cases=5)
    daemon = Daemon(world, archive)
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: daemon.kill())
        with daemon.client() as client:
            # What the first good image makes the daemon hold is no growth.
            good = client.status(f"PUT id=good bytes={len(world.images[0])}", world.images[0])
        trial.must(good.startswith("OK"), f"a good image is taken ({good})")
        accepted = []
        for name, data in images.bombs():
            daemon.forget_peak()
            before, used, grown = daemon.memory(), daemon.seconds(), 0
            try:
                with daemon.client() as client:
                    status = client.status(f"PUT id=bomb bytes={len(data)}", data)
                    asked = client.status(f"SEARCH k=1 bytes={len(data)}", data)
                    if status.startswith("ERR") and asked.split()[:2] != status.split()[:2]:
                        status = f"a search is answered otherwise: {asked}"
            except Gone as error:
                status = f"gone: {error}"
                daemon.pause()
            if daemon.is_running():
                grown, used = daemon.memory("VmHWM") - before, daemon.seconds() - used
            why = ""
            if not daemon.is_running():
                why = f"the daemon ended: {daemon.words()[-500:]}"
            elif status.startswith("OK"):
                accepted.append(name)
            elif not status.startswith(("ERR BADIMAGE ", "ERR LIMIT ")) or len(status.split()) < 4:
                why = status
            if grown > 64 * MEBIBYTE:
                why += f" memory grew by {grown / MEBIBYTE:.1f} MiB"
            # Two requests, so twice the time.
            if used > 2:
                why += f" it took {used:.2f} s"
            trial.count(not why, f"{name}: {why}")
            if not daemon.is_running():
                daemon.kill()
                daemon = Daemon(world, archive)
        # Long thin images are legal; all else must not pass as an image.
        legal = {"10^6 x 1", "1 x 10^6", "an unknown critical chunk", "4096 times the pixels of the header", "a wrong Adler sum"}
        odd = [name for name in accepted if name not in legal]
        trial.must(not odd, f"nothing broken is taken as an image {odd or ''}")
        if accepted:
            trial.note("taken: " + ", ".join(accepted))
        with daemon.client() as client:
            trial.must(client.status("GET id=good").startswith("OK"), "the good image is still there")
        trial.must(daemon.stop() == 0, "it ends with 0")


@row(18, "hostile weights", full=22, quick=22, weight=0.5)
def hostile_weights(trial):
    """Each is refused in words, with at most 50 ms and 16 MiB more than reading good weights of that size takes."""
    world = trial.world
    with open(world.model + "/weights.safetensors", "rb") as file:
        good = file.read()
    folder = world.file("model")
    shutil.copytree(world.model, folder)
    base = [world.measured("model", "inspect", world.model) for _ in range(3)]
    time_limit = min(call.seconds for call in base) + 0.05
    memory_limit = min(call.memory for call in base) + 16 * MEBIBYTE
    trial.must(all(call.status == 0 for call in base), "good weights are read")
    for name, data in images.weights(good):
        with open(folder + "/weights.safetensors", "wb") as file:
            file.write(data)
        archive = world.file("archive")
        call = world.measured("init", archive, "--model", folder, "--json")
        # The folder may be taken as it is and read first by what needs the model.
        if call.status == 0:
            call = world.measured("search", archive, "--text", "left effusion", "--json")
            daemon = Daemon(world, archive, wait=False)
            try:
                daemon.wait(20)
                why = "a daemon serves with these weights"
                with daemon.client() as client:
                    status = client.status("PUT id=a report=\"left effusion\"")
                    why = "" if status.startswith("ERR") else f"served with these weights: {status}"
            except Gone:
                why = ""
            finally:
                daemon.kill()
        else:
            why = ""
        used = call.seconds
        if call.was_signalled:
            why = f"ended by a signal ({call.status}): {call.words()[-300:]}"
        elif call.status == 0 and not why:
            why = "taken without a word"
        elif not call.errors.strip() and not why:
            why = "refused without a word"
        if used > time_limit:
            why += f" it took {used * 1e3:.0f} ms, at most {time_limit * 1e3:.0f}"
        if call.memory > memory_limit:
            why += f" it held {call.memory / MEBIBYTE:.1f} MiB, at most {memory_limit / MEBIBYTE:.1f}"
        trial.count(not why, f"{name}: {why}")
        world.forget(archive)


class Exchanger(threading.Thread):
    """Exchanges two paths as fast as it can, in one step each time."""

    def __init__(self, one, two):
        super().__init__(daemon=True)
        self.one, self.two, self.ends, self.count = one.encode(), two.encode(), False, 0
        self.library = ctypes.CDLL(None, use_errno=True)

    def run(self):
        while not self.ends:
            self.library.renameat2(-100, self.one, -100, self.two, 2)
            self.count += 1
            if self.count % 64 == 0:
                time.sleep(0)

    def finish(self):
        self.ends = True
        self.join()


def vector(client, line, literal=b""):
    """The vector of an image that is stored for a moment."""
    status = client.status(line, literal)
    if not status.startswith("OK"):
        return None, status
    objects, _ = client.ask("GET id=probe with=vector")
    return str(objects[0]["vectors"].get("image")), status


@row(27, "paths that lead elsewhere, and change while they are read", full=20000, quick=1500, weight=2)
def paths(trial):
    """Names of images below a root: dots, links, /proc, pipes, devices; links and folders exchanged while the daemon reads."""
    world = trial.world
    archive = world.archive(cases=2)
    root, outside = world.file("root"), world.file("outside")
    os.makedirs(root + "/folder")
    os.makedirs(outside)
    inner, secret = world.images[0], world.images[1]
    for path, data in ((root + "/in.png", inner), (root + "/folder/in.png", inner), (outside + "/in.png", secret), (outside + "/secret.png", secret)):
        with open(path, "wb") as file:
            file.write(data)
    os.symlink(outside + "/secret.png", root + "/link.png")
    os.symlink("in.png", root + "/inner-link.png")
    os.symlink(outside, root + "/linked")
    os.symlink("/", root + "/slash")
    os.symlink("loop", root + "/loop")
    os.mkfifo(root + "/pipe")
    os.mkfifo(root + "/pipe.png")
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.path.relpath(root + "/socket.png")) if len(os.path.relpath(root + "/socket.png")) < 100 else server.close()
    try:
        os.mknod(root + "/zero.png", 0o644 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pass
    names = [
        "../" + os.path.basename(outside) + "/secret.png", outside + "/secret.png", root + "/../" + os.path.basename(outside) + "/secret.png",
        "link.png", "inner-link.png/", "linked/secret.png", "slash/etc/passwd", "slash" + outside + "/secret.png", "loop", "pipe", "pipe.png",
        "socket.png", "zero.png", "folder", "folder/../../" + os.path.basename(outside) + "/secret.png", "/proc/self/environ",
        "/proc/self/root" + outside + "/secret.png", "/dev/zero", "/dev/stdin", "file://" + outside + "/secret.png", "in.png/../link.png",
        "folder/./../link.png", "//" + outside + "/secret.png", "", ".", "/", "in.png\\u0000.png", "a" * 5000, "%2e%2e/secret.png",
    ]
    with Daemon(world, archive, ["--image-root", root]) as daemon, daemon.client(30) as client:
        right, status = vector(client, f"PUT id=probe image={root}/in.png")
        wrong_vector, _ = vector(client, f"PUT id=probe bytes={len(secret)}", secret)
        trial.must(right and wrong_vector and right != wrong_vector, f"a path below the root is read ({status})")

        def judge(name, quoted):
            before = time.monotonic()
            try:
                got, status = vector(client, f"PUT id=probe image=\"{quoted}\"")
            except Gone as error:
                trial.count(False, f"{name}: {error}; {daemon.words()[-300:]}")
                return False
            why = ""
            if got == wrong_vector:
                why = "read what lies outside"
            elif got is not None and got != right:
                why = "read something else"
            elif got is None and not status.startswith("ERR "):
                why = status
            if time.monotonic() - before > 20:
                why += " it hung"
            trial.count(not why, f"{name}: {why}")
            return got is not None

        for name in names:
            judge(name[:60], name)
        # Races: what is below the root one moment leads outside the next.
        exchanges = [
            ("a file and a link", root + "/in.png", root + "/link.png", "in.png"),
            ("a folder and a link", root + "/folder", root + "/linked", "folder/in.png"),
            ("a file and a pipe", root + "/in.png", root + "/pipe.png", "in.png"),
            ("a file and a device", root + "/in.png", root + "/zero.png", "in.png"),
        ]
        exchanges = [entry for entry in exchanges if os.path.lexists(entry[2])]
        counts = []
        for place, (name, one, two, asked) in enumerate(exchanges):
            thread = Exchanger(one, two)
            thread.start()
            end = time.monotonic() + max(1, (trial.end - time.monotonic()) / (len(exchanges) - place + 2))
            read = tries = 0
            while time.monotonic() < end and trial.goes_on() or tries < 100:
                read += judge(name, root + "/" + asked)
                tries += 1
            thread.finish()
            counts.append(f"{name} {tries} ({read} read)")
            if thread.count % 2:
                Exchanger(one, two).library.renameat2(-100, one.encode(), -100, two.encode(), 2)
        trial.note("races: " + ", ".join(counts))
        trial.must(daemon.stop() == 0, "it ends with 0")


@row("27b", "an inbox whose folders are exchanged for links", full=1000, quick=6, weight=1)
def inbox_races(trial):
    """A folder of the inbox and a link out of it change places while files arrive; no case may come from outside."""
    world = trial.world
    while trial.goes_on():
        archive, inbox, outside = world.archive(), world.file("inbox"), world.file("outside")
        os.makedirs(inbox + "/sub")
        os.makedirs(outside)
        for number in range(40):
            with open(f"{outside}/s{number}.txt", "w") as file:
                file.write(f"SECRETWORD number {number} outside of the inbox.")
        os.symlink(outside, inbox + "/way")
        os.mkfifo(inbox + "/pipe.txt")
        with Daemon(world, archive, ["--inbox", inbox]) as daemon, daemon.client() as client:
            thread = Exchanger(inbox + "/sub", inbox + "/way")
            thread.start()
            spread = random.Random(trial.random.random())
            for number in range(40):
                with open(f"{inbox}/in{number}.txt", "w") as file:
                    file.write(f"Left pleural effusion number {number}.")
                time.sleep(spread.uniform(0, 0.05))
            end = time.monotonic() + 30
            count = 0
            while time.monotonic() < end and count < 40:
                count = int(client.status("COUNT").split("=")[1])
                time.sleep(0.2)
            time.sleep(3)
            thread.finish()
            objects, _ = client.ask("SEARCH text=\"SECRETWORD\" mode=words k=50 with=report")
            found = [hit for hit in objects if "SECRETWORD" in hit.get("report", "")]
            count = int(client.status("COUNT").split("=")[1])
            why = ""
            if found:
                why = f"{len(found)} cases come from outside of the inbox"
            elif count < 40:
                why = f"only {count} of 40 files were taken in"
            elif daemon.stop() != 0:
                why = "it does not end with 0"
        trial.count(not why, why)
        world.forget(archive, inbox, outside)
