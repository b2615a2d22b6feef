"""Limits for an edge proxy, which knows no caller yet: by domain and descriptor."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from services.kit.errors import PermissionDenied, Unavailable
from services.ratelimit.policy.descriptors import Asked, EnvoyDomain, draws_of
from services.ratelimit.policy.edge_verdict import EdgeDecision, judge, refuse_unmatched
from services.ratelimit.ports import DescriptorStore

KIND = "envoy"


class Edge:
    """Decides within `seconds`, or raises: then the proxy's own setting for failures holds."""

    def __init__(self, store: DescriptorStore, domains: Mapping[str, EnvoyDomain], seconds: float) -> None:
        self._store = store
        self._domains = domains
        self._seconds = seconds

    def use(self, domains: Mapping[str, EnvoyDomain]) -> None:
        """Takes another version of the policy from the next request on."""
        self._domains = domains

    async def decide(self, workload: str, domain: str, asked: Sequence[Asked]) -> EdgeDecision:
        """Raises `PermissionDenied` for a domain that the workload's certificate does not name, or that the policy
        does not know: one answer for both."""
        known = self._domains.get(domain)
        if known is None or workload != f"{KIND}/{domain}":
            raise PermissionDenied(reason="DOMAIN_NOT_ALLOWED")
        draws, owners = draws_of(known, asked)
        allow = known.unmatched == "allow"
        if None in owners and not allow:
            return refuse_unmatched(owners)
        if not draws:
            return judge([], owners, allow_unmatched=allow)
        try:
            async with asyncio.timeout(self._seconds):
                standings = await self._store.take(domain, draws)
        except TimeoutError:
            raise Unavailable("redis") from None
        return judge(standings, owners, allow_unmatched=allow)
