"""The requests of the protocol, one function a verb. `Client` and `AsyncClient` have a method for each of them.

A request can also be sent as it is, alone (`client.send`) or with others (`client.pipeline`).
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from .values import (
    Case, Changes, Explanation, Facet, Hello, Plan, Reembedding, SearchResult, Snapshot, Stored)
from .wire import Reply, Request, key, numpy, quote, read_vector, vector_text

if TYPE_CHECKING:
    from .wire import Vector, VectorLike

Text = Union[str, Sequence[str]]
Scalar = Union[str, int, float, date]


@dataclass(frozen=True)
class Range:
    """A condition: from `low` to `high`, both included; None leaves an end open. A bound of a date covers its whole period."""

    low: Optional[Scalar] = None
    high: Optional[Scalar] = None


@dataclass(frozen=True)
class Not:
    """A condition: none of these."""

    value: "Union[Scalar, Range, Sequence[Union[Scalar, Range]]]"


Condition = Union[Scalar, Range, Not, Sequence[Union[Scalar, Range]]]
#: Conditions on cases, all of which must hold: `{"view": "PA", "finding": ["effusion", "nodule"], "date": Range("2019-01", None)}`.
#: Pairs in a list may name a key twice, once with `Not`.
Where = Union[Mapping[str, Condition], Iterable[Tuple[str, Condition]]]

_OPTIONS = frozenset(
    "text image vec unlike k ef recall exact target mode min_score self group mmr dedup cursor corpus with bytes "
    "deadline_ms".split())


def ping(*, deadline_ms: Optional[int] = None) -> Request[None]:
    """Whether the daemon is there."""
    return Request("PING", _nothing, deadline_ms=deadline_ms)


def hello(*, deadline_ms: Optional[int] = None) -> Request[Hello]:
    """Version, model, generation, number of cases and limits."""
    return Request("HELLO", Hello.read, deadline_ms=deadline_ms)


def help(verb: Optional[str] = None, *, deadline_ms: Optional[int] = None) -> Request[List[Dict[str, Any]]]:
    """The verbs, or what one of them takes."""
    if verb is not None and not verb.isalpha():
        raise ValueError("a verb has letters only")
    return Request("HELP" if verb is None else f"HELP {verb}", _objects, deadline_ms=deadline_ms)


def search(
    text: Optional[Text] = None, *, id: Optional[Text] = None, image: Optional[bytes] = None, image_path: Optional[Text] = None,
    vec: "Union[VectorLike, Sequence[VectorLike], None]" = None, unlike: Optional[Text] = None, where: Optional[Where] = None,
    k: Optional[int] = None, ef: Optional[int] = None, recall: Optional[float] = None, exact: bool = False,
    target: Optional[str] = None, mode: Optional[str] = None, weights: Optional[Mapping[str, float]] = None,
    min_score: Optional[float] = None, include_self: bool = True, group: Optional[str] = None, mmr: Optional[float] = None,
    dedup: Optional[float] = None, cursor: Optional[str] = None, corpus: Optional[Sequence[int]] = None, include: Text = (),
    deadline_ms: Optional[int] = None,
) -> Request[SearchResult]:
    """The cases nearest to a question, best first.

    The question is one or more of `text`, `id` (of stored cases), `image` (bytes of a PNG, JPEG or DICOM file), `image_path` (read
    by the daemon, below its roots) and `vec`, less what it is `unlike`. `weights` says how much parts count: `text`, `id`, `image`,
    `vec`, `unlike`, and `vector` and `words` for the two ways to answer a text. `include` is any of "report", "path", "vector" and
    "highlights". `cursor="start"` asks for pages; `Client.pages` and `Client.hits` do that. `corpus` holds the sums of what `words`
    answers, from all archives that are searched together: reports, length, then one count a word.
    """
    line = _search_line(
        text, id, image_path, vec, unlike, where, weights, cursor, k=k, ef=ef, recall=recall, exact=exact or None, target=target,
        mode=mode, min_score=min_score, self=None if include_self else False, group=group, mmr=mmr, dedup=dedup,
        corpus=None if corpus is None else ",".join(str(number) for number in corpus), include=include)
    return Request("SEARCH" + line, SearchResult.read, image, deadline_ms)


def explain_search(
    text: Optional[Text] = None, *, id: Optional[Text] = None, image: Optional[bytes] = None, image_path: Optional[Text] = None,
    vec: "Union[VectorLike, Sequence[VectorLike], None]" = None, unlike: Optional[Text] = None, where: Optional[Where] = None,
    k: Optional[int] = None, ef: Optional[int] = None, recall: Optional[float] = None, exact: bool = False,
    target: Optional[str] = None, mode: Optional[str] = None, weights: Optional[Mapping[str, float]] = None,
    min_score: Optional[float] = None, include_self: bool = True, group: Optional[str] = None, mmr: Optional[float] = None,
    dedup: Optional[float] = None, deadline_ms: Optional[int] = None,
) -> Request[Plan]:
    """How a search is carried out: what each condition leaves, what vectors and words bring, and where the time goes."""
    line = _search_line(
        text, id, image_path, vec, unlike, where, weights, None, k=k, ef=ef, recall=recall, exact=exact or None, target=target,
        mode=mode, min_score=min_score, self=None if include_self else False, group=group, mmr=mmr, dedup=dedup, include=())
    return Request("EXPLAIN SEARCH" + line, Plan.read, image, deadline_ms)


def put(
    id: str, *, image: Optional[bytes] = None, image_path: Optional[str] = None, report: Optional[str] = None,
    patient: Optional[str] = None, modality: Optional[str] = None, view: Optional[str] = None,
    date: Union[str, date, None] = None, site: Optional[str] = None, findings: Sequence[str] = (),
    metadata: Optional[Mapping[str, Scalar]] = None, deadline_ms: Optional[int] = None,
) -> Request[Stored]:
    """Stores or replaces a case; the reply comes when it is on disk. `metadata` are keys of your own."""
    line = _words("id", id) + _words("image", image_path) + _words("report", report)
    for name, value in (("patient", patient), ("modality", modality), ("view", view), ("date", date), ("site", site)):
        line += _words(name, None if value is None else _scalar(value))
    if not isinstance(findings, str) and any("," in finding for finding in findings):
        raise ValueError("a finding holds a comma, which separates findings")
    if findings:
        line += _words("findings", findings if isinstance(findings, str) else ",".join(findings))
    own = {"id", "image", "report", "patient", "modality", "view", "date", "site", "findings", "bytes", "deadline_ms"}
    for name, scalar in (metadata or {}).items():
        if name in own:
            raise ValueError(f"{name} is no key of one's own; put has an argument for it")
        line += _words(name, _scalar(scalar))
    return Request("PUT" + line, _stored, image, deadline_ms, is_reading=False)


def get(id: str, *, include: Text = (), deadline_ms: Optional[int] = None) -> Request[Case]:
    """A stored case; `include` is any of "report", "path" and "vector"."""
    return Request("GET" + _words("id", id) + _list("with", include), Case.read, deadline_ms=deadline_ms)


def delete(id: str, *, forget: bool = False, deadline_ms: Optional[int] = None) -> Request[None]:
    """Removes a case, and with `forget` what a deleted case leaves in the archive's tables. NotFound, if there is none."""
    line = "DELETE" + _words("id", id) + (" forget=1" if forget else "")
    return Request(line, _nothing, deadline_ms=deadline_ms, is_reading=False)


