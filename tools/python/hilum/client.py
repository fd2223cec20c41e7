"""The synchronous client."""

from __future__ import annotations

import functools
import os
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, List, Optional, Type, TypeVar, Union, cast

from . import requests
from .errors import Busy, Closed, HilumError, ProtocolError, TimedOut, unreachable
from .values import Hit, SearchResult
from .wire import Reply, ReplyReader, Request

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")
_CHUNK = 256 << 10


def _method(make: "Callable[P, Request[T]]") -> "Callable[Concatenate[Client, P], T]":
    """A method that sends what `make` makes, with its signature and text."""

    def method(self: "Client", *arguments: Any, **options: Any) -> Any:
        return self.send(make(*arguments, **options))

    return cast("Callable[Concatenate[Client, P], T]", functools.wraps(make)(method))


def _pages(make: "Callable[P, Request[SearchResult]]") -> "Callable[Concatenate[Client, P], Iterator[SearchResult]]":
    def pages(self: "Client", *arguments: Any, **options: Any) -> Iterator[SearchResult]:
        ask: Any = make
        cursor: Optional[str] = options.pop("cursor", None) or "start"
        while cursor:
            page = self.send(ask(*arguments, cursor=cursor, **options))
            yield page
            cursor = page.cursor

    described = functools.wraps(make)(pages)
    described.__doc__ = "The pages of a search, `k` hits each, until there are no more. Stale, when the archive changes meanwhile."
    return cast("Callable[Concatenate[Client, P], Iterator[SearchResult]]", described)


def _hits(make: "Callable[P, Request[SearchResult]]") -> "Callable[Concatenate[Client, P], Iterator[Hit]]":
    def hits(self: "Client", *arguments: Any, **options: Any) -> Iterator[Hit]:
        for page in self.pages(*arguments, **options):
            yield from page.hits

    described = functools.wraps(make)(hits)
    described.__doc__ = "The hits of a search, asked for by pages of `k` as they are needed. Stale, when the archive changes meanwhile."
    return cast("Callable[Concatenate[Client, P], Iterator[Hit]]", described)


