"""Answers the line protocol for an archive that lies in shards: asks one replica of each, and merges.

It knows nothing of Ray: a replica is whatever has `ask` (lines.Replica). serve.py gives it actors, the tests sockets.

    SEARCH  ─ EMBED at one shard, WORDS at all ─► sums ─► SEARCH corpus=… vec=… at one replica of each ─► merge ─► hits, shards=4/4
    GET, PUT, DELETE, EXPLAIN id=, PICTURE id= ─► the shard of the id, as `hilum embed --shard` cuts
    COUNT, FACET, STATS, HELLO ─► all shards, summed
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import math
import os
import socket
import struct
import time
import unicodedata
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

import merge
from lines import LINE_LIMIT, LITERAL_LIMIT, Argument, Refused, Replica, Reply, Request, Unavailable, parse, quote

#: Options of SEARCH that the router answers for; the rest goes to the shards as it is.
_OWN = frozenset("text id image vec unlike k self min_score w.text w.id w.image w.vec w.unlike w.vector w.words mode target".split())
#: What one hit a group, or hits unlike each other, would need of other shards is not sent.
_NOT_MERGED = ("group", "mmr", "dedup", "cursor", "corpus")
#: Options of SEARCH that are no conditions on cases.
_OPTIONS = _OWN | frozenset("ef recall exact with deadline_ms".split())


def home(id: str, count: int) -> int:
    """The shard of a case, from 0: the same cut as `hilum embed --shard i/n` makes."""
    return int.from_bytes(hashlib.sha256(unicodedata.normalize("NFC", id).encode()).digest()[:8], "big") % count


class Shard:
    """The replicas of one part of the cases. The first that is well takes the changes."""

    def __init__(self, replicas: Sequence[Replica], hedge: Optional[float] = None) -> None:
        self.replicas = list(replicas)
        #: After so many seconds without an answer another replica is asked too.
        self.hedge = hedge
        #: Whether replicas that were noted as down are asked all the same, where nobody looks after them.
        self.asks_down = True
        self._turn = 0
        self._down: Dict[int, float] = {}
        self.hedged = 0

    def note(self, place: int, is_well: bool) -> None:
        if is_well:
            self._down.pop(place, None)
        else:
            self._down[place] = time.monotonic()

    @property
    def is_up(self) -> bool:
        return len(self._down) < len(self.replicas)

    def _order(self, leader_first: bool) -> List[int]:
        """Those that are well, in turns; then the others, the longest unheard first."""
        self._turn += 0 if leader_first else 1
        places = list(range(len(self.replicas)))
        first = 0 if leader_first else self._turn % len(places)
        turned = places[first:] + places[:first]
        down = sorted(self._down, key=lambda one: self._down[one]) if self.asks_down else []
        return [one for one in turned if one not in self._down] + down

    async def read(self, octets: bytes, leader_first: bool = False) -> bytes:
        """The first answer of any replica. Unavailable, where none answers.

        A copy may lack what was stored just now, so who asks for one case asks the leader first.
        """
        waiting: "Dict[asyncio.Future[bytes], int]" = {}
        order = self._order(leader_first)
        failure: Exception = Unavailable("no replica of a shard answers")
        try:
            while order or waiting:
                if order:
                    place = order.pop(0)
                    waiting[asyncio.ensure_future(self.replicas[place].ask(octets))] = place
                patience = self.hedge if order else None
                done, _ = await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                if not done and order:
                    self.hedged += 1
                for task in done:
                    place = waiting.pop(task)
                    try:
                        answer = task.result()
                    except Unavailable as error:
                        failure = error
                        self.note(place, False)
                        continue
                    self.note(place, True)
                    return answer
        finally:
            for task in waiting:
                task.cancel()
        raise failure

    async def write(self, octets: bytes) -> bytes:
        """A change, at the leader. Never sent twice: after a failure it is not known whether it was carried out."""
        return await self.replicas[0].ask(octets)


def peer_uid(writer: asyncio.StreamWriter) -> int:
    """The user at the other end of a Unix socket."""
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", peer)[1])


class Router:
    """Answers requests for all shards. One event loop."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = list(shards)
        #: Why changes are refused for now; None while they are taken.
        self.frozen: Optional[str] = None
        #: Changes that a shard has not answered yet.
        self.changing = 0
        self.counts = {"requests": 0, "partial": 0, "failed": 0}
        #: Users who may change cases. To the daemons all that comes from here is of this process's user, so it is asked here.
        self.writers = {0, os.getuid()}

    # MARK: Serving

    async def serve(self, path: str) -> asyncio.AbstractServer:
        """Listens on a Unix socket."""
        return await asyncio.start_unix_server(self._client, path, limit=LINE_LIMIT + 2)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        may_write = peer_uid(writer) in self.writers
        try:
            while True:
                try:
                    line = await reader.readline()
                except ValueError:
                    writer.write(b"ERR LIMIT a line has at most 64 KiB\n")
                    break
                if not line:
                    break
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                if not text.strip() or text.startswith("#"):
                    continue
                reply, is_last = await self._line(text, reader, may_write)
                writer.write(reply)
                await writer.drain()
                if is_last:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _line(self, text: str, reader: asyncio.StreamReader, may_write: bool) -> Tuple[bytes, bool]:
        """The reply to one line, and whether the connection ends."""
        tag: Optional[str] = None
        self.counts["requests"] += 1
        try:
            request, count = parse(text)
            tag = request.tag
            if count is not None:
                if count > LITERAL_LIMIT:
                    return self._lines([], "ERR LIMIT bytes= is at most 64 MiB", tag), True
                literal = await reader.readexactly(count)
                if await reader.readexactly(1) != b"\n":
                    return self._lines([], "ERR BADREQ a line feed follows the octets", tag), True
                request = Request(request.verb, request.arguments, tag, literal)
            if request.verb in ("PUT", "DELETE") and not may_write:
                raise Refused("DENIED", "this user may search and not change; its uid is not among writer_uids of the router")
            if request.verb == "QUIT":
                return self._lines([], "OK BYE", tag), True
            objects, status = await self.answer(request)
            return self._lines(objects, status, tag), False
        except Refused as refusal:
            return self._lines([], f"ERR {refusal.code} {refusal.text}", tag), False
        except Unavailable as failure:
            self.counts["failed"] += 1
            return self._lines([], f"ERR NOTREADY {' '.join(str(failure).split())}", tag), False

    @staticmethod
    def _lines(objects: Sequence[Dict[str, Any]], status: str, tag: Optional[str]) -> bytes:
        head = f"@{tag} " if tag else ""
        rows = [head + json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in objects] + [head + status]
        return ("\n".join(rows) + "\n").encode()

    # MARK: Verbs

    async def answer(self, request: Request) -> Tuple[List[Dict[str, Any]], str]:
        """Objects and status line of a reply."""
        verb = request.verb
        if verb == "PING":
            up = sum(shard.is_up for shard in self.shards)
            return [], f"OK PONG shards={up}/{len(self.shards)}"
        if verb == "SEARCH":
            return await self._search(request)
        if verb in ("GET", "EXPLAIN", "PICTURE", "PUT", "DELETE"):
            return await self._one(request)
        if verb == "COUNT":
            replies, of = await self._all(request.encoded())
            return [], f"OK count={sum(int(one.fields['count']) for one in replies)} {of}"
        if verb == "FACET":
            return await self._facet(request)
        if verb == "HELLO":
            return await self._hello()
        if verb == "STATS":
            replies, of = await self._all(b"STATS\n")
            return [{"shards": [one.objects[0] for one in replies], "router": self.counts}], f"OK {of}"
        if verb == "METRICS":
            return self._metrics()
        if verb == "EMBED":
            reply = Reply.read(await self._any(request.encoded())).checked()
            return reply.objects, reply.status
        if verb == "WORDS":
            counts, of = await self._words(request.value("text") or "")
            return [counts], f"OK {of}"
        raise Refused("UNKNOWN", f"{verb} is no verb of a router; ask the daemon of each shard")

    async def _one(self, request: Request) -> Tuple[List[Dict[str, Any]], str]:
        """A request about one case."""
        id = request.value("id")
        is_change = request.verb in ("PUT", "DELETE")
        if id is None:
            if is_change or request.verb == "GET":
                raise Refused("BADREQ", f"{request.verb} needs id=")
            if request.arguments and request.arguments[0].value.upper() == "SEARCH":
                raise Refused("BADREQ", "a router has no plan of a search; ask the daemon of a shard")
            reply = Reply.read(await self._any(request.encoded()))
        elif is_change:
            if self.frozen:
                raise Refused("BUSY", self.frozen)
            self.changing += 1
            try:
                reply = Reply.read(await self.shards[home(id, len(self.shards))].write(request.encoded()))
            finally:
                self.changing -= 1
        else:
            first = home(id, len(self.shards))
            reply = Reply.read(await self.shards[first].read(request.encoded(), leader_first=True))
            if not reply.ok and reply.status.startswith("ERR NOTFOUND"):
                # An archive that hides ids shows pseudonyms, which say nothing of the shard.
                for place, shard in enumerate(self.shards):
                    if place != first and not reply.ok:
                        other = Reply.read(await shard.read(request.encoded(), leader_first=True))
                        reply = other if other.ok else reply
        reply.checked()
        return reply.objects, reply.status

    async def _facet(self, request: Request) -> Tuple[List[Dict[str, Any]], str]:
        k = request.whole("k", 100, 1, 1000)
        rest = [one for one in request.arguments if one.key != "k"]
        replies, of = await self._all(Request("FACET", rest + [Argument("k", "1000")]).encoded())
        counts: Dict[str, int] = {}
        for reply in replies:
            for one in reply.objects:
                counts[one["value"]] = counts.get(one["value"], 0) + one["count"]
        best = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        cut = any(int(reply.fields["distinct"]) > len(reply.objects) for reply in replies)
        cases = sum(int(reply.fields["cases"]) for reply in replies)
        status = f"OK distinct={len(counts)} cases={cases} {of}" + (" short=limit" if cut else "")
        return [{"value": value, "count": count} for value, count in best[:k]], status

    async def _hello(self) -> Tuple[List[Dict[str, Any]], str]:
        replies, of = await self._all(b"HELLO\n")
        hello = dict(replies[0].objects[0])
        hello["cases"] = sum(one.objects[0]["cases"] for one in replies)
        hello["keys"] = sorted({key for one in replies for key in one.objects[0]["keys"]})
        hello["shards"] = of[len("shards="):]
        return [hello], f"OK {of}"

    def _metrics(self) -> Tuple[List[Dict[str, Any]], str]:
        figures = [(f"hilum_router_{name}_total", "counter", value) for name, value in self.counts.items()]
        figures += [
            ("hilum_router_hedged_total", "counter", sum(shard.hedged for shard in self.shards)),
            ("hilum_router_shards", "gauge", len(self.shards)),
            ("hilum_router_shards_up", "gauge", sum(shard.is_up for shard in self.shards)),
        ]
        objects = [
            {"name": name, "type": kind, "text": f"# HELP {name} Of the router.\n# TYPE {name} {kind}\n{name} {value}\n"}
            for name, kind, value in figures
        ]
        return objects, f"OK families={len(objects)}"

    # MARK: Asking shards

    async def _answers(self, shards: Sequence[Shard], octets: bytes) -> List[Optional[Reply]]:
        """The reply of each, or None where it does not answer. Refused, as soon as one refuses."""
        answers = await asyncio.gather(*(shard.read(octets) for shard in shards), return_exceptions=True)
        replies: List[Optional[Reply]] = []
        for answer in answers:
            if isinstance(answer, bytes):
                replies.append(Reply.read(answer).checked())
            elif isinstance(answer, Unavailable):
                replies.append(None)
            else:
                raise answer
        return replies

    async def _all(self, octets: bytes) -> Tuple[List[Reply], str]:
        """The replies of all shards that answer, and how many those are. Refused, as soon as one refuses."""
        answers = await self._answers(list(self.shards), octets)
        replies = [reply for reply in answers if reply]
        if not replies:
            raise Unavailable("no shard answers; see whether their daemons run")
        if len(replies) < len(answers):
            self.counts["partial"] += 1
        return replies, f"shards={len(replies)}/{len(answers)}"

    async def _any(self, octets: bytes) -> bytes:
        """The reply of any shard, for what does not depend on cases."""
        failure = Unavailable("there is no shard")
        for shard in sorted(self.shards, key=lambda one: not one.is_up):
            try:
                return await shard.read(octets)
            except Unavailable as error:
                failure = error
        raise failure

    async def _words(self, text: str) -> Tuple[Dict[str, Any], str]:
        """The sum of what the words of a question come to."""
        replies, of = await self._all(f"WORDS text={quote(text)}\n".encode())
        objects = [reply.objects[0] for reply in replies]
        filled = [one for one in objects if one["reports"]] or objects[:1]
        unknown = [word for word in filled[0]["unknown"] if all(word in one["unknown"] for one in filled)]
        total = {
            "reports": sum(one["reports"] for one in objects),
            "length": sum(one["length"] for one in objects),
            "matches": [sum(counts) for counts in zip(*(one["matches"] for one in objects))],
            "unknown": unknown,
            "known": any(one["known"] for one in filled) or not any(one["reports"] for one in objects),
            "demands": objects[0]["demands"],
        }
        return total, of

    # MARK: SEARCH

    async def _search(self, request: Request) -> Tuple[List[Dict[str, Any]], str]:
        began = time.monotonic()
        for key in _NOT_MERGED:
            if request.value(key) is not None:
                raise Refused("BADREQ", f"a router does not merge {key}=; leave it out, or ask the daemon of one shard")
        k = request.whole("k", 10, 1, 1000)
        mode = request.value("mode")
        texts = request.values("text") if request.number("w.text", 1) > 0 else []
        asks_words = bool(texts) and mode != "vector"
        if mode in ("hybrid", "words") and not request.values("text"):
            raise Refused("BADREQ", f"mode={mode} asks the words of reports, so it needs text=")
        (vector, selves), known = await asyncio.gather(
            self._vector(request, mode), self._words(" ".join(texts)) if asks_words else _nothing())
        line: List[Argument] = []
        counts: Dict[str, Any] = {}
        if asks_words:
            counts, of = known
            is_text_alone = not any(request.values(key) for key in ("id", "image", "vec")) and request.literal is None
            if not counts["known"] and is_text_alone:
                return [], f"OK hits=0 gen=0 ef=0 visited=0 us={_us(began)} known=0{_unknown(counts)} {of}"
            line.append(Argument("text", " ".join(texts)))
            if mode:
                line.append(Argument("mode", mode))
        sums = [counts["reports"], counts["length"], *counts["matches"]] if asks_words else [0, 0]
        line.append(Argument("corpus", ",".join(map(str, sums))))
        if vector is not None:
            line.append(Argument("vec", vector))
        target = request.value("target")
        line += [Argument("target", target)] if target else []
        line += [one for one in request.arguments if one.key not in _OWN or one.negated]
        leaves = set(selves) if request.value("self") == "0" else set()
        # Its words would bring back a case that a question is to lead away from.
        if asks_words and request.number("w.unlike", 1) > 0:
            leaves |= set(request.values("unlike"))
        depth = max(200, 4 * k) if asks_words else k
        replies, shards, of = await self._candidates(line, leaves, depth, asks_words)
        least = request.number("min_score", -2) if request.value("min_score") else None
        if asks_words:
            weight = request.number("w.vector", 0.25 if counts["demands"] else 1)
            hits = merge.by_both(shards, k, depth, weight, request.number("w.words", 1), least)
        else:
            hits = merge.by_vectors(shards, k, least)
        visited = sum(int(reply.fields.get("visited", 0)) for reply in replies)
        status = (
            f"OK hits={len(hits)} gen={replies[0].fields.get('gen', 0)} ef={replies[0].fields.get('ef', 0)} "
            f"visited={visited} us={_us(began)}"
        )
        has_filter = any(one.negated or one.key not in _OPTIONS for one in request.arguments)
        if has_filter and len(hits) < k:
            status += " short=filter"
        return hits, status + (_unknown(counts) if asks_words else "") + " " + of

    async def _candidates(
        self, line: List[Argument], leaves: Set[str], depth: int, has_words: bool
    ) -> Tuple[List[Reply], List[List[Dict[str, Any]]], str]:
        """The replies of all shards, and their candidates; those of a shard that may have more of the best are asked for all."""
        most = depth + len(leaves)
        asked = list(self.shards)
        limit = merge.share(most, len(asked))

        def ask(count: int) -> bytes:
            return Request("SEARCH", line + [Argument("k", str(count))]).encoded()

        def candidates(reply: Optional[Reply]) -> List[Dict[str, Any]]:
            hits = [merge.sketch(line) for line in reply.lines] if reply else []
            return [hit for hit in hits if hit["id"] not in leaves] if leaves else hits

        replies = await self._answers(asked, ask(limit))
        found = [candidates(reply) for reply in replies]
        # Those that leave are counted: a shard may have lost as many of its candidates.
        short = merge.cut_short(found, depth, max(1, limit - len(leaves)), has_words)
        if short:
            more = await self._answers([asked[place] for place in short], ask(most))
            for place, reply in zip(short, more):
                if reply:
                    replies[place], found[place] = reply, candidates(reply)
        there = [reply for reply in replies if reply]
        if not there:
            raise Unavailable("no shard answers; see whether their daemons run")
        if len(there) < len(asked):
            self.counts["partial"] += 1
        return there, found, f"shards={len(there)}/{len(asked)}"

    async def _vector(self, request: Request, mode: Optional[str]) -> Tuple[Optional[str], List[str]]:
        """The question as the value of `vec=`, and the cases that it names. Each part is encoded once, by one shard."""
        parts: List[Tuple[float, str]] = []
        kinds = [key for key in ("text", "id", "image", "vec") if request.values(key)]
        kinds += ["image"] if request.literal is not None else []
        if not kinds:
            raise Refused("BADREQ", "SEARCH needs text=, id=, bytes= with an image, image= or vec=")
        if not any(request.number(f"w.{key}", 1) > 0 for key in kinds):
            raise Refused("BADREQ", "all weights are zero; give one of them a weight above")

        async def encode(line: Request, weight: float) -> None:
            try:
                reply = Reply.read(await self._any(line.encoded())).checked()
            except Refused as refusal:
                # An archive of imported vectors has words, though no model.
                if refusal.code == "NOTREADY" and mode == "words":
                    return
                raise
            parts.append((weight, reply.objects[0]["vector"]))

        for text in request.values("text"):
            if not text.strip():
                raise Refused("BADREQ", "text= is empty")
            await encode(Request("EMBED", [Argument("text", text)]), request.number("w.text", 1))
        selves = request.values("id")
        for id in selves:
            parts.append((request.number("w.id", 1), await self._stored(id, request.value("target"))))
        if request.literal is not None:
            await encode(Request("EMBED", [], literal=request.literal), request.number("w.image", 1))
        for path in request.values("image"):
            await encode(Request("EMBED", [Argument("image", path)]), request.number("w.image", 1))
        parts += [(request.number("w.vec", 1), text) for text in request.values("vec")]
        for id in request.values("unlike"):
            parts.append((-request.number("w.unlike", 1), await self._stored(id, request.value("target"))))
            selves = selves + [id]
        if not parts:
            return None, selves
        # A question of one part goes on as it came, bit by bit.
        return (parts[0][1] if len(parts) == 1 else _sum(parts)), selves

    async def _stored(self, id: str, target: Optional[str]) -> str:
        """The vector of a stored case, as a search by its id takes it."""
        objects, _ = await self._one(Request("GET", [Argument("id", id), Argument("with", "vector")]))
        vectors = objects[0].get("vectors", {})
        order = ("report", "image") if target == "report" else ("image", "report")
        found = next((vectors[kind] for kind in order if vectors.get(kind)), None)
        if found is None:
            raise Refused("BADREQ", "a case of the question has no vector, so nothing is near it")
        return found


