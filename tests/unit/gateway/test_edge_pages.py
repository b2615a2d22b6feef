"""Which pages a cookie is believed from."""

from __future__ import annotations

import pytest

from gateway.edge.credentials import must_be_listed
from gateway.edge.headers import read
from gateway.edge.pages import Page, page_of

HOST = "shop.example"
OWN = ("origin", f"https://{HOST}")
SAME = ("sec-fetch-site", "same-origin")


def page(*fields: tuple[str, str], method: str = "POST", host: str = HOST) -> Page:
    return page_of(read(fields), method, host)


@pytest.mark.parametrize(
    "fields",
    [(OWN,), (SAME,), (OWN, SAME), (("origin", "https://SHOP.example:443"),), (OWN, ("sec-fetch-site", "Same-Origin"))],
    ids=range(5),
)
def test_its_own(fields: tuple[tuple[str, str], ...]) -> None:
    assert page(*fields) is Page.OWN
    assert not must_be_listed(read(fields), "POST", HOST)


@pytest.mark.parametrize(
    "fields",
    [
        (("origin", "https://evil.example"),),
        (("origin", f"http://{HOST}"),),
        (("origin", f"https://{HOST}:8443"),),
        (("origin", f"https://{HOST}.evil.example"),),
        (("origin", f"https://www.{HOST}"),),
        (OWN, ("sec-fetch-site", "cross-site")),
        (OWN, ("sec-fetch-site", "same-site")),
        (OWN, ("sec-fetch-site", "none")),
        (OWN, SAME, ("sec-fetch-site", "cross-site")),
    ],
    ids=range(9),
)
def test_only_where_it_is_listed(fields: tuple[tuple[str, str], ...]) -> None:
    assert page(*fields) is Page.ANOTHER
    assert must_be_listed(read((*fields, ("cookie", "sid=x"))), "POST", HOST)
    assert not must_be_listed(read((*fields, ("authorization", "Bearer x"))), "POST", HOST)


@pytest.mark.parametrize(
    "fields",
    [(), (("origin", "null"),), (("origin", "null"), SAME), (("sec-fetch-site", "cross-site"),), (("origin", "a b"),)],
    ids=range(5),
)
def test_nobodys(fields: tuple[tuple[str, str], ...]) -> None:
    for method in ("POST", "post", "DELETE", "TRACE", ""):
        assert page(*fields, method=method) is Page.NOBODYS
        assert must_be_listed(read(fields), method, HOST)


def test_on_this_machine_a_page_needs_no_tls() -> None:
    assert page(("origin", "http://acme.localhost:8080"), host="acme.localhost:8080") is Page.OWN
    assert page(("origin", "http://localhost"), host="localhost:80") is Page.OWN
    assert page(("origin", "http://localhost.evil.example"), host="localhost.evil.example") is Page.ANOTHER


def test_no_host_is_no_page_of_its_own() -> None:
    assert page(OWN, host="") is Page.ANOTHER
