"""Rows of members and brands, as every statement reads them."""

from __future__ import annotations

from typing import Any

from services.tenancy.policy import Brand, Member

MEMBER = """
m.user_id, m.roles, m.all_brands, extract(epoch FROM m.joined_at)::float8,
m.display_name, m.suspended, extract(epoch FROM m.changed_at)::float8, m.etag,
ARRAY(SELECT mb.brand_id FROM tenancy.member_brands mb WHERE mb.org_id = m.org_id AND mb.user_id = m.user_id)
"""
BRAND = """
b.brand_id, b.display_name, b.zone, extract(epoch FROM b.created_at)::float8,
extract(epoch FROM b.changed_at)::float8, b.etag
"""
BRAND_COLUMNS = 6


def member_of(row: tuple[Any, ...]) -> Member:
    """Of the columns MEMBER."""
    user, roles, all_brands, joined_at, display_name, suspended, changed_at, etag, brands = row
    among = frozenset[str]() if all_brands else frozenset(brands)
    return Member(user, tuple(roles), among, all_brands, joined_at, display_name, suspended, changed_at, etag)


def brand_of(row: tuple[Any, ...]) -> Brand:
    """Of the columns BRAND."""
    return Brand(*row)
