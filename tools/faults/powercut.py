"""Rows 2 and 3: the power goes. A recorder logs what the program does to its files; a replay makes the disk that a cut would leave.

What was written and not synced is dropped, kept or torn into sectors of 512 bytes, each by chance. Names (new files, renames, folders) that
were not synced are lost too. Half of the cuts keep names in the order of the whole file system, as ext4 does; the others promise only what
POSIX does: a name is on the disk when its folder was synced.
"""

import os
import struct

from .daemon import Daemon, Gone
from .ledger import Ledger, verified
from .run import row
from .world import quoted

SECTOR = 512
HEADER = struct.Struct("<B7xQqIIII")
NOSYNC = 0x10000


class Record:
    __slots__ = ("kind", "inode", "offset", "path", "other", "data", "order")

    def __init__(self, kind, inode, offset, path, other, data):
        self.kind, self.inode, self.offset, self.path, self.other, self.data = kind, inode, offset, path, other, data
        self.order = 0


def read_log(path, root):
    """The records in order, paths relative to the root."""
    records = []
    with open(path, "rb") as file:
        data = file.read()
    place = 0
    while place + HEADER.size <= len(data):
        kind, inode, offset, first, second, count, _ = HEADER.unpack_from(data, place)
        place += HEADER.size
        one = data[place : place + first].decode()
        two = data[place + first : place + first + second].decode()
        place += first + second
        records.append(Record(chr(kind), inode, offset, relative(one, root), relative(two, root), data[place : place + count]))
        place += count
    return records


def relative(path, root):
    return os.path.normpath(path[len(root) :].lstrip("/") or ".") if path.startswith(root) else path


class Disk:
    """What is on the disk for certain, and what only the cache has."""

    def __init__(self):
        self.contents = {}  # inode: bytes on the disk
        self.pending = {}  # inode: writes and truncations since its last sync
        self.names = []  # changes of names that are not certain yet: (folders, record)
        self.certain = []  # changes of names that are, in order

    def take(self, record, is_strict):
        kind = record.kind
        if kind in "WT":
            self.pending.setdefault(record.inode, []).append(record)
        elif kind == "D":
            # On the disk when it returns; what went before it in the cache may still be there alone.
            self.pending.setdefault(record.inode, []).append(record)
            self.settle(record.inode, only=record)
        elif kind == "S":
            self.settle(record.inode)
            if is_strict:
                folder = "" if record.path == "." else record.path
                self.certain += [entry for entry in self.names if os.path.dirname(entry.other or entry.path) == folder]
                self.names = [entry for entry in self.names if os.path.dirname(entry.other or entry.path) != folder]
            else:
                # A sync commits the journal, with all names before it.
                self.certain += self.names
                self.names = []
        elif kind in "CMRUL":
            record.order = len(self.names) + len(self.certain)
            self.names.append(record)

    def settle(self, inode, only=None):
        pending = self.pending.get(inode, [])
        content = self.contents.setdefault(inode, bytearray())
        for record in pending if only is None else [only]:
            put(content, record)
        self.pending[inode] = [] if only is None else [record for record in pending if record is not only]

    def cut(self, random, folder, is_strict):
        """Makes the files that a cut would leave, in a new folder."""
        contents = {inode: bytearray(content) for inode, content in self.contents.items()}
        manner = random.choice(["drop", "some", "tear"])
        for inode, pending in self.pending.items():
            content = contents.setdefault(inode, bytearray())
            for record in pending:
                if manner == "drop" or random.random() < 0.4:
                    continue
                if manner == "tear" and record.kind != "T" and random.random() < 0.5:
                    tear(content, record, random)
                else:
                    put(content, record)
        names = list(self.certain)
        if is_strict:
            # The changes of a folder reach the disk in their order, as far as chance has it.
            folders = {}
            for record in self.names:
                folders.setdefault(os.path.dirname(record.other or record.path), []).append(record)
            for pending in folders.values():
                names += pending[: random.randint(0, len(pending))]
        else:
            names += self.names[: random.randint(0, len(self.names))]
        # A folder may be certain later than what lies in it.
        names.sort(key=lambda record: record.order)
        write_tree(names, contents, folder)


