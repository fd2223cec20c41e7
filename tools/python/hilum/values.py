"""What replies hold, as data classes. `raw` has the object as it came, with members that a later daemon may add."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple

from .wire import Reply, read_vector

if TYPE_CHECKING:
    from .wire import Vector


@dataclass(frozen=True)
class Leg:
    """How vectors, or words, ranked a hit."""

    rank: int
    #: The cosine, or BM25.
    score: float


@dataclass(frozen=True)
class Group:
    """What a hit stands for where `group` was asked for."""

    by: str
    value: str
    #: Further cases of the group that match.
    others: int


@dataclass(frozen=True)
class Hit:
    """A case found."""

    rank: int
    id: str
    #: The cosine, in [-1, 1]; between text and image stretched by a number of the model.
    score: float
    #: What was near: "image" or "report".
    via: str
    patient: Optional[str] = None
    view: Optional[str] = None
    date: Optional[str] = None
    site: Optional[str] = None
    modality: Optional[str] = None
    findings: Tuple[str, ...] = ()
    #: Which image of the case was near, from 1, where it has several; and its view.
    image: Optional[int] = None
    image_view: Optional[str] = None
    #: Orders the hits where words answer too.
    fused: Optional[float] = None
    vector: Optional[Leg] = None
    words: Optional[Leg] = None
    group: Optional[Group] = None
    report: Optional[str] = None
    path: Optional[str] = None
    #: By "image" and "report".
    vectors: "Mapping[str, Vector]" = field(default_factory=dict, compare=False)
    #: First byte and end of each place of the report (in UTF-8) that answers to the question.
    highlights: Tuple[Tuple[int, int], ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> "Hit":
        """The hit of an object of a SEARCH."""
        group = raw.get("group")
        return cls(
            rank=raw["rank"], id=raw["id"], score=raw["score"], via=raw["via"], **_fields(raw), image=raw.get("image"),
            image_view=raw.get("image_view"), fused=raw.get("fused"), vector=_leg(raw.get("vector")), words=_leg(raw.get("words")),
            group=Group(group["by"], group["value"], group["others"]) if group else None,
            report=raw.get("report"), path=raw.get("path"), vectors=_vectors(raw),
            highlights=tuple((first, end) for first, end in raw.get("highlights", ())), raw=raw)


@dataclass(frozen=True)
class SearchResult:
    """The hits of a search, best first, and how it went. Iterates over the hits."""

    hits: List[Hit]
    generation: int
    ef: int
    visited: int
    microseconds: int
    #: Fewer hits than asked for, because no more cases match the filter ("filter"), or are of other groups ("group"), or differ ("dedup").
    short: Optional[str] = None
    #: What `recall` reached by what the daemon has measured.
    recall: Optional[float] = None
    #: Asks for the next page; None where there is none or pages were not asked for.
    cursor: Optional[str] = None
    #: Words of the question that nothing in the archive knows.
    unknown: Tuple[str, ...] = ()
    status: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __iter__(self) -> Any:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, place: int) -> Hit:
        return self.hits[place]

    @classmethod
    def read(cls, reply: Reply, hits: Optional[List[Hit]] = None) -> "SearchResult":
        """The result of a reply to SEARCH."""
        status = reply.status
        cursor = status.get("cursor")
        return cls(
            hits=[Hit.read(raw) for raw in reply.objects] if hits is None else hits, generation=reply.number("gen"),
            ef=reply.number("ef"), visited=reply.number("visited"), microseconds=reply.number("us"), short=status.get("short"),
            recall=float(status["recall"]) if "recall" in status else None, cursor=None if cursor == "end" else cursor,
            unknown=tuple(status.get("unknown", "").split()), status=status)


@dataclass(frozen=True)
class Case:
    """A stored case."""

    id: str
    has_image: bool
    has_report: bool
    patient: Optional[str] = None
    view: Optional[str] = None
    date: Optional[str] = None
    site: Optional[str] = None
    modality: Optional[str] = None
    findings: Tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    report: Optional[str] = None
    path: Optional[str] = None
    vectors: "Mapping[str, Vector]" = field(default_factory=dict, compare=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, reply: Reply) -> "Case":
        """The case of a reply to GET."""
        raw = reply.objects[0]
        return cls(
            id=raw["id"], has_image=raw["has_image"], has_report=raw["has_report"], **_fields(raw), metadata=raw.get("metadata", {}),
            report=raw.get("report"), path=raw.get("path"), vectors=_vectors(raw), raw=raw)


@dataclass(frozen=True)
class Stored:
    """What became of a PUT; it is on disk."""

    id: str
    #: How many vectors the case has: of its image, of its report.
    vectors: int
    #: Whether the case was stored like this already.
    unchanged: bool
    #: What is odd about an image that was stored all the same.
    note: Optional[str]


@dataclass(frozen=True)
class Facet:
    """The values of a key, the most frequent first."""

    #: Each value with its number of cases.
    values: Dict[str, int]
    #: How many values there are, also those beyond `k`.
    distinct: int
    #: How many cases match.
    cases: int


@dataclass(frozen=True)
class Evidence:
    """Which patches of an image answer to a text or to one of its words."""

    #: The sum over all patches.
    evidence: float
    #: `rows` × `columns` of the explanation, row by row.
    heat: List[float]
    #: The hottest patch: row, column, and x, y, width, height in pixels of the image.
    hottest: Mapping[str, int]
    #: The word, its bytes in the text, and how much it weighs; None for the whole text.
    word: Optional[str] = None
    start: Optional[int] = None
    end: Optional[int] = None
    weight: Optional[float] = None

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> "Evidence":
        """The evidence of an object of EXPLAIN."""
        return cls(
            raw["evidence"], raw["heat"], raw["hottest"], raw.get("word"), raw.get("start"), raw.get("end"), raw.get("weight"))


@dataclass(frozen=True)
class Explanation:
    """Which patches answer to which words."""

    #: The cosine of image and text.
    score: float
    rows: int
    columns: int
    whole: Evidence
    words: List[Evidence]
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, reply: Reply) -> "Explanation":
        """The explanation of a reply to EXPLAIN."""
        first = reply.objects[0]
        return cls(
            first["score"], first["rows"], first["columns"], Evidence.read(first),
            [Evidence.read(raw) for raw in reply.objects[1:]], first)


@dataclass(frozen=True)
class Plan:
    """How a search is carried out: objects as the daemon writes them."""

    #: Mode, target, k, ef, how many cases match, and so on.
    plan: Mapping[str, Any]
    #: One a condition: key, negated, matching, selectivity, us.
    filters: List[Mapping[str, Any]]
    #: One a leg: leg, candidates, visited, rounds, us.
    legs: List[Mapping[str, Any]]
    #: Microseconds of each stage.
    stages: Dict[str, int]
    #: The status of the search; without hits.
    result: SearchResult

    @classmethod
    def read(cls, reply: Reply) -> "Plan":
        """The plan of a reply to EXPLAIN SEARCH."""

        def parts(name: str) -> List[Mapping[str, Any]]:
            return [raw for raw in reply.objects if raw.get("part") == name]

        return cls(
            parts("plan")[0], parts("filter"), parts("leg"), {raw["stage"]: raw["us"] for raw in parts("stage")},
            SearchResult.read(reply, []))


@dataclass(frozen=True)
class Hello:
    """The daemon and what it takes."""

    version: str
    proto: int
    model: str
    #: Of the vectors; 0 as long as no model was chosen.
    dim: int
    generation: int
    cases: int
    limits: Mapping[str, int]
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, reply: Reply) -> "Hello":
        """What a reply to HELLO says."""
        raw = reply.objects[0]
        return cls(
            raw["version"], raw["proto"], raw["model"], raw["dim"], raw["generation"], raw["cases"], raw.get("limits", {}), raw)


@dataclass(frozen=True)
class Reembedding:
    """Where a second generation of vectors stands."""

    state: str
    generation: int
    done: int
    total: int
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, reply: Reply) -> "Reembedding":
        """What a reply to REEMBED says."""
        raw = reply.objects[0] if reply.objects else {}
        return cls(reply.status["state"], reply.number("gen"), reply.number("done"), reply.number("total"), raw)


@dataclass(frozen=True)
class Changes:
    """What came to an archive between two positions."""

    #: New cases and those that changed, as the daemon gives them to a copy.
    cases: List[Dict[str, Any]]
    #: Numbers of cases that are gone.
    left: List[int]
    #: Whether there is more from `position` on.
    more: bool
    #: How many numbers of cases are missing then.
    behind: int
    #: Where a copy stands that has them.
    position: str

    @classmethod
    def read(cls, reply: Reply) -> "Changes":
        """What a reply to CHANGES says."""
        cases = [raw for raw in reply.objects if "left" not in raw]
        left = [number for raw in reply.objects for number in raw.get("left", [])]
        return cls(cases, left, reply.status["more"] == "1", reply.number("behind"), reply.status["position"])


@dataclass(frozen=True)
class Snapshot:
    """A copy of the archive that is on disk."""

    bytes: int
    sha256: str
    cases: int
    images: int
    #: Images that the archive names and that were not there.
    lost_images: int

    @classmethod
    def read(cls, reply: Reply) -> "Snapshot":
        """What a reply to SNAPSHOT says."""
        return cls(
            reply.number("bytes"), reply.status["sha256"], reply.number("cases"), reply.number("images"), reply.number("lost_images"))


def _leg(raw: Optional[Mapping[str, Any]]) -> Optional[Leg]:
    return Leg(raw["rank"], raw["score"]) if raw else None


def _fields(raw: Mapping[str, Any]) -> Dict[str, Any]:
    fields: Dict[str, Any] = {name: raw.get(name) for name in ("patient", "view", "date", "site", "modality")}
    fields["findings"] = tuple(raw.get("findings", ()))
    return fields


def _vectors(raw: Mapping[str, Any]) -> "Dict[str, Vector]":
    return {kind: read_vector(text) for kind, text in raw.get("vectors", {}).items()}
