"""What may be said of a resource, and what changing it asks for."""

from __future__ import annotations

from collections.abc import Iterable

from services.tenancy.policy.model import Resource

DOCUMENT = "Document"
WRITE = "resources.write"
READ = "resources.read"


def container(resource: Resource) -> Resource:
    """What a resource is added to: its brand, or the organisation as a whole."""
    if resource.brand:
        return Resource("Brand", resource.brand, resource.organisation)
    return Resource("Organisation", resource.organisation, resource.organisation)


def containers(resources: Iterable[Resource]) -> list[Resource]:
    """What all of them are added to, each once."""
    return list(dict.fromkeys(map(container, resources)))


def twice(resources: Iterable[Resource]) -> bool:
    """Whether one of them is named more than once."""
    refs = [(resource.type, resource.id) for resource in resources]
    return len(set(refs)) < len(refs)
