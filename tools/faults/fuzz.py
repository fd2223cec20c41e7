"""Rows 15 and 16: changed and made-up input, from outside. What counts is a signal, a hang, or memory without a bound."""

import glob
import json
import os
import struct
import time
import zlib

from . import images
from .daemon import Daemon, Gone
from .run import row
from .world import report

MEBIBYTE = 1 << 20

SEEDS = [
    'PING', 'HELLO', 'COUNT', 'COUNT view=PA n=1..5',
    'SEARCH text="left \\"pleural effusion\\" -mass nod*" k=5 with=report,highlights',
    'SEARCH id=c1 unlike=c2 w.id=2 w.unlike=0.5 target=report mmr=0.3', 'SEARCH text="no effusion" date=2019-01..2020 finding!=mass group=patient',
    'SEARCH vec=f32:AACAPwAAgD8= exact=1', 'GET id=c1 with=meta,report,vector', 'PUT id=f1 report="left effusion" view=PA patient=p1 date=2020-02-03',
    'DELETE id=f1', 'FACET by=view k=3 n=1..', 'EXPLAIN SEARCH text="mass" k=3', 'STATS', 'METRICS', 'HELP SEARCH', 'REEMBED status',
    '@t1 SEARCH text="\\u00e4\\ud83d\\ude00" cursor=start deadline_ms=1000 dedup=0.5 min_score=-1',
    'SEARCH affirmed=effusion denied=mass text="any:mass"',
    'SEARCH text="x" mode=words w.words=3 recall=0.9 ef=100', 'SEARCH bytes=4', 'PUT id=f2 bytes=10 report="x"',
]
TOKENS = [
    b"=", b"!=", b"..", b",", b'"', b"\\", b"\\u0000", b"\\ud800", b"bytes=", b"bytes=3", b"@", b"k=", b"-1", b"99999999999999999999", b"1e999",
    b"nan", b"\x00", b"\xff", b"\r", b"\n", b" ", b"id=", b"text=", b"vec=f32:", b"AAAA", b"{", b"}", b"*", b"cursor=", b"2019-13-45", b"w.text=",
    b"with=report", b"\xc3\xa4", b"\xf0\x9f\x98\x80", b"exact=1", b"target=", b"deadline_ms=", b"0", b"#",
]


def mutated(data, spread, tokens):
    data = bytearray(data)
    for _ in range(spread.randint(1, 6)):
        place = spread.randrange(len(data) + 1)
        kind = spread.randrange(7)
        if kind == 0 and data:
            data[place % len(data)] = spread.randrange(256)
        elif kind == 1 and data:
            data[place % len(data)] ^= 1 << spread.randrange(8)
        elif kind == 2:
            data[place:place] = spread.choice(tokens)
        elif kind == 3:
            del data[place : place + spread.randint(1, 8)]
        elif kind == 4:
            end = min(len(data), place + spread.randint(1, 40))
            data[place:place] = data[place:end] * spread.randint(1, 4)
        elif kind == 5:
            data[place : place + 4] = struct.pack(spread.choice("<>") + "I", spread.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]))
        else:
            other = spread.randrange(len(data) + 1)
            low, high = min(place, other), max(place, other)
            data[low:high] = spread.choice(tokens)
    return bytes(data)


def talks(trial, daemon, make, batch=64):
    """Batches of made bytes on connections of their own, until the time is over; after each the daemon must still answer."""
    started, slowest = daemon.memory(), 0
    while trial.goes_on():
        parts = [make() for _ in range(batch)]
        began = time.monotonic()
        why = ""
        try:
            with daemon.client(30) as client:
                client.socket.sendall(b"\n".join(parts) + b"\n")
                client.socket.shutdown(1)
                while client.socket.recv(1 << 16):
                    pass
        except (Gone, OSError) as error:
            # A limit closes the connection while more is sent; that is as it should be.
            why = "a hang" if "timed out" in str(error) else ""
        took = time.monotonic() - began
        try:
            with daemon.client(30) as client:
                if client.status("PING") != "OK PONG":
                    why = "PING is not answered"
        except Gone as error:
            why = f"{error}"
        if not daemon.is_running():
            why = f"the daemon ended with {daemon.process.returncode}: {daemon.words()[-400:]}"
        slowest = max(slowest, took)
        for index in range(batch):
            trial.count(not why or index > 0, f"{why}; one of {[part[:200] for part in parts] if batch < 9 else parts[:3]}")
        if why:
            kept = trial.world.file("crash")
            with open(kept, "wb") as file:
                file.write(b"\n".join(parts) + b"\n")
            trial.note(f"the batch is kept in {kept}")
            return
    grown = (daemon.memory() - started) / MEBIBYTE
    trial.must(grown <= 128, f"memory grew by {grown:.1f} MiB in all, at most 128")
    trial.note(f"the slowest batch of {batch} took {slowest:.2f} s")


