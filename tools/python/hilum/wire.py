"""The bytes of the line protocol: how requests are written and replies are read. Nothing here touches a socket.

    request = [ "@" tag SP ] verb *( SP arg ) [ SP "bytes=" N ] LF [ N OCTET LF ]
    reply   = *( JSON object LF ) status LF            with a tag, each line begins with it
"""

from __future__ import annotations

import json
import re
import sys
from array import array
from base64 import b64decode, b64encode
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, Generic, List, Optional, Sequence, TypeVar, Union, cast

from .errors import HilumError, ProtocolError, refusal

try:
    import numpy as numpy
except ImportError:
    numpy = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    #: What comes back: an array of numpy where numpy is installed, else an `array.array` of floats.
    Vector = Union[NDArray[Any], "array[float]"]
    #: What may be sent: any sequence of numbers, or an array of numpy.
    VectorLike = Union[Sequence[float], "array[float]", ArrayLike]

T = TypeVar("T")

LINE_BYTES = 64 << 10
LITERAL_BYTES = 64 << 20
#: A daemon refuses to make a larger reply; more than this without an end is no daemon's.
REPLY_BYTES = 64 << 20
_KEY = re.compile(r"[a-z_][a-z0-9_.]*\Z")
# JSON allows these within a string; written as escapes no terminal or log can stumble over them.
_RARE = re.compile("[\x7f-\x9f\u2028\u2029]")
_decoder = json.JSONDecoder()


def quote(text: str) -> str:
    """`text` as a value that stands in one line whatever it holds: a JSON string.

    Raises ValueError for the two kinds of text that no request can hold: NUL, and half a surrogate pair.
    """
    if "\0" in text:
        raise ValueError("a value holds the character NUL, which Hilum refuses")
    quoted = _RARE.sub(lambda match: f"\\u{ord(match.group()):04x}", json.dumps(text, ensure_ascii=False))
    try:
        quoted.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a value holds half a surrogate pair, which is no character") from None
    return quoted


def key(name: str) -> str:
    """`name`, if it may stand before an equals sign."""
    if not _KEY.match(name):
        raise ValueError(f"{name!r} is no key: a-z or _ first, then a-z, 0-9, _ or a point")
    return name


def vector_text(vector: "VectorLike") -> str:
    """A vector as the protocol writes it: `f32:` and the little-endian floats in base64."""
    if numpy is not None and hasattr(vector, "__array__"):
        data = numpy.ascontiguousarray(vector, dtype="<f4")
        if data.ndim != 1:
            raise ValueError(f"a vector has one dimension, not {data.ndim}")
        octets = data.tobytes()
    else:
        values = array("f", cast(Any, vector))
        if sys.byteorder == "big":
            values.byteswap()
        octets = values.tobytes()
    return "f32:" + b64encode(octets).decode("ascii")


def read_vector(text: str) -> "Vector":
    """The vector of `f32:BASE64`."""
    if not text.startswith("f32:"):
        raise ProtocolError("PROTOCOL", "a vector does not begin with f32:")
    octets = b64decode(text[4:], validate=True)
    if numpy is not None:
        return numpy.frombuffer(octets, dtype="<f4").astype(numpy.float32)
    values = array("f")
    values.frombytes(octets)
    if sys.byteorder == "big":
        values.byteswap()
    return values


@dataclass
class Reply:
    """A whole reply: its objects, and what its status line says."""

    objects: List[Dict[str, Any]]
    #: `key=value` of the status line, as text.
    status: Dict[str, str]

    def number(self, name: str) -> int:
        """A whole number of the status line; 0 where it does not say."""
        return int(self.status.get(name, "0"))


