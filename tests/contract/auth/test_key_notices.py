"""What the owners of keys are told: received by a real server, signed, tried again, never with a key in it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from services.auth.flows.key_notices import MOST_ATTEMPTS, pause
from services.auth.policy.api_keys import OnLeak
from services.auth.policy.causes import Cause
from services.kit.errors import InvalidArgument, NotFound
from services.kit.reach import PUBLIC, Reach
from services.kit.webhooks import Target, WebhookSender, acceptable, client
from tests.contract.auth.shelf import DAY, Shelf, opened_shelf
from tests.support.stores import DataStores, prepared_stores

# Ahead of the database's clock, which says when a notice was written, however slow the machine is.
AHEAD = 300


@dataclass
class Receiver:
    """A web server of the organisation's; `answers` are given in turn, then 204."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        self.got.append((headers, await reader.readexactly(int(headers.get("content-length", "0")))))
        status = self.answers.pop(0) if self.answers else 204
        writer.write(f"HTTP/1.1 {status} x\r\nlocation: {self.url}/moved\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    async with server:
        yield receiver


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stores() -> AsyncIterator[DataStores]:
    """Of their own: in the shared ones another service's worker takes what is due."""
    async with prepared_stores() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def shelf(stores: DataStores) -> AsyncIterator[Shelf]:
    async with opened_shelf(stores) as made:
        made.clock.time += AHEAD
        yield made


def signed_by(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As a receiver checks it, written from the specification."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(headers["webhook-signature"], f"v1,{expected}")


async def rounds(shelf: Shelf, seconds: float = 0) -> None:
    shelf.clock.time += seconds
    while await shelf.notifier.send_due():
        pass


async def test_a_rotation_is_told_with_a_signature(shelf: Shelf) -> None:
    async with receiving() as receiver:
        secret = await shelf.choices.set_target(shelf.owner(), receiver.url)
        old = await shelf.create()
        new = await shelf.management.rotate(shelf.owner(), old.record.key_id, None)
        await rounds(shelf, 1)
    ((headers, body),) = receiver.got
    assert signed_by(secret, headers, body)
    assert not signed_by(secret, headers, body + b" ")
    assert abs(int(headers["webhook-timestamp"]) - shelf.clock.now()) <= 1
    message = json.loads(body)
    assert message["type"] == "api_key.rotated"
    assert set(message["data"]) == {"organisation", "key_id", "rotated_to", "ends_at"}
    assert (message["data"]["key_id"], message["data"]["rotated_to"]) == (old.record.key_id, new.record.key_id)
    for text in (old.text, new.text, old.text[-10:], secret):
        assert text.encode() not in body
        assert text not in str(headers)
    assert secret not in str(await shelf.rows("SELECT s::text FROM auth.key_settings AS s"))


async def test_a_receiver_that_fails_is_asked_again_later_and_then_not_twice(shelf: Shelf) -> None:
    async with receiving() as receiver:
        receiver.answers = [500, 302]
        secret = await shelf.choices.set_target(shelf.owner(), receiver.url)
        await shelf.management.rotate(shelf.owner(), (await shelf.create()).record.key_id, None)
        await rounds(shelf, 1)
        await rounds(shelf, 1)
        assert len(receiver.got) == 1  # not at once
        await rounds(shelf, 15)
        assert len(receiver.got) == 2  # a redirect is followed nowhere, and is no yes
        await rounds(shelf, 60)
        await rounds(shelf, DAY)
        assert len(receiver.got) == 3
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert all(signed_by(secret, headers, body) for headers, body in receiver.got)
    state = await shelf.choices.target(shelf.owner())
    assert (state.waiting, state.given_up) == (0, 0)


async def test_it_is_given_up_after_a_day_and_a_half_and_that_is_seen(shelf: Shelf) -> None:
    async with receiving() as receiver:
        receiver.answers = [503] * 100
        await shelf.choices.set_target(shelf.owner(), receiver.url)
        await shelf.management.rotate(shelf.owner(), (await shelf.create()).record.key_id, None)
        for _ in range(MOST_ATTEMPTS + 3):
            await rounds(shelf, 7.5 * 3600)
        told = [body for body in receiver.bodies() if body["type"] == "api_key.rotated"]
        assert len(told) == MOST_ATTEMPTS
    assert (await shelf.choices.target(shelf.owner())).given_up >= 1
    assert 24 * 3600 < sum(pause(n, 0.5) for n in range(1, MOST_ATTEMPTS)) < 48 * 3600


async def test_coming_ends_are_told_a_week_and_a_day_before(shelf: Shelf) -> None:
    async with receiving() as receiver:
        await shelf.choices.set_target(shelf.owner(), receiver.url)
        key = await shelf.create(seconds=10.0 * DAY)
        await shelf.create(seconds=3600.0)  # its owner knows that it is short
        rotated = await shelf.create()
        await shelf.management.rotate(shelf.owner(), rotated.record.key_id, 10.0 * DAY)
        await rounds(shelf, 1)
        assert [body["type"] for body in receiver.bodies()] == ["api_key.rotated"]
        receiver.got.clear()
        seen = []
        for _ in range(10):
            await rounds(shelf, DAY)
            seen.append(sorted((body["type"], body["data"]["key_id"]) for body in receiver.bodies()))
            receiver.got.clear()
    both = sorted([("api_key.expiring", key.record.key_id), ("api_key.grace_ending", rotated.record.key_id)])
    assert [told for told in seen if told] == [both, both]
    assert seen[2] == seen[8] == both
    assert await shelf.show(key.text) is Cause.KEY_EXPIRED


async def test_a_revoked_key_ends_without_a_word(shelf: Shelf) -> None:
    async with receiving() as receiver:
        await shelf.choices.set_target(shelf.owner(), receiver.url)
        key = await shelf.create(seconds=10.0 * DAY)
        await shelf.management.revoke(shelf.owner(), key.record.key_id)
        for _ in range(10):
            await rounds(shelf, DAY)
        assert receiver.got == []


async def test_two_workers_send_each_notice_once(stores: DataStores) -> None:
    async with opened_shelf(stores) as one, opened_shelf(stores) as other, receiving() as receiver:
        other.keys.kept["webhook-kek"] = one.keys.kept["webhook-kek"]
        await one.choices.set_target(one.owner(), receiver.url)
        for _ in range(40):
            await one.management.rotate(one.owner(), (await one.create()).record.key_id, None)
        other.clock.time = one.clock.time = one.clock.time + AHEAD
        while any(await asyncio.gather(one.notifier.send_due(), other.notifier.send_due())):
            pass
        ids = [headers["webhook-id"] for headers, _ in receiver.got]
        assert len(ids) == len(set(ids)) == 40


async def test_without_a_target_nothing_is_kept(shelf: Shelf) -> None:
    with pytest.raises(NotFound):
        await shelf.choices.target(shelf.owner())
    await shelf.management.rotate(shelf.owner(), (await shelf.create()).record.key_id, None)
    assert await shelf.rows("SELECT 1 FROM auth.key_notices") == []
    await shelf.choices.set_target(shelf.owner(), "http://127.0.0.1:1/hook")
    await shelf.choices.delete_target(shelf.owner())
    assert await shelf.rows("SELECT webhook_url, webhook_secret FROM auth.key_settings") == [("", None)]


@pytest.mark.parametrize("action", list(OnLeak))
async def test_a_leak_does_what_the_organisation_decided(shelf: Shelf, action: OnLeak) -> None:
    async with receiving() as receiver:
        await shelf.choices.set_target(shelf.owner(), receiver.url)
        if action is not OnLeak.REVOKE:  # that is what happens when nobody decided
            await shelf.choices.set_on_leak(shelf.owner(), action)
        key = await shelf.create(seconds=90.0 * DAY)
        assert await shelf.show(key.text) is Cause.NONE
        for _ in range(2):  # two scanners find the same line
            await shelf.leaks.report(key.text, "github", "gateway")
        shelf.clock.time += 3600
        await rounds(shelf, 10)
        expected = {OnLeak.REVOKE: Cause.KEY_REVOKED, OnLeak.ROTATE: Cause.KEY_GRACE_ENDED, OnLeak.ALERT: Cause.NONE}
        assert await shelf.show(key.text) is expected[action]
    (told,) = receiver.bodies()
    assert (told["type"], told["data"]["action"]) == ("api_key.leaked", action.value)
    assert {event.code for event, _ in shelf.trail.events} == {"auth.api_key_leaked"}
    assert key.text not in str(shelf.trail.events)


async def test_a_leaked_key_can_be_rotated_in_its_hour_and_the_successor_lives_on(shelf: Shelf) -> None:
    await shelf.choices.set_on_leak(shelf.owner(), OnLeak.ROTATE)
    key = await shelf.create(seconds=90.0 * DAY)
    await shelf.leaks.report(key.text, "", "gateway")
    new = await shelf.management.rotate(shelf.owner(), key.record.key_id, None)
    assert new.old_ends_at == pytest.approx(shelf.clock.now() + 3600, abs=1)
    assert new.record.expires_at == pytest.approx(shelf.clock.now() + 90 * DAY, abs=2 * AHEAD)
    shelf.clock.time += 3601
    assert (await shelf.show(key.text), await shelf.show(new.text)) == (Cause.KEY_GRACE_ENDED, Cause.NONE)


async def test_a_reported_text_that_is_no_key_costs_nothing_and_says_nothing(shelf: Shelf) -> None:
    key = (await shelf.create()).text
    shelf.store.lookups = 0
    for text in (key[:-1] + ("A" if key[-1] != "A" else "B"), "password", "hbk_test_", key + "x"):
        assert await shelf.leaks.report(text, "", "backend/shop") is None  # type: ignore[func-returns-value]
    assert shelf.store.lookups == 0
    assert shelf.trail.events == []


INSIDE = [
    "http://hooks.example.com/",
    "https://127.0.0.1/",
    "https://[::1]/",
    "https://10.0.0.8/",
    "https://169.254.169.254/latest",
    "https://[::ffff:192.168.1.1]/",
    "https://2130706433/",
    "https://user:word@hooks.example.com/",
    "https://hooks.example.com/#x",
    "https://localhost/",
    "https://hooks.example.com:0/",
    "ftp://hooks.example.com/",
    "https:///x",
]


@pytest.mark.parametrize("url", INSIDE)
def test_what_cannot_be_a_target(url: str) -> None:
    assert not acceptable(url, PUBLIC)
    assert acceptable("https://hooks.example.com/keys?x=1", PUBLIC)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "::ffff:127.0.0.1"])
async def test_a_name_that_leads_inside_is_not_followed(address: str) -> None:
    async def resolver(_host: str, _port: int) -> list[str]:
        return ["93.184.216.34", address]

    async with receiving() as receiver, client() as browser:
        target = Target(f"https://hooks.example.com:{receiver.url.rsplit(':')[-1].split('/')[0]}/", b"s" * 32)
        assert not await WebhookSender(browser, PUBLIC, resolver).send(target, "msg_1", 1, b"{}")
        assert receiver.got == []


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    asked: list[str] = []

    async def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with receiving() as receiver, client() as browser:
        url = receiver.url.replace("127.0.0.1", "hooks.example.com")
        assert await WebhookSender(browser, Reach((), loopback=True), resolver).send(Target(url, b"s"), "m", 1, b"{}")
        assert asked == ["hooks.example.com"]
        assert receiver.got[0][0]["host"].startswith("hooks.example.com:")


async def test_nobody_sets_a_target_inside(shelf: Shelf) -> None:
    for url in ("https://10.0.0.8/", "https://169.254.169.254/"):
        with pytest.raises(InvalidArgument):
            await shelf.choices.set_target(shelf.owner(), url)
