"""`hauberk org`, `brand`, `member` and `recognizers` against a running stack."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from embedded.stack import Stack
from tests.support.backend import fresh


@pytest.fixture
def hauberk(stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command as a person would; status, standard output, standard error."""

    async def run(*argv: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        status = await asyncio.to_thread(main, [*argv, "--data", str(stack.layout.folder)])
        out, err = capsys.readouterr()
        return status, out, err

    return run


async def test_organisations(hauberk: Any) -> None:
    name = fresh("org")
    status, key, _ = await hauberk("org", "create", name, "--brand", "shop", "--admin", "ivy", "--plan", "pro")
    assert status == 0
    assert key.strip().startswith("hbk_")
    assert len(key.splitlines()) == 1
    status, said, _ = await hauberk("org", "list", "--json")
    assert name in {one["organisation"] for one in json.loads(said)["organisations"]}
    assert "ivy" not in said
    read = json.loads((await hauberk("org", "show", name, "--json"))[1])
    assert read["plan"] == "pro"
    status, said, _ = await hauberk("org", "update", name, "--plan", "free", "--etag", read["etag"])
    assert status == 0
    assert "free" in said
    status, _, err = await hauberk("org", "update", name, "--plan", "pro", "--etag", read["etag"])
    assert status == 2
    assert "it was changed since it was read" in err
    assert "suspended" in (await hauberk("org", "suspend", name))[1]
    assert "active" in (await hauberk("org", "resume", name))[1]
    assert "enterprise" in (await hauberk("org", "plans"))[1]
    status, _, err = await hauberk("org", "create", name, "--brand", "shop", "--admin", "ivy")
    assert (status, "already exists" in err) == (2, True)
    assert "UTC" in (await hauberk("org", "settings"))[1]
    assert json.loads((await hauberk("org", "settings", "--days", "3", "--json"))[1])["invitation_ttl"] == "259200s"


async def test_brands(hauberk: Any) -> None:
    name = fresh("brand")
    assert (await hauberk("brand", "put", name, "--name", "Shop", "--zone", "Asia/Tokyo"))[0] == 0
    changed = json.loads((await hauberk("brand", "put", name, "--zone", "UTC", "--json"))[1])
    assert (changed["display_name"], changed["zone"]) == ("Shop", "UTC")
    assert name in (await hauberk("brand", "list"))[1]
    assert changed["etag"] in (await hauberk("brand", "show", name))[1]
    status, _, err = await hauberk("brand", "delete", name, "--etag", "0" * 32)
    assert (status, "read it again" in err) == (2, True)
    assert (await hauberk("brand", "delete", name))[:2] == (0, "deleted\n")
    assert "there was no brand" in (await hauberk("brand", "delete", name))[1]
    status, _, err = await hauberk("brand", "put", "NO")
    assert (status, "brand" in err) == (2, True)


async def test_members(hauberk: Any) -> None:
    bob, zoe = fresh("bob"), fresh("zoe")
    assert (await hauberk("member", "put", bob, "--role", "member", "--name", "Bob"))[0] == 0
    assert json.loads((await hauberk("member", "suspend", bob, "--json"))[1])["suspended"] is True
    assert json.loads((await hauberk("member", "resume", bob, "--json"))[1])["suspended"] is False
    assert bob in (await hauberk("member", "list"))[1]
    assert "Bob" in (await hauberk("member", "show", bob))[1]
    assert (await hauberk("member", "remove", bob))[:2] == (0, "removed\n")
    status, secret, err = await hauberk("member", "invite", "--role", "viewer", "--days", "1")
    assert status == 0
    assert secret.startswith("hbi_")
    assert secret.strip() not in err
    status, said, _ = await hauberk("member", "accept", zoe, stdin=secret)
    assert (status, f"{zoe} is a member" in said) == (0, True)
    status, said, err = await hauberk("member", "accept", bob, stdin=secret)
    assert (status, said, err) == (1, "", "this invitation is not accepted\n")
    made = json.loads((await hauberk("member", "invite", bob, "--json"))[1])["invitation"]
    listed = json.loads((await hauberk("member", "invitations", "--json"))[1])["invitations"]
    assert {made["invitation"]: "INVITATION_STATE_PENDING"}.items() <= {
        one["invitation"]: one["state"] for one in listed
    }.items()
    assert secret.strip() not in json.dumps(listed)
    assert (await hauberk("member", "uninvite", made["invitation"]))[:2] == (0, "taken back\n")
    status, _, err = await hauberk("member", "invite", "--days", "90")
    assert (status, "ttl" in err) == (2, True)


async def test_recognizers(hauberk: Any) -> None:
    badge = ["BADGE", r"\bQX-[0-9]{5}\b", "--score", "0.3", "--word", "badge"]
    status, said, _ = await hauberk("recognizers", "try", *badge, "--sample", "my badge: QX-12345", "--sample", "no")
    assert (status, said.splitlines()) == (
        0,
        ["good, nothing kept", "  'my badge: QX-12345': 'QX-12345'", "  'no': nothing"],
    )
    assert "no recognizer" in (await hauberk("recognizers", "list"))[1]
    assert "kept, state v" in (await hauberk("recognizers", "put", *badge))[1]
    listed = json.loads((await hauberk("recognizers", "list", "--json"))[1])["recognizers"]
    assert [(one["entity"], one["context"]) for one in listed] == [("BADGE", ["badge"])]
    status, _, err = await hauberk("recognizers", "delete", "BADGE", "--etag", "v999")
    assert (status, "it was changed since it was read" in err) == (2, True)
    assert "deleted" in (await hauberk("recognizers", "delete", "BADGE", "--etag", listed[0]["etag"]))[1]
    assert "there was none" in (await hauberk("recognizers", "delete", "BADGE"))[1]
    for wrong, why in ((r"(a)\1", "linear time"), ("a*", "empty text")):
        status, said, err = await hauberk("recognizers", "put", "BADGE", wrong)
        assert (status, said, why in err, wrong in err) == (2, "", True, False)
    status, _, err = await hauberk("recognizers", "put", "US_SSN", "[0-9]{9}")
    assert (status, "has a recognizer already" in err) == (2, True)


async def test_choices(hauberk: Any, tmp_path: Path) -> None:
    file = tmp_path / "choices.yaml"
    soon = (datetime.now(UTC) + timedelta(days=30)).date()
    file.write_text(f"mode: GUARD_MODE_FLAG\nallow: [{{phrase: ignore the previous invoice, until: {soon}}}]\n")
    assert (await hauberk("choices", "show", "guardrail"))[:2] == (0, "# as installed\n")
    status, said, err = await hauberk("choices", "put", "guardrail", str(file))
    assert (status, said, err) == (0, "in force, version 1\n", "")
    shown = (await hauberk("choices", "show", "guardrail"))[1]
    assert "GUARD_MODE_FLAG" in shown and "previous invoice" in shown
    for wrong, why in (
        ("mode: LOUD", "mode"),
        ("loud: 1", "loud"),
        ("allow: [{phrase: two words, until: soon}]", "until"),
    ):
        file.write_text(wrong)
        status, said, err = await hauberk("choices", "put", "guardrail", str(file))
        assert (status, said, why in err) == (2, "", True), err
    file.write_text("placeholder_style: PLACEHOLDER_STYLE_TAGGED\n")
    assert (await hauberk("choices", "put", "redaction", str(file), "--brand", "acme-chat"))[0] == 2
    assert "in force" in (await hauberk("choices", "put", "redaction", str(file)))[1]
    assert "TAGGED" in (await hauberk("choices", "show", "redaction"))[1]
    for area in ("guardrail", "redaction"):  # as installed again
        file.write_text("{}")
        assert (await hauberk("choices", "put", area, str(file)))[0] == 0