class Client:
    """A connection to a daemon's Unix socket.

    Any thread may use it; requests of several threads take turns. It connects when it is first needed, and again after the
    connection has ended. `timeout` is how many seconds a reply may take (None: for ever), `deadline_ms` what the daemon is told of
    every request that says nothing else.
    """

    def __init__(
        self, path: "Union[str, os.PathLike[str]]", *, timeout: Optional[float] = 60.0, deadline_ms: Optional[int] = None
    ) -> None:
        self.path = os.fspath(path)
        self.timeout = timeout
        self.deadline_ms = deadline_ms
        self._socket: Optional[socket.socket] = None
        self._reader = ReplyReader()
        self._sent = 0
        self._lock = threading.Lock()

    ping = _method(requests.ping)
    hello = _method(requests.hello)
    help = _method(requests.help)
    search = _method(requests.search)
    explain_search = _method(requests.explain_search)
    put = _method(requests.put)
    get = _method(requests.get)
    delete = _method(requests.delete)
    count = _method(requests.count)
    facet = _method(requests.facet)
    explain = _method(requests.explain)
    picture = _method(requests.picture)
    stats = _method(requests.stats)
    metrics = _method(requests.metrics)
    reembed = _method(requests.reembed)
    snapshot = _method(requests.snapshot)
    embed = _method(requests.embed)
    words = _method(requests.words)
    changes = _method(requests.changes)
    pages = _pages(requests.search)
    hits = _hits(requests.search)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: "Optional[TracebackType]"
    ) -> None:
        self.close()

    def connect(self) -> "Client":
        """Connects, if there is no connection. Unreachable, if no daemon answers."""
        with self._lock:
            self._connect()
        return self

    def close(self) -> None:
        """Ends the connection; the next request would make another one."""
        with self._lock:
            self._close()

    def send(self, request: Request[T]) -> T:
        """Sends a request and waits for its reply. A refusal is raised."""
        answer = self.pipeline([request])[0]
        if isinstance(answer, HilumError):
            raise answer
        return answer

    def pipeline(self, batch: Iterable[Request[T]]) -> "List[Union[T, HilumError]]":
        """Sends requests without waiting in between, and returns what became of each, in order.

        A refusal is an element of the list, so that it takes no other answer along. Raised is what ends the connection.
        """
        batch = list(batch)
        with self._lock:
            first = self._sent
            octets = b"".join(request.encode(str(first + place), self.deadline_ms) for place, request in enumerate(batch))
            self._sent += len(batch)
            while True:
                is_fresh = self._socket is None
                self._connect()
                answers: "List[Union[Reply, HilumError]]" = []
                try:
                    self._exchange(octets, first, len(batch), answers)
                    break
                except Closed:
                    self._close()
                    # The daemon ends connections that are quiet for minutes: what only reads is sent again, once.
                    if is_fresh or answers or not all(request.is_reading for request in batch):
                        raise
                except BaseException:
                    # Replies to what was sent would be taken for replies to what comes next.
                    self._close()
                    raise
        return [answer if isinstance(answer, HilumError) else read(request, answer) for request, answer in zip(batch, answers)]

    def _connect(self) -> None:
        if self._socket is not None:
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            if not poll.poll(0):
                return
            # Nothing was asked: this is the end of the connection, which was quiet for too long.
            self._close()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self.timeout)
            connection.connect(self.path)
            connection.setblocking(False)
        except OSError as error:
            connection.close()
            raise unreachable(self.path, error) from None
        self._socket = connection
        self._reader = ReplyReader()

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, octets: bytes, first: int, count: int, answers: "List[Union[Reply, HilumError]]") -> None:
        """Sends all requests and reads all replies, both at once: a daemon may wait until its replies are read."""
        connection = self._socket
        assert connection is not None
        rest = memoryview(octets)
        poll = select.poll()
        poll.register(connection, select.POLLIN | select.POLLOUT)
        is_sending = True
        start = time.monotonic()
        while len(answers) < count:
            if is_sending and not rest:
                is_sending = False
                poll.modify(connection, select.POLLIN)
            events = self._wait(poll, start, count, len(answers))
            if is_sending and events & select.POLLOUT:
                try:
                    rest = rest[connection.send(rest):]
                except BlockingIOError:
                    pass
                except (BrokenPipeError, ConnectionResetError):
                    # Its last words, if there are any, say why.
                    rest = rest[len(rest):]
            if events & ~select.POLLOUT:
                self._receive(connection)
                while len(answers) < count and (item := self._reader.next()):
                    answers.append(checked(item, first + len(answers)))
                    start = time.monotonic()

    def _wait(self, poll: "select.poll", start: float, asked: int, answered: int) -> int:
        left = None if self.timeout is None else max(0.0, start + self.timeout - time.monotonic()) * 1000
        ready = poll.poll(left)
        if not ready:
            raise TimedOut("TIMEOUT", f"{self.path}: {answered} of {asked} replies came within {self.timeout:g} s")
        return ready[0][1]

    def _receive(self, connection: socket.socket) -> None:
        try:
            octets = connection.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except ConnectionResetError:
            octets = b""
        if not octets:
            raise Closed("CLOSED", f"{self.path}: the daemon closed the connection before it had answered")
        self._reader.feed(octets)


def checked(item: "tuple[Optional[str], Union[Reply, HilumError]]", number: int) -> "Union[Reply, HilumError]":
    """The answer, if it is that to the request of this number."""
    tag, answer = item
    if tag == str(number):
        return answer
    # What concerns the connection and no request has no tag: too many clients, no request for minutes.
    if tag is None and isinstance(answer, Busy):
        raise answer
    if tag is None and isinstance(answer, HilumError):
        raise Closed("CLOSED", f"the daemon ended the connection: {answer}") from answer
    raise ProtocolError("PROTOCOL", "a reply has the tag of another request")


def read(request: Request[T], reply: Reply) -> T:
    try:
        return request.read(reply)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ProtocolError("PROTOCOL", f"the reply lacks what one to {request.line.split(' ')[0]} has: {error!r}") from error
