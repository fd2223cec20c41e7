"""The line protocol of a Hilum daemon, from both ends: requests that a router reads, and sockets that it asks."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Dict, List, Optional, Protocol, Tuple

#: A line longer than this is refused, as the daemon refuses it.
LINE_LIMIT = 64 << 10
#: A picture that follows a line has at most so many octets.
LITERAL_LIMIT = 64 << 20
#: A reply of one daemon is at most so long.
REPLY_LIMIT = 32 << 20

_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*)(!?=)")


class Refused(Exception):
    """A request that gets an ERR line."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


class Unavailable(Exception):
    """A daemon that does not answer."""


@dataclass(frozen=True)
class Argument:
    """`key=value` or `key!=value`; a bare word has no key."""

    key: str
    value: str
    negated: bool = False

    def text(self) -> str:
        return f"{self.key}{'!=' if self.negated else '='}{quote(self.value)}" if self.key else quote(self.value)


@dataclass(frozen=True)
class Request:
    """One line, and the octets that follow it."""

    verb: str
    arguments: List[Argument]
    tag: Optional[str] = None
    literal: Optional[bytes] = None

    def values(self, key: str) -> List[str]:
        return [one.value for one in self.arguments if one.key == key and not one.negated]

    def value(self, key: str) -> Optional[str]:
        found = self.values(key)
        return found[0] if found else None

    def number(self, key: str, default: float) -> float:
        text = self.value(key)
        if text is None:
            return default
        try:
            return float(text)
        except ValueError:
            raise Refused("BADREQ", f"{key}= takes a number") from None

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        text = self.value(key)
        if text is None:
            return default
        if not text.isdigit() or not low <= int(text) <= high:
            raise Refused("BADREQ", f"{key}= takes a whole number from {low} to {high}")
        return int(text)

    def encoded(self) -> bytes:
        """As it is sent on, without its tag."""
        line = " ".join([self.verb] + [one.text() for one in self.arguments])
        if self.literal is None:
            return line.encode() + b"\n"
        return f"{line} bytes={len(self.literal)}\n".encode() + self.literal + b"\n"


def quote(text: str) -> str:
    """A value as it is, or as a JSON string where the grammar asks for one."""
    plain = bool(text) and all(33 <= ord(letter) < 127 and letter != '"' for letter in text)
    return text if plain else json.dumps(text, ensure_ascii=False)


def parse(line: str) -> Tuple[Request, Optional[int]]:
    """Reads a line; also how many octets follow it."""
    tag: Optional[str] = None
    if line.startswith("@"):
        tag, _, line = line[1:].partition(" ")
    words: List[Argument] = []
    place = 0
    decoder = json.JSONDecoder(strict=False)
    while place < len(line):
        if line[place] == " ":
            place += 1
            continue
        match = _KEY.match(line, place)
        key, negated = "", False
        if match:
            key, negated = match.group(1), match.group(2) == "!="
            place = match.end()
        if place < len(line) and line[place] == '"':
            try:
                value, place = decoder.raw_decode(line, place)
            except ValueError:
                raise Refused("BADREQ", "a string is not closed, or is no JSON string") from None
        else:
            end = line.find(" ", place)
            end = len(line) if end < 0 else end
            value, place = line[place:end], end
        words.append(Argument(key, str(value), negated))
    if not words or words[0].key or not words[0].value.isalpha():
        raise Refused("BADREQ", "a request begins with a verb")
    count: Optional[int] = None
    rest: List[Argument] = []
    for word in words[1:]:
        if word.key == "bytes" and not word.negated:
            if not word.value.isdigit():
                raise Refused("BADREQ", "bytes= takes a whole number")
            count = int(word.value)
        else:
            rest.append(word)
    return Request(words[0].value.upper(), rest, tag), count