def put(content, record):
    if record.kind == "T":
        if len(content) > record.offset:
            del content[record.offset :]
        else:
            content.extend(bytes(record.offset - len(content)))
        return
    end = record.offset + len(record.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[record.offset : end] = record.data


def tear(content, record, random):
    for start in range(0, len(record.data), SECTOR):
        if random.random() < 0.5:
            put(content, Record("W", 0, record.offset + start, "", "", record.data[start : start + SECTOR]))


def write_tree(names, contents, folder):
    """Carries out the changes of names in order; one whose folder or source is lost is lost with it."""
    tree = {".": None}
    for record in names:
        target = record.other if record.kind in "RL" else record.path
        if record.kind != "U" and (os.path.dirname(target) or ".") not in tree:
            continue
        if record.kind == "M":
            tree[record.path] = None
        elif record.kind == "C":
            tree[record.path] = record.inode
        elif record.kind in "RL" and record.path in tree:
            moved = [path for path in tree if path == record.path or path.startswith(record.path + "/")]
            for path in moved:
                tree[record.other + path[len(record.path) :]] = tree[path]
                if record.kind == "R":
                    del tree[path]
        elif record.kind == "U":
            tree.pop(record.path, None)
    os.makedirs(folder)
    for path in sorted(tree):
        if path == ".":
            continue
        if tree[path] is None:
            os.makedirs(os.path.join(folder, path), exist_ok=True)
        else:
            # Rights belong to the inode and are not lost; nothing here is anybody else's.
            with open(os.path.join(folder, path), "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(contents.get(tree[path], b""))


class Recording:
    """A session of changes, each with the place in the log at which it was acknowledged."""

    def __init__(self, trial, flags=0, changes=120):
        world = trial.world
        self.root = world.file("recorded")
        self.log = world.file("journal")
        os.makedirs(self.root)
        environment = {
            "LD_PRELOAD": world.library("recorder"), "TORTURE_LOG": self.log, "TORTURE_ROOT": self.root,
            "TORTURE_LMDB_FLAGS": str(flags)}
        archive = self.root + "/archive"
        world.must("init", archive, "--model", world.model, environment=environment)
        self.changes = []
        self.images = {}
        ledger = Ledger(trial.random)
        # Two daemons, so that a checkpoint at the end of one and the opening of the next are cut too.
        for part in range(2):
            with Daemon(world, archive, environment=environment) as daemon, daemon.client() as client:
                self.session(client, ledger, trial, changes // 2, part)
                daemon.stop()
        self.records = read_log(self.log, self.root)
        world.forget(self.root, self.log)
        self.answers = [
            index for index, record in enumerate(self.records) if record.kind == "A"
            for line in record.data.split(b"\n") if line.startswith(b"OK id=")]
        assert len(self.answers) == len(self.changes), f"{len(self.answers)} answers to {len(self.changes)} changes"

    def session(self, client, ledger, trial, changes, part):
        images = trial.world.images
        pending = 0
        for number in range(changes):
            if number % 6 == 5:
                # A case with an image of its own: kept images are files, with names to lose.
                name = f"i{part}x{number}"
                image = images[(part * changes + number) % len(images)]
                client.send(f"PUT id={name} report={quoted(name)} bytes={len(image)}", image)
                change = (name, name)
                self.images[name] = True
            else:
                change = ledger.change()
                client.send(ledger.line(change))
                ledger.set(*change)
            self.changes.append(change)
            pending += 1
            while pending >= trial.random.randint(1, 6):
                client.reply()
                pending -= 1
        while pending:
            client.reply()
            pending -= 1

    def ledger(self, cut, random):
        """What must be there after a cut, and what may be."""
        ledger = Ledger(random)
        for change, answer in zip(self.changes, self.answers):
            if answer < cut:
                ledger.set(*change)
            else:
                ledger.asked(change)
        return ledger


def survives(trial, recording, disk, cut, is_strict):
    """Why an archive did not survive this cut; empty if it did."""
    world = trial.world
    folder = world.file("cut")
    disk.cut(trial.random, folder, is_strict)
    archive = folder + "/archive"
    ledger = recording.ledger(cut, trial.random)
    images = [name for name in ledger.live if name in recording.images]
    try:
        with Daemon(world, archive) as daemon:
            wrong = verified(daemon, ledger)
            if not wrong and daemon.stop() != 0:
                wrong = ["the daemon does not end with 0"]
    except Gone as error:
        wrong = [f"does not open: {error}"]
    if not wrong:
        call = world.run("check", archive, "--deep", "--json")
        if call.status != 0:
            wrong = [f"check ended with {call.status}: {call.words()}"]
        elif call.object().get("missing_count", 0) and images:
            wrong = [f"{call.object()['missing_count']} kept images are lost"]
    world.forget(folder)
    return wrong


def cuts(trial, flags, is_strict_of):
    """Yields (number, what is wrong) for cuts at random places of recording after recording."""
    number = 0
    while trial.goes_on():
        recording = Recording(trial, flags)
        first = recording.answers[0] + 1
        places = sorted(trial.random.randrange(first, len(recording.records) + 1) for _ in range(12))
        for is_strict in is_strict_of:
            disk, taken = Disk(), 0
            for cut in places:
                if not trial.goes_on():
                    return
                while taken < cut:
                    disk.take(recording.records[taken], is_strict)
                    taken += 1
                number += 1
                kind = "strict names" if is_strict else "ordered names"
                yield f"cut {number} ({kind}) at {cut} of {len(recording.records)}", survives(trial, recording, disk, cut, is_strict)


@row(2, "power cut", full=2000, quick=80, weight=4)
def power_cut(trial):
    for name, wrong in cuts(trial, 0, (False, True)):
        trial.count(not wrong, f"{name}: {wrong[:4]}")


@row(3, "power cut without syncs: caught by the same replay", full=800, quick=20, weight=1, share=0.95)
def unsynced(trial):
    """The same with MDB_NOSYNC: a harness that finds nothing wrong here would find nothing anywhere. What it catches counts as survived."""
    kinds = {"was refused as damaged": 0, "was found damaged": 0, "had lost or other cases": 0}
    for name, wrong in cuts(trial, NOSYNC, (False,)):
        words = str(wrong[0]) if wrong else "nothing was wrong"
        kind = None
        if words.startswith("does not open") and any(
            sign in words for sign in ("damaged", "not made to the end", "no archive")
        ):
            kind = "was refused as damaged"
        elif words.startswith("check"):
            kind = "was found damaged"
        elif wrong and not words.startswith("does not open"):
            kind = "had lost or other cases"
        # A refusal for another reason would prove nothing.
        trial.count(kind is not None, f"{name}: {words}")
        if kind:
            kinds[kind] += 1
    trial.note(", ".join(f"{count} {kind}" for kind, count in kinds.items()))
