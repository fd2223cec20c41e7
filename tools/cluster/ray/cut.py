"""Cuts the vectors of an archive into parts, by the ids of cases, and joins parts of several archives into one.

Files are those of `hilum export --with fields,report`: images.npy and reports.npy, float32 in C order, and a JSON line a row; and
without-vectors.jsonl, lines of cases that no vector stands for. A part keeps its rows and lines, and the model comes along. Joined rows
stand in the order of ids, so that equal scores go by id in every shard.
"""

from __future__ import annotations

import ast
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any, Dict, List, Tuple

from router import home

KINDS = ("images", "reports")
BARE = "without-vectors.jsonl"


@dataclass
class CutPart:
    """Rows that belong to one new shard: by kind, the line and the octets of each; and the files of the model."""

    columns: int = 0
    rows: Dict[str, List[Tuple[str, bytes]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    #: Lines of cases without a vector.
    bare: List[str] = field(default_factory=list)
    model: Dict[str, bytes] = field(default_factory=dict)


def cut(folder: str, archive: str, count: int, generation: int) -> List[CutPart]:
    """The rows of an exported folder, by the shard of their case among `count`; with the model of the generation that is searched."""
    model = _model(archive, generation)
    parts = [CutPart(model=model) for _ in range(count)]
    for kind in KINDS:
        with open(f"{folder}/{kind}.npy", "rb") as vectors, open(f"{folder}/{kind}.jsonl", encoding="utf-8") as lines:
            rows, columns = _header(vectors)
            for _ in range(rows):
                line = _line(lines.readline())
                part = parts[home(line["id"], count)]
                part.columns = columns
                part.rows[kind].append((json.dumps(line, ensure_ascii=False), vectors.read(4 * columns)))
    if os.path.exists(f"{folder}/{BARE}"):
        with open(f"{folder}/{BARE}", encoding="utf-8") as lines:
            for text in lines:
                line = _line(text)
                parts[home(line["id"], count)].bare.append(json.dumps(line, ensure_ascii=False))
    return parts


def _line(text: str) -> Dict[str, Any]:
    line = json.loads(text)
    # It seals these files, of which each part is another.
    line.pop("seal", None)
    return line


def write_joined(parts: List[CutPart], folder: str) -> str:
    """Writes parts as FOLDER/rows for `hilum import`; the folder of the model."""
    os.makedirs(folder + "/rows")
    os.makedirs(folder + "/model")
    for name, octets in parts[0].model.items():
        with open(f"{folder}/model/{name}", "wb") as file:
            file.write(octets)
    columns = max(part.columns for part in parts)
    bare = [json.loads(line) for part in parts for line in part.bare]
    ids = sorted({json.loads(line)["id"] for part in parts for rows in part.rows.values() for line, _ in rows}
                 | {line["id"] for line in bare})
    order = {id: place for place, id in enumerate(ids)}
    for kind in KINDS:
        rows = [(json.loads(line), octets) for part in parts for line, octets in part.rows[kind]]
        rows.sort(key=lambda row: (row[0]["id"], row[0].get("image", 0)))
        if not rows:
            continue
        with open(f"{folder}/rows/{kind}.npy", "wb") as vectors:
            vectors.write(_head(len(rows), columns))
            for _, octets in rows:
                vectors.write(octets)
        with open(f"{folder}/rows/{kind}.jsonl", "w", encoding="utf-8") as lines:
            for place, (line, _) in enumerate(rows):
                line["row"], line["case"] = place, order[line["id"]]
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
    if bare:
        with open(f"{folder}/rows/{BARE}", "w", encoding="utf-8") as lines:
            for line in bare:
                line["case"] = order[line["id"]]
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
    return folder + "/model"


def _model(archive: str, generation: int) -> Dict[str, bytes]:
    """The files of the model of a generation. The newest folder may be of one that is not searched: not yet, or not any more."""
    newest = "model" if generation == 1 else f"model.{generation}"
    files: Dict[str, bytes] = {}
    for name in sorted(os.listdir(f"{archive}/{newest}")):
        with open(f"{archive}/{newest}/{name}", "rb") as file:
            files[name] = file.read()
    return files


def _header(file: "object") -> Tuple[int, int]:
    """Rows and columns of a .npy file of float32, whose octets come next."""
    read = file.read  # type: ignore[attr-defined]
    if read(6) != b"\x93NUMPY":
        raise ValueError("no .npy file")
    major, _ = read(2)
    (length,) = struct.unpack("<H" if major == 1 else "<I", read(2 if major == 1 else 4))
    head = ast.literal_eval(read(length).decode("latin-1"))
    if head["descr"] != "<f4" or head["fortran_order"] or len(head["shape"]) != 2:
        raise ValueError("not float32 in C order")
    return head["shape"]


def _head(rows: int, columns: int) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}"
    text += " " * (-(10 + len(text) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()
