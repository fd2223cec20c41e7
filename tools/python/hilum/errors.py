"""What can go wrong, as exceptions that carry a `code`."""

from __future__ import annotations

from typing import Optional


class HilumError(Exception):
    """A request that was not carried out.

    `code` is that of the protocol (BADREQ, UNKNOWN, NOTFOUND, EXISTS, BADIMAGE, BADVEC, NOTREADY, READONLY, DENIED, LIMIT, BUSY,
    DEADLINE, STALE, IO, INTERNAL), or one of this client: UNREACHABLE, CLOSED, TIMEOUT, PROTOCOL. `text` says why in words.
    Compare codes, not texts.
    """

    def __init__(self, code: str, text: str):
        super().__init__(f"{code}: {text}" if text else code)
        self.code = code
        self.text = text

    def __reduce__(self) -> "tuple[type[HilumError], tuple[str, str]]":
        return type(self), (self.code, self.text)


class NotFound(HilumError):
    """There is no such case or file (NOTFOUND)."""


class Busy(HilumError):
    """The daemon has no room at the moment; try again later (BUSY)."""


class DeadlineOver(HilumError):
    """The time of `deadline_ms` is over (DEADLINE)."""


class Stale(HilumError):
    """The archive has changed since the first page of a search; begin again (STALE)."""


class Unreachable(HilumError, ConnectionError):
    """No daemon answers at this path (UNREACHABLE)."""


class Closed(HilumError, ConnectionError):
    """The connection ended before the reply was there (CLOSED). Whether a change was carried out is not known."""


class TimedOut(HilumError, TimeoutError):
    """The reply did not come within the client's `timeout` (TIMEOUT). Whether a change was carried out is not known."""


class ProtocolError(HilumError):
    """What came is no reply of a daemon, or not the reply to this request (PROTOCOL)."""


_classes = {"NOTFOUND": NotFound, "BUSY": Busy, "DEADLINE": DeadlineOver, "STALE": Stale}


def refusal(code: str, text: str) -> HilumError:
    """The exception for an `ERR` line."""
    return _classes.get(code, HilumError)(code, text)


def unreachable(path: str, error: Optional[OSError]) -> Unreachable:
    """The exception for a socket that cannot be connected."""
    if isinstance(error, FileNotFoundError):
        why = "there is no socket here; start the daemon with `hilum serve ARCHIVE --socket PATH`"
    elif isinstance(error, ConnectionRefusedError):
        why = "nobody listens here any more; start the daemon again"
    elif isinstance(error, PermissionError):
        why = "this user may not use the socket; ask to be in the group that owns it"
    else:
        why = str(error)
    return Unreachable("UNREACHABLE", f"{path}: {why}")
