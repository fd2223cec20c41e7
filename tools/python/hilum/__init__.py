"""A client for the line protocol of a Hilum daemon. See README.md beside this package."""

from .aio import AsyncClient
from .client import Client
from .errors import Busy, Closed, DeadlineOver, HilumError, NotFound, ProtocolError, Stale, TimedOut, Unreachable
from .requests import Not, Range
from .values import (
    Case, Changes, Evidence, Explanation, Facet, Group, Hello, Hit, Leg, Plan, Reembedding, SearchResult, Snapshot, Stored)
from .wire import Request

__all__ = [
    "AsyncClient", "Busy", "Case", "Changes", "Client", "Closed", "DeadlineOver", "Evidence", "Explanation", "Facet", "Group", "Hello",
    "HilumError", "Hit", "Leg", "Not", "NotFound", "Plan", "ProtocolError", "Range", "Reembedding", "Request", "SearchResult",
    "Snapshot", "Stale", "Stored", "TimedOut", "Unreachable",
]
