"""An archive of N cases with 512 numbers a vector, made without an encoder of that width.

The common space of the built-in model is turned into more dimensions by a random matrix with orthonormal columns, so that with the own
directions of both kinds there are 512. That changes no cosine: the archive then finds what the built-in model finds, at the encoder's own
price.
Reports are drawn ones whose sentences are mixed, so that nearly every report is its own.
"""
import json, random, shutil, struct, subprocess
from pathlib import Path

import numpy

DIMENSION = 512
VIEWS = ["PA", "AP", "LATERAL"]
#: The keys whose value 0 has a half, a tenth and a hundredth of all cases.
SHARES = {"half": 2, "tenth": 10, "hundredth": 100}


def turn_model(source: Path, target: Path) -> None:
    """Writes the model in `source` with vectors of 512 numbers."""
    config = json.loads((source / "config.json").read_text())
    common = DIMENSION - sum(config.get("own", {}).values())
    octets = (source / "weights.safetensors").read_bytes()
    size = struct.unpack("<Q", octets[:8])[0]
    header = json.loads(octets[8:8 + size])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            kind = {"F16": "<f2", "F32": "<f4"}[entry["dtype"]]
            first, end = (8 + size + offset for offset in entry["data_offsets"])
            tensors[name] = numpy.frombuffer(octets[first:end], kind).reshape(entry["shape"]).astype("f4")
    old = len(tensors["report.map.fc2.bias"])
    turn = numpy.linalg.qr(numpy.random.default_rng(1).standard_normal((common, old)))[0].astype("f4")
    for name, tensor in tensors.items():
        if name.endswith(("map.fc2.weight", "map.fc2.bias", "pool.query", "shortcut.bias", "words.mean")):
            tensors[name] = turn @ tensor
        elif name == "image.shortcut.weight":
            tensors[name] = numpy.einsum("de,ceh->cdh", turn, tensor)
        elif name == "report.words.weight":
            tensors[name] = tensor @ turn.T
    # The scores of the pool are divided by the root of the width.
    for name in ("image.pool.query", "report.pool.query"):
        tensors[name] *= (common / old) ** 0.5
    target.mkdir(parents=True, exist_ok=True)
    offset, entries, parts = 0, {"__metadata__": header.get("__metadata__", {})}, []
    for name in sorted(tensors):
        part = numpy.ascontiguousarray(tensors[name], "<f4").tobytes()
        entries[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [offset, offset + len(part)]}
        offset += len(part)
        parts.append(part)
    head = json.dumps(entries).encode()
    head += b" " * (-len(head) % 8)
    (target / "weights.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + b"".join(parts))
    (target / "config.json").write_text(json.dumps({**config, "dimension": common}))
    shutil.copy(source / "vocab.txt", target / "vocab.txt")


class Reports:
    """Reports without end, the same for the same seed."""

    def __init__(self, folder: Path):
        texts = [path.read_text() for path in sorted(folder.glob("*.txt"))]
        self.sentences = sorted({part.strip() for text in texts for line in text.splitlines() for part in line.split(". ") if len(part) > 12})

    def draw(self, number: int) -> str:
        generator = random.Random(number)
        return " ".join(sentence.rstrip(".") + "." for sentence in generator.sample(self.sentences, generator.randint(3, 6)))

def case(reports: Reports, number: int) -> dict:
    """The row of a case."""
    generator = random.Random(number)
    row = {"id": f"c{number:07}", "report": reports.draw(number), "patient": f"p{number // 3}", "view": generator.choice(VIEWS),
           "date": f"20{generator.randrange(10, 25)}-{generator.randrange(1, 13):02}-{generator.randrange(1, 29):02}"}
    return {**row, **{key: str(value) for key, value in shares(number).items()}}


def shares(number: int) -> dict:
    """The values of the keys of `SHARES`."""
    shuffled = random.Random(-number - 1).randrange(1 << 30)
    return {key: shuffled % share for key, share in SHARES.items()}


def make_archive(program: Path, work: Path, count: int) -> tuple[Path, Reports]:
    """The archive of `count` cases, made unless it is there."""
    drawn = work / "drawn"
    if not (drawn / "cases.jsonl").exists():
        subprocess.run([program, "phantom", drawn, "--count", "400", "--seed", "11", "--side", "64", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    reports = Reports(drawn / "reports")
    archive = work / f"archive-{count}"
    done = work / f"archive-{count}.done"
    if done.exists():
        return archive, reports
    shutil.rmtree(archive, ignore_errors=True)
    model = work / "model"
    if not (model / "vocab.txt").exists():
        inspected = json.loads(subprocess.run([program, "model", "inspect", "builtin", "--json"], check=True, capture_output=True).stdout)
        turn_model(Path(inspected["folder"]), model)
    rows = work / f"rows-{count}"
    rows.mkdir(exist_ok=True)
    with open(rows / "cases.jsonl", "w") as file:
        for number in range(count):
            file.write(json.dumps(case(reports, number)) + "\n")
    subprocess.run([program, "init", archive, "--model", model], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([program, "index", archive, rows / "cases.jsonl"], check=True, stdout=subprocess.DEVNULL)
    done.touch()
    return archive, reports
