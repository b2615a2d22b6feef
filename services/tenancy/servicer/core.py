"""What the parts of the servicer hand over to."""

from __future__ import annotations

from dataclasses import dataclass

from services.tenancy.directory import Directory
from services.tenancy.policy import Engine
from services.tenancy.ports import FactsReader, Lifecycle, TenancyStore


@dataclass(frozen=True, slots=True)
class Core:
    """Everything that tenancy does, one field each."""

    engine: Engine
    remembered: FactsReader
    store: TenancyStore
    lifecycle: Lifecycle
    directory: Directory
    plans: frozenset[str]


class Part:
    """One area of the contract; `TenancyServicer` is made of all of them."""

    _core: Core
