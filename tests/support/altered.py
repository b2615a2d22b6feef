"""A stack with something changed by the test's own hand: what no setting can do."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from typing import Any
from unittest.mock import patch

from embedded import assembly
from embedded.stack import Stack, StackOptions
from services.kit.settings import ServiceSettings
from tests.support.stores import make_folder

Change = Callable[[str, ServiceSettings], dict[str, Any]]


@asynccontextmanager
async def altered_stack(*changes: AbstractContextManager[Any]) -> AsyncIterator[Stack]:
    """A stack that is built and runs while `changes` are in force."""
    base = make_folder()
    try:
        with ExitStack() as undo:
            for change in changes:
                undo.enter_context(change)
            async with Stack.running(base / "data", StackOptions()) as stack:
                yield stack
    finally:
        shutil.rmtree(base, ignore_errors=True)


def with_settings(change: Change) -> AbstractContextManager[Any]:
    """Other values in the settings of each service: `change(name, settings)` says which."""
    genuine = assembly.settings_for

    def settings_for(*args: Any) -> dict[str, ServiceSettings]:
        found = genuine(*args)
        return {name: own.model_copy(update=change(name, own)) for name, own in found.items()}

    return patch.object(assembly, "settings_for", settings_for)
