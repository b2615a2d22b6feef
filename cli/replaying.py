"""Replays messages: members first, then a few in flight at a time, each with a stand-in model's answer to it."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from grpc import aio
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli import standin
from cli.asking import Gateway, Reach, by_jwt, question, reach
from cli.errors import CliError
from cli.failure import Failure
from cli.members import Administrator
from cli.tally import Tally

# Longer than the pace of any limit needs; a run that takes longer gets fresh tokens.
TOKEN_SECONDS = 300
OUTPUT_TOKENS = 256


def read_lines(path: Path, field: str) -> tuple[list[str], list[tuple[int, str]]]:
    """The messages of the file, and each line that is none with what is wrong."""
    try:
        rows = path.read_bytes().split(b"\n")
    except OSError as error:
        raise CliError(f"{path} cannot be read ({type(error).__name__})") from None
    messages, bad = [], []
    for number, row in enumerate(rows, 1):
        if not row.strip():
            continue
        text, words = _message(row, field)
        if words:
            bad.append((number, words))
        else:
            messages.append(text)
    if not messages:
        raise CliError(f"{path} holds no message: one JSON object per line, with a field {field}")
    return messages, bad


def _message(row: bytes, field: str) -> tuple[str, str]:
    try:
        value = json.loads(row)
    except (ValueError, RecursionError):
        return "", "is not JSON"
    if not isinstance(value, dict):
        return "", "is not a JSON object"
    text = value.get(field)
    if not isinstance(text, str) or not text:
        return "", f"has no text in the field {field}"
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return "", "is not Unicode text"
    return text, ""


async def replay(args: argparse.Namespace, messages: Sequence[str], console: Console) -> Tally:
    """Sends every message once; returns what became of them."""
    users = [f"replay-{number:05d}" for number in range(min(args.users, len(messages)))]
    async with reach(args.data) as stack:
        added = await Administrator(stack).add(users)
        if added:
            console.print(f"added {added} members to {stack.organisation}")
        with _progress(console, len(messages)) as step:
            asker = Asker(stack, users, args.model, complete=not args.no_complete)
            return await _send(asker, messages, args.in_flight, step)


async def _send(asker: Asker, messages: Sequence[str], in_flight: int, step: Callable[[], None]) -> Tally:
    tally = Tally(users=len(asker.users))
    work = iter(enumerate(messages))
    started = time.perf_counter()

    async def worker() -> None:
        for number, text in work:
            await asker.ask(number, text, tally)
            step()

    await asyncio.gather(*(worker() for _ in range(in_flight)))
    tally.seconds = time.perf_counter() - started
    return tally


class Asker:
    """Asks as one of many users, each with a token of their own."""

    def __init__(self, stack: Reach, users: Sequence[str], model: str, *, complete: bool) -> None:
        self.users = users
        self._complete = complete
        self._stack = stack
        self._gateway = Gateway(stack.channel("gateway"))
        self._estimate = pb.Estimate(model=model, output_tokens=OUTPUT_TOKENS)
        self._tokens: dict[str, tuple[str, float]] = {}

    async def ask(self, number: int, text: str, tally: Tally) -> None:
        """One message; its outcome goes into the tally."""
        user = self.users[number % len(self.users)]
        request = question(
            by_jwt(self._token(user)),
            self._stack.brand,
            text,
            conversation=f"replay-{number}",
            estimate=self._estimate,
        )
        started = time.perf_counter()
        try:
            answer = await self._gateway.admit(request)
        except aio.AioRpcError as error:
            tally.fail(Failure.of(error), time.perf_counter() - started)
            return
        tally.count(answer, time.perf_counter() - started)
        if self._complete and answer.admission:
            await self._give_back(answer, tally)

    async def _give_back(self, admitted: pb.AdmitResponse, tally: Tally) -> None:
        """What the stand-in model answers, on its way back."""
        text = standin.answer([message.text for message in admitted.messages])
        started = time.perf_counter()
        try:
            answer = await self._gateway.complete(admitted.admission, text)
        except aio.AioRpcError as error:
            tally.fail_completion(Failure.of(error), time.perf_counter() - started)
            return
        tally.count_completion(answer, time.perf_counter() - started)

    def _token(self, user: str) -> str:
        token, until = self._tokens.get(user, ("", 0.0))
        if time.monotonic() >= until:
            token, until = self._stack.user_jwt(user, ttl=TOKEN_SECONDS), time.monotonic() + TOKEN_SECONDS / 2
            self._tokens[user] = (token, until)
        return token


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[], None]]:
    if not console.is_terminal:
        yield lambda: None
        return
    columns = (TextColumn("asking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("asking", total=total)
        yield lambda: progress.advance(task)
