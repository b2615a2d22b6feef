"""Which policies can apply to a question, found by their heads: cost follows what applies, not what exists.

Every policy stands under exactly the keys its head names, so a question meets a policy exactly when it asks for all of
them. What a head does not restrict stands under ANY, which every question asks for. Conditions are never looked at: the
answer may hold a policy that then says nothing, and never lacks one that would have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from services.tenancy.policy.statement import ANY, Policy

Buckets = dict[str, list[int]]


class Index:
    """Over an ordered list of policies, named by their position."""

    def __init__(self) -> None:
        self.policies: list[Policy] = []
        self._heads: dict[tuple[str, str], Buckets] = {}

    def add(self, policies: Iterable[Policy]) -> None:
        """Appends policies."""
        for policy in policies:
            number = len(self.policies)
            self.policies.append(policy)
            for action in policy.actions or (ANY,):
                buckets = self._heads.setdefault((policy.principal, action), {})
                buckets.setdefault(policy.resource, []).append(number)

    def heads(self, principals: Iterable[str], actions: Iterable[str]) -> tuple[Buckets, ...]:
        """The part that can concern these principals and actions, for any number of resources."""
        actions = (ANY, *actions)
        found = (self._heads.get((who, action)) for who in (ANY, *principals) for action in actions)
        return tuple(buckets for buckets in found if buckets)

    @staticmethod
    def candidates(heads: Sequence[Buckets], resources: Sequence[str]) -> tuple[int, ...]:
        """The policies of those heads that can concern any of these resource keys, in order."""
        found: set[int] = set()
        for buckets in heads:
            for key in (ANY, *resources):
                if key in buckets:
                    found.update(buckets[key])
        return tuple(sorted(found))

    @staticmethod
    def without(heads: Sequence[Buckets], types: Collection[str]) -> tuple[int, ...]:
        """The policies of those heads but for those that can only concern resources of these types, in order."""
        return tuple(sorted({n for buckets in heads for key in buckets if key not in types for n in buckets[key]}))

    def widest(self, groups: Mapping[str, Sequence[str]]) -> tuple[str, int]:
        """The action (`groups` names the groups of each) for which most policies could meet in one question: that
        action and an upper bound. A member may hold every role, but is one user."""
        totals = self._totals()
        bound = {
            action: sum(totals[key][0] for key in (ANY, action, *inside))
            + sum(totals[key][1] for key in (ANY, action, *inside))
            for action, inside in groups.items()
        }
        worst = max(bound, key=lambda action: bound[action])
        return worst, bound[worst]

    def _totals(self) -> dict[str, tuple[int, int]]:
        """For each action key: policies for anybody or any role, and the most for a single user."""
        shared: dict[str, int] = defaultdict(int)
        single: dict[str, int] = defaultdict(int)
        for (who, action), buckets in self._heads.items():
            most = _most(buckets)
            if who.startswith("User::"):
                single[action] = max(single[action], most)
            else:
                shared[action] += most
        return defaultdict(lambda: (0, 0), {key: (shared[key], single[key]) for key in {*shared, *single}})


def _most(buckets: Buckets) -> int:
    types = [len(found) for key, found in buckets.items() if key and key[0] != "?" and "::" not in key]
    single = [len(found) for key, found in buckets.items() if key and key[0] != "?" and "::" in key]
    shared = sum(len(found) for key, found in buckets.items() if key == ANY or key[0] == "?")
    return shared + max(types, default=0) + max(single, default=0)
