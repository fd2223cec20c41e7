"""The client for asyncio."""

from __future__ import annotations

import asyncio
import functools
import os
from collections import deque
from typing import (
    TYPE_CHECKING, Any, AsyncIterator, Callable, Coroutine, Deque, Iterable, List, Optional, Type, TypeVar, Union, cast)

from . import requests
from .client import checked, read
from .errors import Closed, HilumError, ProtocolError, TimedOut, Unreachable, unreachable
from .values import Hit, SearchResult
from .wire import Reply, ReplyReader, Request

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")
_CHUNK = 256 << 10
#: What says that the connection is no longer of use, and not that a request was refused.
_ENDS = (Closed, TimedOut, ProtocolError, Unreachable)


def _method(make: "Callable[P, Request[T]]") -> "Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]":
    async def method(self: "AsyncClient", *arguments: Any, **options: Any) -> Any:
        return await self.send(make(*arguments, **options))

    return cast("Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]", functools.wraps(make)(method))


def _pages(make: "Callable[P, Request[SearchResult]]") -> "Callable[Concatenate[AsyncClient, P], AsyncIterator[SearchResult]]":
    async def pages(self: "AsyncClient", *arguments: Any, **options: Any) -> AsyncIterator[SearchResult]:
        ask: Any = make
        cursor: Optional[str] = options.pop("cursor", None) or "start"
        while cursor:
            page = await self.send(ask(*arguments, cursor=cursor, **options))
            yield page
            cursor = page.cursor

    described = functools.wraps(make)(pages)
    described.__doc__ = "The pages of a search, `k` hits each, until there are no more. Stale, when the archive changes meanwhile."
    return cast("Callable[Concatenate[AsyncClient, P], AsyncIterator[SearchResult]]", described)


def _hits(make: "Callable[P, Request[SearchResult]]") -> "Callable[Concatenate[AsyncClient, P], AsyncIterator[Hit]]":
    async def hits(self: "AsyncClient", *arguments: Any, **options: Any) -> AsyncIterator[Hit]:
        async for page in self.pages(*arguments, **options):
            for hit in page.hits:
                yield hit

    described = functools.wraps(make)(hits)
    described.__doc__ = "The hits of a search, asked for by pages of `k` as they are needed. Stale, when the archive changes meanwhile."
    return cast("Callable[Concatenate[AsyncClient, P], AsyncIterator[Hit]]", described)