def count(where: Optional[Where] = None, *, deadline_ms: Optional[int] = None) -> Request[int]:
    """How many cases match."""
    return Request("COUNT" + _where(where, frozenset(("deadline_ms", "bytes"))), _count, deadline_ms=deadline_ms)


def facet(
    by: str, where: Optional[Where] = None, *, k: Optional[int] = None, deadline_ms: Optional[int] = None
) -> Request[Facet]:
    """The values of a key (also `finding`, `affirmed`, `denied`, `uncertain`), each with its number of cases."""
    line = _words("by", by) + _plain("k", k) + _where(where, frozenset(("by", "k", "deadline_ms", "bytes")))
    return Request("FACET" + line, _facet, deadline_ms=deadline_ms)


def explain(
    text: str, *, id: Optional[str] = None, place: Optional[int] = None, image: Optional[bytes] = None,
    image_path: Optional[str] = None, deadline_ms: Optional[int] = None,
) -> Request[Explanation]:
    """Which patches of an image (a case's, from 1, or one that is sent or named) answer to which words."""
    line = _words("id", id) + _plain("place", place) + _words("image", image_path) + _words("text", text)
    return Request("EXPLAIN" + line, Explanation.read, image, deadline_ms)


def picture(
    id: Optional[str] = None, *, place: Optional[int] = None, image: Optional[bytes] = None,
    image_path: Optional[str] = None, side: Optional[int] = None, deadline_ms: Optional[int] = None,
) -> Request[bytes]:
    """An image (a case's, from 1, or one that is sent or named) as an 8-bit PNG whose longer side has at most `side` pixels."""
    line = _words("id", id) + _plain("place", place) + _words("image", image_path) + _plain("side", side)
    return Request("PICTURE" + line, _picture, image, deadline_ms)