@dataclass(frozen=True)
class Request(Generic[T]):
    """A request that can be sent alone or in a pipeline, and what becomes of its reply.

    The functions of `hilum.requests` make them.
    """

    line: str
    read: Callable[[Reply], T] = field(repr=False)
    #: Octets that follow the line.
    literal: Optional[bytes] = field(default=None, repr=False)
    #: Past so many milliseconds the daemon answers ERR DEADLINE; None: what the client says.
    deadline_ms: Optional[int] = None
    #: Whether it only reads, so that it may be sent again when a connection ends without an answer.
    is_reading: bool = True

    def encode(self, tag: str, deadline_ms: Optional[int] = None) -> bytes:
        """The bytes of the request.

        Raises HilumError with LIMIT for what the daemon would close the connection for.
        """
        line = f"@{tag} {self.line}"
        deadline = self.deadline_ms if self.deadline_ms is not None else deadline_ms
        if deadline is not None:
            line += f" deadline_ms={int(deadline)}"
        if self.literal is not None:
            if len(self.literal) > LITERAL_BYTES:
                raise HilumError("LIMIT", f"an image has at most {LITERAL_BYTES} bytes, this one has {len(self.literal)}")
            line += f" bytes={len(self.literal)}"
        octets = line.encode("utf-8")
        if b"\n" in octets or b"\r" in octets:
            raise ValueError("a request is one line; values are quoted with hilum.wire.quote")
        if len(octets) > LINE_BYTES:
            raise HilumError("LIMIT", f"a request's line has at most {LINE_BYTES} bytes, this one has {len(octets)}")
        return octets + b"\n" if self.literal is None else b"".join((octets, b"\n", self.literal, b"\n"))


class ReplyReader:
    """Cuts a stream of bytes into replies, however the bytes were chunked."""

    def __init__(self) -> None:
        self._rest: List[bytes] = []
        self._byte_count = 0
        self._objects: List[Dict[str, Any]] = []
        self._replies: Deque[tuple[Optional[str], Union[Reply, HilumError]]] = deque()

    def feed(self, octets: bytes) -> None:
        """Takes bytes as they came. Raises ProtocolError for what is no line of a reply."""
        self._byte_count += len(octets)
        if self._byte_count > REPLY_BYTES:
            raise ProtocolError("PROTOCOL", f"a reply has more than {REPLY_BYTES} bytes")
        head, separator, tail = octets.rpartition(b"\n")
        if not separator:
            self._rest.append(octets)
            return
        self._rest.append(head)
        whole = b"".join(self._rest)
        self._rest = [tail] if tail else []
        for line in whole.split(b"\n"):
            self._line(line)

    def next(self) -> "Optional[tuple[Optional[str], Union[Reply, HilumError]]]":
        """The tag of the next whole reply and what it says; None when more bytes are needed."""
        return self._replies.popleft() if self._replies else None

    @property
    def is_inside(self) -> bool:
        """Whether a reply was begun and is not complete."""
        return bool(self._rest or self._objects)

    def _line(self, octets: bytes) -> None:
        try:
            line = octets.decode("utf-8")
        except UnicodeDecodeError:
            raise ProtocolError("PROTOCOL", "a line of the reply is not UTF-8") from None
        tag: Optional[str] = None
        if line.startswith("@"):
            word, _, line = line.partition(" ")
            tag = word[1:]
        if line.startswith("{"):
            try:
                self._objects.append(json.loads(line))
            except ValueError:
                raise ProtocolError("PROTOCOL", "a line of the reply is no JSON object") from None
        elif line == "OK" or line.startswith("OK "):
            self._replies.append((tag, Reply(self._objects, read_status(line[3:]))))
            self._objects, self._byte_count = [], 0
        elif line.startswith("ERR "):
            code, _, text = line[4:].partition(" ")
            self._replies.append((tag, refusal(code, text)))
            self._objects, self._byte_count = [], 0
        else:
            raise ProtocolError("PROTOCOL", "a line of the reply is neither an object nor a status; is this a Hilum daemon?")


def read_status(text: str) -> Dict[str, str]:
    """The `key=value` of a status line; a word without a sign, such as PONG, stands under itself."""
    fields: Dict[str, str] = {}
    place = 0
    while place < len(text):
        if text[place] == " ":
            place += 1
            continue
        end = text.find(" ", place)
        end = len(text) if end < 0 else end
        name, sign, value = text[place:end].partition("=")
        if sign and value.startswith('"'):
            try:
                value, end = _decoder.raw_decode(text, place + len(name) + 1)
            except ValueError:
                raise ProtocolError("PROTOCOL", "a value of the status line is no JSON string") from None
        fields[name] = value if sign else name
        place = end
    return fields