@dataclass(frozen=True)
class Reply:
    """Lines of JSON and status of one reply."""

    lines: List[str]
    status: str

    @cached_property
    def objects(self) -> List[Dict[str, Any]]:
        """The lines, read. That takes longer than a shard takes to find them, so who needs a few of many reads these alone."""
        return [json.loads(line) for line in self.lines]

    @property
    def ok(self) -> bool:
        return self.status == "OK" or self.status.startswith("OK ")

    @property
    def fields(self) -> Dict[str, str]:
        pairs = (word.partition("=") for word in self.status.split(" ")[1:])
        return {key: value for key, sign, value in pairs if sign}

    def checked(self) -> "Reply":
        """Itself, or what the daemon refused."""
        if self.ok:
            return self
        _, _, rest = self.status.partition(" ")
        code, _, text = rest.partition(" ")
        raise Refused(code or "INTERNAL", text)

    @staticmethod
    def read(octets: bytes) -> "Reply":
        lines = octets.decode("utf-8", "replace").split("\n")
        lines = [line for line in lines if line]
        if not lines:
            raise Unavailable("an empty reply")
        return Reply(lines[:-1], lines[-1])


class Replica(Protocol):
    """What answers for a shard: a daemon by its socket, or a Ray actor that owns one."""

    async def ask(self, octets: bytes) -> bytes:
        """Sends one request and returns its whole reply. Unavailable, where nothing comes back."""


class Connection(asyncio.Protocol):
    """A connection to a daemon, with one request on it at a time. A reply is put together as its octets come, whatever its lines are."""

    def __init__(self) -> None:
        self.is_open = False
        #: Whether the daemon was silent for too long.
        self.is_late = False
        self._received = bytearray()
        self._waiting: "Optional[asyncio.Future[bytes]]" = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > REPLY_LIMIT:
            return self._end(Unavailable("a reply is too long"))
        if self._waiting is None or self._waiting.done() or not data.endswith(b"\n"):
            return
        # Objects begin with a brace, and the status line ends the reply.
        start = self._received.rfind(b"\n", 0, len(self._received) - 1) + 1
        if self._received[start:start + 1] != b"{":
            reply, self._received = bytes(self._received), bytearray()
            self._waiting.set_result(reply)

    def connection_lost(self, error: Optional[Exception]) -> None:
        self._end(Unavailable("the daemon ended the connection"))

    def _end(self, error: Unavailable) -> None:
        self.is_open = False
        self.transport.abort()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)

    def _give_up(self, timeout: float) -> None:
        self.is_late = True
        self._end(Unavailable(f"no answer within {timeout:g} s"))

    async def exchange(self, octets: bytes, timeout: float) -> bytes:
        """One request and its reply. After a failure, or when nobody waits any more, the connection is closed."""
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        end = loop.call_later(timeout, self._give_up, timeout)
        try:
            self.transport.write(octets)
            return await self._waiting
        except asyncio.CancelledError:
            # A reply that comes later would be taken for that of the next request.
            self._end(Unavailable("nobody waits"))
            raise
        finally:
            end.cancel()


class Daemon:
    """A daemon by its Unix socket; its connections are kept and used again. One event loop."""

    def __init__(self, path: str, timeout: float = 30.0) -> None:
        self.path = path
        self.timeout = timeout
        self._idle: List[Connection] = []

    async def ask(self, octets: bytes) -> bytes:
        # A connection that was kept may end as it is used, so a fresh one gets the request once more if it only reads.
        while self._idle:
            kept = self._idle.pop()
            if not kept.is_open:
                continue
            try:
                return await self._exchange(kept, octets)
            except Unavailable:
                if kept.is_late or octets[:3] in (b"PUT", b"DEL"):
                    raise
        try:
            _, fresh = await asyncio.wait_for(
                asyncio.get_running_loop().create_unix_connection(Connection, self.path), self.timeout)
        except (OSError, asyncio.TimeoutError) as error:
            raise Unavailable(f"{self.path}: {error}") from None
        return await self._exchange(fresh, octets)

    async def _exchange(self, connection: Connection, octets: bytes) -> bytes:
        try:
            reply = await connection.exchange(octets, self.timeout)
        except Unavailable as failure:
            raise Unavailable(f"{self.path}: {failure}") from None
        self._idle.append(connection)
        return reply
