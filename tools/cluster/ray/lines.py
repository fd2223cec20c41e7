"""The line protocol of a Hilum daemon, from both ends: requests that a router reads, and sockets that it asks."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
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
    """Objects and status of one reply."""

    objects: List[Dict[str, Any]]
    status: str

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
        return Reply([json.loads(line) for line in lines[:-1]], lines[-1])


class Replica(Protocol):
    """What answers for a shard: a daemon by its socket, or a Ray actor that owns one."""

    async def ask(self, octets: bytes) -> bytes:
        """Sends one request and returns its whole reply. Unavailable, where nothing comes back."""


class Daemon:
    """A daemon by its Unix socket; its connections are kept and used again. One event loop."""

    def __init__(self, path: str, timeout: float = 30.0) -> None:
        self.path = path
        self.timeout = timeout
        self._idle: List[Tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, octets: bytes) -> bytes:
        # A connection that was kept may have ended meanwhile, so a fresh one gets the request once more if it only reads.
        while self._idle:
            kept = self._idle.pop()
            try:
                return await self._exchange(*kept, octets)
            except Unavailable:
                if octets[:3] in (b"PUT", b"DEL"):
                    raise
        try:
            fresh = await asyncio.wait_for(asyncio.open_unix_connection(self.path, limit=REPLY_LIMIT), self.timeout)
        except (OSError, asyncio.TimeoutError) as error:
            raise Unavailable(f"{self.path}: {error}") from None
        return await self._exchange(*fresh, octets)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, octets: bytes) -> bytes:
        is_whole = False
        try:
            writer.write(octets)
            reply = bytearray()
            end = asyncio.get_running_loop().time() + self.timeout
            while True:
                left = end - asyncio.get_running_loop().time()
                line = await asyncio.wait_for(reader.readline(), max(0.001, left))
                if not line.endswith(b"\n"):
                    raise Unavailable(f"{self.path}: the daemon ended the connection")
                reply += line
                if not line.startswith(b"{"):
                    is_whole = True
                    return bytes(reply)
        except (OSError, ValueError, asyncio.TimeoutError) as error:
            raise Unavailable(f"{self.path}: {error}") from None
        finally:
            if is_whole:
                self._idle.append((reader, writer))
            else:
                writer.close()