class _Connection:
    """One connection: what was sent and is not answered yet, in order."""

    def __init__(self, path: str, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.path = path
        self.writer = writer
        self.waiting: "Deque[tuple[int, asyncio.Future[Reply]]]" = deque()
        self.is_open = True
        self.drains = asyncio.Lock()
        self.task = asyncio.ensure_future(self._receive(stream))

    def ask(self, number: int, octets: bytes) -> "asyncio.Future[Reply]":
        answer: "asyncio.Future[Reply]" = asyncio.get_running_loop().create_future()
        self.waiting.append((number, answer))
        self.writer.write(octets)
        return answer

    def close(self, error: Optional[HilumError] = None) -> None:
        self.is_open = False
        self.writer.close()
        if error is None:
            self.task.cancel()
            error = Closed("CLOSED", f"{self.path}: the client was closed")
        for _, answer in self.waiting:
            if not answer.done():
                answer.set_exception(error)
        self.waiting.clear()

    async def _receive(self, stream: asyncio.StreamReader) -> None:
        reader = ReplyReader()
        try:
            while octets := await stream.read(_CHUNK):
                reader.feed(octets)
                while item := reader.next():
                    if not self.waiting:
                        # Last words that no request asked for: it was quiet for too long.
                        if item[0] is None and isinstance(item[1], HilumError):
                            raise Closed("CLOSED", f"the daemon ended the connection: {item[1]}")
                        raise ProtocolError("PROTOCOL", "a reply came that nothing asked for")
                    answer = checked(item, self.waiting[0][0])
                    _, future = self.waiting.popleft()
                    # Done: given up by whoever waited for it.
                    if future.done():
                        continue
                    if isinstance(answer, HilumError):
                        future.set_exception(answer)
                    else:
                        future.set_result(answer)
            error: HilumError = Closed("CLOSED", f"{self.path}: the daemon closed the connection before it had answered")
        except HilumError as fault:
            error = fault
        except OSError as fault:
            error = Closed("CLOSED", f"{self.path}: {fault}")
        self.close(error)


class AsyncClient:
    """A connection to a daemon's Unix socket, for the tasks of one event loop.

    Tasks may ask at once: their requests share the connection without waiting for one another. It connects when it is first needed,
    and again after the connection has ended. `timeout` is how many seconds a reply may take (None: for ever), `deadline_ms` what the
    daemon is told of every request that says nothing else. A task that is cancelled gives up its reply and disturbs no other.
    """

    def __init__(
        self, path: "Union[str, os.PathLike[str]]", *, timeout: Optional[float] = 60.0, deadline_ms: Optional[int] = None
    ) -> None:
        self.path = os.fspath(path)
        self.timeout = timeout
        self.deadline_ms = deadline_ms
        self._connection: Optional[_Connection] = None
        self._connecting: "Optional[asyncio.Future[_Connection]]" = None
        self._sent = 0

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

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: "Optional[TracebackType]"
    ) -> None:
        await self.close()

    async def connect(self) -> "AsyncClient":
        """Connects, if there is no connection. Unreachable, if no daemon answers."""
        await self._open()
        return self

    async def close(self) -> None:
        """Ends the connection; the next request would make another one."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.close()
        try:
            await connection.writer.wait_closed()
        except OSError:
            pass

    async def send(self, request: Request[T]) -> T:
        """Sends a request and waits for its reply. A refusal is raised."""
        number = self._sent
        self._sent += 1
        octets = request.encode(str(number), self.deadline_ms)
        try:
            reply = await asyncio.wait_for(self._ask(request, number, octets), self.timeout)
        except asyncio.TimeoutError as error:
            if isinstance(error, HilumError):
                raise
            raise TimedOut("TIMEOUT", f"{self.path}: no reply came within {self.timeout:g} s") from None
        return read(request, reply)

    async def pipeline(self, batch: Iterable[Request[T]]) -> "List[Union[T, HilumError]]":
        """Sends requests without waiting in between, and returns what became of each, in order.

        A refusal is an element of the list, so that it takes no other answer along. Raised is what ends the connection.
        """
        answers = await asyncio.gather(*(self.send(request) for request in batch), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and (isinstance(answer, _ENDS) or not isinstance(answer, HilumError)):
                raise answer
        return answers  # type: ignore[return-value]

    async def _ask(self, request: Request[Any], number: int, octets: bytes) -> Reply:
        is_fresh = self._connection is None or not self._connection.is_open
        connection = await self._open()
        try:
            return await self._exchange(connection, number, octets)
        except Closed:
            # The daemon ends connections that are quiet for minutes: what only reads is sent again, once.
            if is_fresh or not request.is_reading or self._connection is None:
                raise
        return await self._exchange(await self._open(), number, octets)

    async def _exchange(self, connection: _Connection, number: int, octets: bytes) -> Reply:
        answer = connection.ask(number, octets)
        try:
            async with connection.drains:
                await connection.writer.drain()
        except OSError:
            # The daemon's last words, if there are any, say why.
            pass
        return await answer

    async def _open(self) -> _Connection:
        while self._connection is None or not self._connection.is_open:
            if self._connecting is None:
                self._connecting = asyncio.ensure_future(self._connect())
            try:
                # Shielded: it is for all tasks that wait for it.
                self._connection = await asyncio.shield(self._connecting)
            finally:
                if self._connecting is not None and self._connecting.done():
                    self._connecting = None
        return self._connection

    async def _connect(self) -> _Connection:
        try:
            stream, writer = await asyncio.open_unix_connection(self.path)
        except OSError as error:
            raise unreachable(self.path, error) from None
        return _Connection(self.path, stream, writer)