def stats(*, deadline_ms: Optional[int] = None) -> Request[Dict[str, Any]]:
    """The archive in figures, with the measured recall."""
    return Request("STATS", _object, deadline_ms=deadline_ms)


def metrics(*, deadline_ms: Optional[int] = None) -> Request[str]:
    """The figures as Prometheus reads them."""
    return Request("METRICS", _metrics, deadline_ms=deadline_ms)


def reembed(
    order: str = "status", *, model: Optional[str] = None, precision: Optional[str] = None, rate: Optional[float] = None,
    between: Optional[str] = None, partial: bool = False, deadline_ms: Optional[int] = None,
) -> Request[Reembedding]:
    """A second generation of vectors by another model: start, status, pause, resume, pace, switch, rollback, abort or drop."""
    if not order.isalpha():
        raise ValueError("an order is one word")
    line = f" {order}" + _words("model", model) + _words("precision", precision) + _plain("rate", rate)
    line += _words("between", between) + _plain("partial", partial or None)
    return Request("REEMBED" + line, Reembedding.read, deadline_ms=deadline_ms, is_reading=order.lower() == "status")


def snapshot(to: "Union[str, os.PathLike[str]]", *, deadline_ms: Optional[int] = None) -> Request[Snapshot]:
    """A consistent copy in a new folder of the daemon's machine, while it serves. `to` is absolute."""
    return Request("SNAPSHOT" + _words("to", os.fspath(to)), Snapshot.read, deadline_ms=deadline_ms, is_reading=False)


def embed(
    text: Optional[str] = None, *, image: Optional[bytes] = None, image_path: Optional[str] = None,
    deadline_ms: Optional[int] = None,
) -> "Request[Vector]":
    """The vector of a text or of an image, to be asked with by `vec=`."""
    return Request("EMBED" + _words("text", text) + _words("image", image_path), _vector, image, deadline_ms)


def words(text: str, *, deadline_ms: Optional[int] = None) -> Request[Dict[str, Any]]:
    """What the words of a question come to in this archive, for a search over several (`corpus=`)."""
    return Request("WORDS" + _words("text", text), _object, deadline_ms=deadline_ms)


def changes(since: Optional[str] = None, *, deadline_ms: Optional[int] = None) -> Request[Changes]:
    """What was stored, changed and removed since a position, for a copy that follows; without one, where the archive stands."""
    return Request("CHANGES" + _words("since", since), Changes.read, deadline_ms=deadline_ms)


