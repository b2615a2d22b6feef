"""Knowledge: documents are put in pieces, searched under the very filter that PlanRetrieval gives, and assembled."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from services.kit.caller import Caller
from services.kit.errors import InvalidArgument
from services.tenancy.flows.directory import refuse
from services.tenancy.flows.judging import Judge
from services.tenancy.policy import Cause, Resource
from services.tenancy.policy.knowledge import MOST_CHUNKS, fitting, flaw, narrowed, pieces
from services.tenancy.policy.resources import DOCUMENT, container
from services.tenancy.policy.retrieval import Reach
from services.tenancy.ports.resources import (
    Chunk,
    Document,
    Embedder,
    Hit,
    KnowledgeStore,
    Query,
    ResourceStore,
    Space,
)

WRITE, READ = "knowledge.write", "document.read"
CALLER = "caller"
"""Whose vectors they are, when not of an embedder of ours."""
_CANDIDATES = 100


@dataclass(frozen=True, slots=True)
class Draft:
    """A document as it is asked for; `chunks` are texts with their vectors (empty = none was given)."""

    resource: Resource
    title: str = field(repr=False)
    chunks: Sequence[tuple[str, Sequence[float]]] = field(repr=False)
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """A question: a vector or a text, within a brand and labels."""

    embedding: Sequence[float] = field(repr=False)
    text: str = field(repr=False)
    brand: str = ""
    labels: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found; `cause` other than NONE is a refusal."""

    hits: Sequence[Hit] = ()
    cause: Cause = Cause.NONE
    partial: bool = False
    tokens: int = 0
    left_out: int = 0


class Knowledge:
    """The knowledge of the caller's organisation."""

    def __init__(self, judge: Judge, store: KnowledgeStore, resources: ResourceStore, embedder: Embedder) -> None:
        self._judge = judge
        self._store = store
        self._resources = resources
        self._embedder = embedder

    async def put(self, caller: Caller, draft: Draft) -> tuple[int, bool]:
        """Stores or replaces a document; its chunks, and whether there was one."""
        chunks, space = self._chunks(draft)
        judgement = await self._judge.fresh(caller)
        decision = judgement.one(WRITE, container(draft.resource))
        if not decision.allowed:
            refuse(decision.cause)

        def inspect(before: Collection[Resource]) -> None:
            if not judgement.every(WRITE, before):
                refuse(Cause.NOT_PERMITTED)

        replaced = await self._store.put(caller, Document(draft.resource, draft.title, chunks, space), inspect)
        return len(chunks), replaced

    async def delete(self, caller: Caller, name: str) -> bool:
        """Deletes a document and its chunks; False for what does not exist or may not be changed."""
        judgement = await self._judge.fresh(caller)
        gone = await self._resources.delete(
            caller, [(DOCUMENT, name)], lambda resource: judgement.one(WRITE, resource).allowed
        )
        return gone > 0

    async def search(self, caller: Caller, ask: Ask, limit: int) -> Answer:
        """The nearest chunks of documents that the caller may read."""
        vector, space = self._vector(ask)
        plan = (await self._judge.remembered(caller)).plan(READ, DOCUMENT)
        if plan.reach is Reach.NOTHING:
            return Answer(cause=plan.cause, partial=plan.partial)
        chosen = narrowed(plan.filter, ask.brand, ask.labels)
        hits = await self._store.search(caller, Query(vector, space, chosen, limit))
        return Answer(hits, partial=plan.partial)

    async def assemble(self, caller: Caller, ask: Ask, budget: int) -> Answer:
        """What fits into a context: nearest first, no text twice, never more than the budget."""
        found = await self.search(caller, ask, _CANDIDATES)
        kept, spent, left_out = fitting(found.hits, budget)
        return Answer(kept, found.cause, found.partial, spent, left_out)

    def _chunks(self, draft: Draft) -> tuple[list[Chunk], Space]:
        given = list(draft.chunks)
        if not given:
            raise InvalidArgument.of("text", "a text or chunks, and not both")
        own = [bool(vector) for _, vector in given]
        if any(own) and not all(own):
            raise InvalidArgument.of("chunks.embedding", "all chunks have a vector, or none has")
        if all(own):
            vectors = [vector for _, vector in given]
            wrong = flaw(vectors)
            if wrong:
                raise InvalidArgument.of("embedding", wrong)
            return [Chunk(text, vector) for text, vector in given], Space(len(vectors[0]), CALLER)
        texts = pieces(given[0][0]) if draft.whole else [text for text, _ in given]
        if not 0 < len(texts) <= MOST_CHUNKS:
            raise InvalidArgument.of("text", f"must make 1 to {MOST_CHUNKS} chunks")
        made = [Chunk(text, self._embedder.embed(text)) for text in texts]
        return made, Space(self._embedder.dimension, self._embedder.name)

    def _vector(self, ask: Ask) -> tuple[Sequence[float], Space]:
        if bool(ask.embedding) == bool(ask.text):
            raise InvalidArgument.of("embedding", "a vector or a text, and not both")
        if not ask.embedding:
            return self._embedder.embed(ask.text), Space(self._embedder.dimension, self._embedder.name)
        wrong = flaw([ask.embedding])
        if wrong:
            raise InvalidArgument.of("embedding", wrong)
        return ask.embedding, Space(len(ask.embedding), CALLER)
