"""Networks that a key may be used from, limits of its own, foreign shapes."""

from __future__ import annotations

import ipaddress
import secrets
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.policy import api_keys, key_limits
from services.auth.policy.addresses import allowed, network, networks
from services.auth.policy.causes import Cause
from services.kit.caller import KeyLimit


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:db8:0:0::1", "2001:db8::1/128"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_one_form_for_each_network(text: str, canonical: str) -> None:
    assert str(network(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "192.0.2.1/24",
        "192.0.2.0/33",
        "192.0.2",
        "0300.0.2.0/24",
        "fe80::1%eth0",
        "2001:db8::1/32",
        "10/8",
        " ",
        "::ffff:192.0.2.1/120",
        "192.0.2.0/24 ",
        "192.0.2.0/255.255.255.1",
        "-1",
    ],
)
def test_what_is_no_network(text: str) -> None:
    assert network(text) is None
    assert networks(["192.0.2.0/24", text]) == 1


def test_twice_the_same_is_once() -> None:
    assert networks(["192.0.2.0/24", "::ffff:192.0.2.0/120"]) == (ipaddress.ip_network("192.0.2.0/24"),)


LISTS = (ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/32"))


@pytest.mark.parametrize("address", ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:DB8:ffff::"])
def test_who_is_inside(address: str) -> None:
    assert allowed(LISTS, address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "192.0.3.1",
        "::ffff:192.0.3.1",
        "2001:db9::1",
        "x",
        "192.0.2.1/32",
        "::192.0.2.1",
        "192.0.2.1, 10.0.0.1",
        "64:ff9b::192.0.2.1",
        "2002:c000:201::",
        "192.0.2.01",
    ],
)
def test_who_is_not(address: str) -> None:
    assert not allowed(LISTS, address)
    assert allowed((), address)


@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 32))
def test_a_network_holds_its_own_addresses_alone(one: object, other: object, prefix: int) -> None:
    held = ipaddress.ip_network(f"{one}/{prefix}", strict=False)
    canonical = network(str(held))
    assert canonical is not None
    # IPv4 in IPv6 clothes is IPv4: it is in none of the networks of IPv6.
    if canonical.version == held.version and not getattr(one, "ipv4_mapped", None):
        assert allowed((canonical,), str(one))
        if getattr(other, "version", 0) == held.version and not getattr(other, "ipv4_mapped", None):
            assert allowed((canonical,), str(other)) == (other in held)


@pytest.mark.parametrize(
    "limit",
    [
        KeyLimit("", 1, 60),
        KeyLimit("bytes", 1, 60),
        KeyLimit("requests", 0, 60),
        KeyLimit("requests", -1, 60),
        KeyLimit("requests", 1, 0),
        KeyLimit("requests", 1, 32 * 86_400),
        KeyLimit("micro_usd", 10**12, 60),
        KeyLimit("tokens", 10**13, 31 * 86_400),
    ],
)
def test_what_cannot_be_a_limit(limit: KeyLimit) -> None:
    assert key_limits.wrong([KeyLimit("requests", 1, 61), limit]) == 1


def test_limits_are_one_for_each_unit_and_window_and_eight_in_all() -> None:
    good = [KeyLimit("requests", 5, 60 + n) for n in range(8)]
    assert key_limits.wrong(good) is None
    assert key_limits.wrong([*good, KeyLimit("tokens", 5, 60)]) == 8
    assert key_limits.wrong([good[0], KeyLimit("requests", 9, 60)]) == 1
    assert key_limits.wrong([good[0], KeyLimit("tokens", 9, 60)]) is None
    assert key_limits.wrong([KeyLimit("micro_usd", 100_000_000, 31 * 86_400)]) is None  # 100 dollars a month


@pytest.mark.parametrize(
    "text",
    [
        "hbk_test_" + "x" * 30,
        "hbk_" + "x" * 30,
        "x" * 19,
        "x" * 257,
        "with a blank inside the key",
        "ümlaut" * 5,
        "",
        "tab\tinside-of-the-long-key",
        "newline-at-the-end-of-key\n",
    ],
)
def test_what_is_never_taken_for_a_foreign_key(text: str) -> None:
    assert not api_keys.foreign(text, "hbk")
    assert api_keys.foreign("sk_live_0123456789abcdef", "hbk")


def test_a_wrong_checksum_is_found_in_less_than_ten_microseconds() -> None:
    key = api_keys.compose("hbk", "test", secrets.token_bytes(32))
    bad = key[:-1] + ("A" if key[-1] != "A" else "B")
    assert api_keys.inspect(bad, "hbk", "test") is Cause.KEY_CHECKSUM
    assert min(timeit.repeat(lambda: api_keys.inspect(bad, "hbk", "test"), number=1000, repeat=7)) / 1000 < 10e-6