@row(15, "fuzzed requests, from outside", full=10**6, quick=20000, weight=1.5)
def fuzzed_requests(trial):
    world = trial.world
    archive = world.archive(cases=50)
    spread = trial.random
    with Daemon(world, archive) as daemon:
        talks(trial, daemon, lambda: mutated(spread.choice(SEEDS).encode(), spread, TOKENS))
        if daemon.is_running():
            trial.must(daemon.stop() == 0, "it ends with 0")
    sound, words = world.check(archive)
    trial.must(sound, "the archive is sound" if sound else words)


WORDS = ["view=PA", "n=1..5", "n=..3", "n=2..", "view!=PA", "view=PA,AP", "finding=effusion", "affirmed=mass,nodule", "date=2019..2020-05", "k=v"]


@row("16a", "fuzzed filters and questions", full=10**6, quick=10000, weight=1)
def fuzzed_filters(trial):
    world = trial.world
    archive = world.archive(cases=50)
    spread = trial.random

    def make():
        filters = " ".join(spread.choice(WORDS) for _ in range(spread.randint(1, 5)))
        words = json.dumps(mutated(b'left "pleural effusion" -mass no nod* any:cyst', spread, TOKENS).decode("latin-1"))
        start = spread.choice(["COUNT ", "FACET by=n ", f"SEARCH text={words} k=3 ", "SEARCH id=c1 k=3 ", f"EXPLAIN SEARCH text={words} "])
        return start.encode() + mutated(filters.encode(), spread, TOKENS).replace(b"\n", b" ").replace(b"bytes=", b"bytes")

    with Daemon(world, archive) as daemon:
        talks(trial, daemon, make)
        if daemon.is_running():
            trial.must(daemon.stop() == 0, "it ends with 0")


def repaired(data):
    """A PNG whose checksums are right again, so that damage reaches the decoder."""
    out, place = bytearray(data[:8]), 8
    while place + 12 <= len(data):
        length = struct.unpack(">I", data[place : place + 4])[0]
        if place + 12 + length > len(data):
            break
        body = data[place + 4 : place + 8 + length]
        out += data[place : place + 4] + body + struct.pack(">I", zlib.crc32(body))
        place += 12 + length
    return bytes(out) + data[place:]


@row("16b", "fuzzed images and DICOM files", full=10**5, quick=1500, weight=1)
def fuzzed_images(trial):
    world = trial.world
    archive = world.archive(cases=5)
    spread = trial.random
    kinds = ((1, 0, 0), (8, 0, 1), (16, 0, 0), (8, 2, 0), (16, 6, 1), (8, 4, 0))
    seeds = [images.png(16, 16, depth=depth, colour=colour, interlace=interlace) for depth, colour, interlace in kinds]
    seeds += world.images[:6]
    seeds += [dicom(spread) for _ in range(4)] + images.JPEGS * 2
    tokens = [
        b"IDAT", b"IEND", b"PLTE", b"tRNS", b"\0" * 4, b"\xff" * 4, b"DICM", b"\x7f\xe0", b"\x28\x00", b"OB", b"OW", b"SQ", b"UN",
        b"\xff\xd8\xff", b"\xff\xc0", b"\xff\xda", b"\xff\xc4",
    ]

    def make():
        data = mutated(spread.choice(seeds), spread, tokens)
        if data.startswith(images.SIGNATURE) and spread.random() < 0.7:
            data = repaired(data)
        return b"SEARCH k=1 bytes=%d\n" % len(data) + data

    with Daemon(world, archive) as daemon:
        talks(trial, daemon, make, batch=8)
        if daemon.is_running():
            trial.must(daemon.stop() == 0, "it ends with 0")


