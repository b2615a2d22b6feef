"""Mistakes on the command line of `org`, `brand` and `member`: one line, status 2, nothing asked."""

from __future__ import annotations

import pytest

from cli.main import main


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("org",), "what"),
        (("org", "rename", "acme"), "invalid choice"),
        (("org", "show"), "needs the id"),
        (("org", "create", "acme"), "--brand and --admin"),
        (("org", "update", "acme"), "--name or --plan"),
        (("brand", "delete"), "needs the id"),
        (("brand", "list", "--days", "3"), "unrecognized"),
        (("member", "suspend"), "needs a user id"),
        (("member", "uninvite"), "needs an id"),
        (("member", "put", "bob"), "--role"),
        (("member", "invite", "--days", "soon"), "invalid float"),
    ],
)
def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], words: str) -> None:
    with pytest.raises(SystemExit) as left:
        main(list(argv))
    out, err = capsys.readouterr()
    assert (left.value.code, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1