async def _nothing() -> None:
    return None


def _us(began: float) -> int:
    return int((time.monotonic() - began) * 1e6)


def _unknown(counts: Dict[str, Any]) -> str:
    return f" unknown={quote(' '.join(counts['unknown']))}" if counts["unknown"] else ""


def _sum(parts: Sequence[Tuple[float, str]]) -> str:
    """The weighted sum of unit vectors."""
    total: List[float] = []
    for weight, text in parts:
        try:
            octets = base64.b64decode(text.removeprefix("f32:"), validate=True)
            vector = struct.unpack(f"<{len(octets) // 4}f", octets)
        except (ValueError, struct.error):
            raise Refused("BADVEC", "vec= takes f32: and then the little-endian floats in base64") from None
        length = math.sqrt(sum(value * value for value in vector))
        if not math.isfinite(length) or length == 0 or (total and len(total) != len(vector)):
            raise Refused("BADVEC", "a vector is not finite, has no direction or another dimension")
        total = total or [0.0] * len(vector)
        for place, value in enumerate(vector):
            total[place] += weight * value / length
    if not any(total):
        raise Refused("BADVEC", "the parts of the question cancel each other out; change the weights")
    return "f32:" + base64.b64encode(struct.pack(f"<{len(total)}f", *total)).decode()