def _search_line(
    text: Optional[Text], id: Optional[Text], image_path: Optional[Text], vec: Any, unlike: Optional[Text],
    where: Optional[Where], weights: Optional[Mapping[str, float]], cursor: Optional[str], *, include: Text, **options: Any,
) -> str:
    line = ""
    for name, words in (("text", text), ("id", id), ("image", image_path), ("unlike", unlike)):
        line += _words(name, words)
    for vector in _vectors(vec):
        line += f" vec={vector_text(vector)}"
    for part, weight in (weights or {}).items():
        if part not in ("text", "id", "image", "vec", "unlike", "vector", "words"):
            raise ValueError(f"there is no weight of {part!r}")
        line += _plain(f"w.{part}", float(weight))
    for name, value in options.items():
        line += _words(name, value) if isinstance(value, str) else _plain(name, value)
    # `id` is a question here, so it cannot be a condition as well.
    return line + _words("cursor", cursor) + _list("with", include) + _where(where, _OPTIONS | {"id"})


def _vectors(vec: Any) -> Sequence[Any]:
    """One vector or several, as a list of vectors."""
    if vec is None:
        return ()
    if numpy is not None and isinstance(vec, numpy.ndarray):
        return [vec] if vec.ndim == 1 else list(vec)
    values = list(vec)
    return [vec] if not values or isinstance(values[0], (int, float)) or not hasattr(values[0], "__len__") else values


def _words(name: str, value: Optional[Text]) -> str:
    """` name="value"`, once for each value."""
    if value is None:
        return ""
    return "".join(f" {key(name)}={quote(one)}" for one in ([value] if isinstance(value, str) else value))


def _plain(name: str, value: Union[bool, int, float, None]) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f" {name}={int(value)}"
    # float() and int() also take numbers of numpy, whose repr is none.
    return f" {name}={int(value)}" if isinstance(value, int) or float(value).is_integer() else f" {name}={float(value)!r}"


def _list(name: str, values: Text) -> str:
    words = [values] if isinstance(values, str) else list(values)
    return f" {name}={quote(','.join(words))}" if words else ""


def _scalar(value: Scalar) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        raise ValueError("a condition is a text, a number or a date, not True or False")
    return value.isoformat() if isinstance(value, date) else str(value)


def _where(where: Optional[Where], reserved: "frozenset[str]") -> str:
    line = ""
    pairs = where.items() if isinstance(where, Mapping) else (where or ())
    for name, condition in pairs:
        if name in reserved or name.startswith("w."):
            raise ValueError(f"{name} is an option of this request, so it is no condition")
        sign = "!=" if isinstance(condition, Not) else "="
        value = condition.value if isinstance(condition, Not) else condition
        alternatives = [value] if isinstance(value, (str, int, float, date, Range)) else list(value)
        if not alternatives:
            raise ValueError(f"{name}: a condition needs a value")
        line += f" {key(name)}{sign}{quote(','.join(_alternative(name, one) for one in alternatives))}"
    return line


def _alternative(name: str, value: Union[Scalar, Range]) -> str:
    if isinstance(value, Range):
        if value.low is None and value.high is None:
            raise ValueError(f"{name}: a range needs an end")
        ends = ["" if end is None else _bound(name, end) for end in (value.low, value.high)]
        return "..".join(ends)
    return _bound(name, value)


def _bound(name: str, value: Scalar) -> str:
    text = _scalar(value)
    if "," in text or ".." in text:
        raise ValueError(f"{name}: conditions cannot ask for a text with a comma or two points; use a list, or Range")
    return text


def _nothing(reply: Reply) -> None:
    return None


def _objects(reply: Reply) -> List[Dict[str, Any]]:
    return reply.objects


def _object(reply: Reply) -> Dict[str, Any]:
    return reply.objects[0]


def _count(reply: Reply) -> int:
    return reply.number("count")


def _facet(reply: Reply) -> Facet:
    return Facet({raw["value"]: raw["count"] for raw in reply.objects}, reply.number("distinct"), reply.number("cases"))


def _metrics(reply: Reply) -> str:
    return "".join(raw["text"] for raw in reply.objects)


def _picture(reply: Reply) -> bytes:
    return base64.b64decode(_object(reply)["png"])


def _vector(reply: Reply) -> "Vector":
    return read_vector(_object(reply)["vector"])


def _stored(reply: Reply) -> Stored:
    return Stored(reply.status["id"], reply.number("vectors"), reply.status.get("unchanged") == "1", reply.status.get("note"))
