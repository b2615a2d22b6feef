"""What resources, plans and knowledge need from the outside.

Every method of a store raises `services.kit.errors.Unavailable` when the store does not answer in time, and then has
changed nothing; it sees and changes rows of the caller's organisation only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.kit.caller import Caller
from services.tenancy.policy import Resource
from services.tenancy.policy.filters import Filter

Ref = tuple[str, str]
"""Type and id of a resource."""
Found = Mapping[Ref, Resource]
Consent = Callable[[Resource], bool]
"""Whether the caller may change a resource as it is."""
Inspect = Callable[[Collection[Resource]], None]
"""Looks at the resources as they are, before they are changed; raises a KitError to refuse."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A resource, and when its facts were put (unix seconds)."""

    resource: Resource
    changed_at: float


class ResourceStore(Protocol):
    """The facts that were put."""

    async def find(self, caller: Caller, refs: Collection[Ref]) -> Mapping[Ref, Listed]:
        """One store call, whatever exists; what does not is left out."""
        ...

    async def put(self, caller: Caller, resources: Sequence[Resource], inspect: Inspect) -> None:
        """Creates or replaces all of them, when `inspect` lets it. InvalidArgument when a brand is not one of the
        organisation, FailedPrecondition when one appeared meanwhile; then nothing is changed."""
        ...

    async def delete(self, caller: Caller, refs: Collection[Ref], consent: Consent) -> int:
        """Deletes those that exist and that `consent` lets go, with all that hangs on them; how many."""
        ...

    async def list(self, caller: Caller, kind: str, chosen: Filter, after: str, limit: int) -> Sequence[Listed]:
        """Up to `limit` by id, past `after`, of those that the filter chooses."""
        ...


class ResourceOwner(Protocol):
    """A product's own backend, asked who owns what. Never raises: an error, a timeout or an unclear answer leaves a
    resource out, and what is left out is refused."""

    async def resolve(self, caller: Caller, kind: str, ids: Collection[str]) -> Mapping[str, Resource]:
        """One call for 200 ids. Resources of any other organisation are left out."""
        ...


class Embedder(Protocol):
    """Makes vectors of texts where callers bring none. Deterministic, without I/O."""

    name: str
    dimension: int

    def embed(self, text: str) -> Sequence[float]:
        """A vector of length one; of a text without words, some fixed vector."""
        ...


@dataclass(frozen=True, slots=True)
class Space:
    """What kind of vectors an organisation's chunks have."""

    dimension: int
    embedder: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document."""

    text: str = field(repr=False)
    embedding: Sequence[float] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Document:
    """What is put: facts in `resource`, whose type is Document."""

    resource: Resource
    title: str = field(repr=False)
    chunks: Sequence[Chunk] = field(repr=False)
    space: Space


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found; `score` is the cosine."""

    resource: Resource
    chunk: int
    title: str = field(repr=False)
    text: str = field(repr=False)
    score: float


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for; `chosen` is what the caller may read."""

    embedding: Sequence[float] = field(repr=False)
    space: Space
    chosen: Filter
    limit: int


class KnowledgeStore(Protocol):
    """Documents, sealed, with their vectors."""

    async def put(self, caller: Caller, document: Document, inspect: Inspect) -> bool:
        """Creates or replaces, when `inspect` lets it; True when there was one. InvalidArgument when the brand is not
        one of the organisation, or the vectors are not of the organisation's kind."""
        ...

    async def search(self, caller: Caller, query: Query) -> Sequence[Hit]:
        """The nearest first; always `limit` of them where so many exist. Unavailable when one does not open,
        InvalidArgument when the vector is not of the organisation's kind."""
        ...