def dicom(spread):
    """A small DICOM file with pixels as they are."""

    def element(group, number, kind, value):
        value += b"\0" if kind in (b"UI", b"OB") else b" "
        value = value[: len(value) // 2 * 2]
        is_long = kind in (b"OB", b"OW", b"SQ", b"UN")
        length = b"\0\0" + struct.pack("<I", len(value)) if is_long else struct.pack("<H", len(value))
        return struct.pack("<HH", group, number) + kind + length + value

    def short(group, number, value):
        return struct.pack("<HH", group, number) + b"US" + struct.pack("<HH", 2, value)

    uid = b"1.2.840.10008.5.1.4.1.1.1"
    meta = element(2, 2, b"UI", uid) + element(2, 3, b"UI", b"1.2.3.4") + element(2, 16, b"UI", b"1.2.840.10008.1.2.1")
    meta = struct.pack("<HH", 2, 0) + b"UL" + struct.pack("<HI", 4, len(meta)) + meta
    side = 16
    body = element(8, 0x16, b"UI", uid) + element(8, 0x18, b"UI", b"1.2.3.4") + element(8, 0x60, b"CS", b"CR") + element(16, 32, b"LO", b"P1")
    body += short(0x28, 2, 1) + element(0x28, 4, b"CS", b"MONOCHROME2 ") + short(0x28, 16, side) + short(0x28, 17, side)
    body += short(0x28, 0x100, 16) + short(0x28, 0x101, 12) + short(0x28, 0x102, 11) + short(0x28, 0x103, 0)
    pixels = b"".join(struct.pack("<H", spread.randrange(4096)) for _ in range(side * side))
    return bytes(128) + b"DICM" + meta + body + struct.pack("<HH", 0x7FE0, 16) + b"OW\0\0" + struct.pack("<I", len(pixels)) + pixels


@row("16c", "fuzzed weights, manifests and tables", full=20000, quick=100, weight=1)
def fuzzed_files(trial):
    """Calls of the program on changed files: it refuses rows or files in words, and ends by no signal."""
    world = trial.world
    spread = trial.random
    archive = world.archive()
    with open(world.model + "/weights.safetensors", "rb") as file:
        weights = file.read()
    size = struct.unpack("<Q", weights[:8])[0]
    folder = world.file("model")
    os.makedirs(folder)
    for path in glob.glob(world.model + "/*"):
        if not path.endswith("weights.safetensors"):
            os.symlink(path, folder + "/" + os.path.basename(path))
    row = {"id": "m", "report": report(5), "image": "a.png", "patient": "p", "date": "2020-01-02", "findings": ["mass"], "side": "left"}
    tokens = [
        b"{", b"}", b"[", b"]", b'"', b":", b",", b"null", b"1e999", b"\\u0000", b"\xff", b"\n", b"data_offsets", b"F32", b"-1", b"9" * 30, b"../",
        b"/etc/passwd",
    ]
    slowest = 0
    while trial.goes_on():
        kind = spread.choice(["weights", "jsonl", "csv", "config"])
        if kind == "weights":
            changed = mutated(weights[8 : 8 + size], spread, tokens)
            length = len(changed) if spread.random() < 0.8 else spread.getrandbits(64)
            with open(folder + "/weights.safetensors", "wb") as file:
                file.write(struct.pack("<Q", length) + changed + weights[8 + size :])
            call = world.measured("model", "inspect", folder, "--json")
        elif kind == "config":
            other = world.file("model")
            os.makedirs(other)
            for path in glob.glob(world.model + "/*"):
                os.symlink(path, other + "/" + os.path.basename(path))
            for name in ("config.json", "vocab.txt"):
                with open(f"{world.model}/{name}", "rb") as file:
                    data = file.read()
                os.unlink(f"{other}/{name}")
                with open(f"{other}/{name}", "wb") as file:
                    file.write(mutated(data, spread, tokens) if spread.random() < 0.6 else data)
            call = world.measured("embed", "--model", other, "--text", "left effusion", "--out", world.file("v.npy"))
            world.forget(other)
        else:
            path = world.file("cases.jsonl" if kind == "jsonl" else "cases.csv")
            if kind == "jsonl":
                text = "\n".join(json.dumps({**row, "id": f"m{number}"}) for number in range(4))
            else:
                text = "id,report,patient,date\n" + "\n".join(f'm{number},"{report(number)}",p,2020-01-02' for number in range(4))
            with open(path, "wb") as file:
                file.write(mutated(text.encode(), spread, tokens))
            call = world.measured("index", archive, path, "--quiet", "--json", "--replace")
        used = call.seconds
        slowest = max(slowest, used)
        why = ""
        if call.was_signalled or call.status > 128:
            why = f"ended with {call.status}: {call.words()[-300:]}"
        elif call.status != 0 and not call.words().strip():
            why = "refused without a word"
        elif call.memory > 512 * MEBIBYTE:
            why = f"it held {call.memory / MEBIBYTE:.0f} MiB"
        trial.count(not why, f"{kind} (seed {trial.seed}, try {trial.tried}): {why}")
    sound, words = world.check(archive)
    trial.must(sound, "the archive is sound" if sound else words)
    trial.note(f"the slowest call took {slowest:.2f} s of processor time")
