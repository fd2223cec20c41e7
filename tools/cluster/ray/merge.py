"""Puts the hits of several archives in the order that one archive of all cases would give them.

A shard that was asked with `corpus=` returns every candidate of both legs, vectors and words, with exact numbers. Here the lists of all
shards become one list a leg, get their ranks, and are fused as HilumArchive/Query/Archive+HybridSearch.swift does it, in the same 32-bit
arithmetic. Equal scores go by id; one archive takes the older case first, which is the same where cases were stored in the order of ids.
"""

from __future__ import annotations

import json
import math
import re
import struct
from typing import Any, Dict, List, Optional, Sequence, Tuple

Hit = Dict[str, Any]
#: Of reciprocal rank fusion.
CONSTANT = 60.0


_single = struct.Struct("<f")
_id = re.compile(r'"id":"((?:[^"\\]|\\.)*)"')


def f32(value: float) -> float:
    """The nearest 32-bit float."""
    return _single.unpack(_single.pack(value))[0]


def share(depth: int, count: int) -> int:
    """How many of the best `depth` each of `count` shards is asked for. Cases are shared out by a hash of their ids, so that more than this
    of them lie in one shard in one question of a thousand at the most; `cut_short` notices when they do."""
    each = depth / count
    return min(depth, math.ceil(each + 4 * math.sqrt(each)) + 4)


def sketch(line: str) -> Hit:
    """What merging needs of a hit of a shard, without reading all of its line: its id, its exact numbers, and whether vectors found it.

    A quotation mark within a value is escaped, so that no value looks like these members.
    """
    name = _id.search(line)
    start = line.rfind('"exact":{')
    if name is None or start < 0:
        # Written by somebody else.
        return json.loads(line)
    id = name.group(1)
    return {
        "line": line,
        "id": json.loads(f'"{id}"') if "\\" in id else id,
        "exact": _numbers(line[start + len('"exact":{'):line.index("}", start)]),
        "vector": None if '"vector":null' in line else True,
    }


def _numbers(members: str) -> Dict[str, float]:
    """`"score":0.25,"degree":-4` as a dictionary."""
    pairs = (member.partition(":") for member in members.split(","))
    return {key[1:-1]: float(value) for key, _, value in pairs}


def _whole(hit: Hit) -> Hit:
    """All that a shard said of a hit."""
    return json.loads(hit["line"]) if "line" in hit else dict(hit)


def cut_short(shards: Sequence[Sequence[Hit]], depth: int, limit: int, has_words: bool) -> List[int]:
    """The shards all of whose `limit` candidates of a leg are among the best `depth` of all, so that they may have more of these."""
    if limit >= depth:
        return []
    found = set()
    for leg in ("score", "words") if has_words else ("score",):
        legs = [[(-hit["exact"][leg], hit["id"], place) for hit in hits
                 if leg in hit["exact"] and (leg == "words" or not has_words or hit["vector"] is not None)]
                for place, hits in enumerate(shards)]
        # Most have fewer than they were asked for.
        if all(len(one) < limit for one in legs):
            continue
        best = sorted(one for leg in legs for one in leg)[:depth]
        for place in range(len(shards)):
            if sum(one[2] == place for one in best) >= limit:
                found.add(place)
    return sorted(found)


def by_vectors(shards: Sequence[Sequence[Hit]], k: int, least: Optional[float] = None) -> List[Hit]:
    """The best hits of a question that vectors answer alone."""
    hits = [hit for shard in shards for hit in shard]
    hits.sort(key=_by_score)
    if least is not None:
        hits = [hit for hit in hits if hit["exact"]["score"] >= f32(least)]
    return _finished(hits[:k])


def by_both(
    shards: Sequence[Sequence[Hit]], k: int, depth: int, vector_weight: float, word_weight: float,
    least: Optional[float] = None,
) -> List[Hit]:
    """The best hits of a question that vectors and words answer together, or words alone. Each leg brings its best `depth`."""
    hits = [hit for shard in shards for hit in shard]
    vectors = [hit for hit in hits if hit.get("vector") is not None]
    vectors.sort(key=_by_score)
    words = [hit for hit in hits if "words" in hit["exact"]]
    words.sort(key=lambda hit: (-hit["exact"]["words"], hit["id"]))
    vector_ranks = {hit["id"]: place + 1 for place, hit in enumerate(vectors[:depth])}
    word_ranks: Dict[str, int] = {}
    rank, last = 0, None
    for place, hit in enumerate(words[:depth]):
        # Equal scores share a rank, so that vectors order reports that say the same.
        if hit["exact"]["words"] != last:
            rank, last = place + 1, hit["exact"]["words"]
        word_ranks[hit["id"]] = rank
    vector_weight, word_weight = f32(vector_weight), f32(word_weight)
    weights = f32(vector_weight + word_weight)
    ranked = []
    for hit in hits:
        by_vector, by_word = vector_ranks.get(hit["id"]), word_ranks.get(hit["id"])
        if by_vector is None and by_word is None:
            continue
        fused = 0.0
        stand_in = by_word if hit["exact"].get("alone") else None
        of_vectors = [one for one in (by_vector, stand_in) if one is not None]
        if of_vectors:
            fused = f32(vector_weight / (CONSTANT + min(of_vectors)))
        if by_word is not None:
            fused = f32(fused + f32(word_weight / (CONSTANT + by_word)))
        if degree := hit["exact"]["degree"]:
            fused = f32(fused + f32(f32(degree * weights) / CONSTANT))
        ranked.append((-fused, by_word if by_word is not None else 1 << 60, hit["id"], hit, by_vector))
    ranked.sort(key=lambda one: one[:3])
    chosen: List[Hit] = []
    for fused, by_word, _, hit, by_vector in ranked:
        if len(chosen) == k:
            break
        if least is not None and hit["exact"]["score"] < f32(least):
            continue
        hit = _whole(hit)
        hit["fused"] = round(-fused, 6)
        hit["vector"] = None if by_vector is None else {"rank": by_vector, "score": hit["score"]}
        hit["words"] = {"rank": by_word, "score": round(hit["exact"]["words"], 6)} if by_word < 1 << 60 else None
        chosen.append(hit)
    return _finished(chosen)


def _by_score(hit: Hit) -> Tuple[float, str]:
    return -hit["exact"]["score"], hit["id"]


def _finished(hits: Sequence[Hit]) -> List[Hit]:
    """With ranks, and without the numbers for merging."""
    finished = []
    for place, hit in enumerate(hits):
        hit = {key: value for key, value in _whole(hit).items() if key != "exact"}
        hit["rank"] = place + 1
        finished.append(hit)
    return finished
