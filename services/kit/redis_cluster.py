"""A client of a Redis Cluster with the bounds of this house: nothing is repeated but what a redirection asks for."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

SCHEMES = ("redis+cluster://", "rediss+cluster://")
# More than a store lets through at once, as the driver refuses above this instead of waiting.
_SPARE = 4


def is_cluster(url: str) -> bool:
    """Whether a URL names a cluster: `redis+cluster://[user:password@]host:port[,host:port...]`, or `rediss+...`."""
    return url.startswith(SCHEMES)


def cluster_client(url: str, timeout_seconds: float, max_connections: int) -> RedisCluster:
    """A client of the cluster; connects at its first command. Raises ValueError for a URL that is none."""
    parts = urlsplit(url.replace("+cluster", "", 1))
    credentials, _, hosts = parts.netloc.rpartition("@")
    sign = "@" if credentials else ""
    options: dict[str, Any] = {}
    nodes = []
    for host in hosts.split(","):
        options = cast("dict[str, Any]", parse_url(urlunsplit(parts._replace(netloc=f"{credentials}{sign}{host}"))))
        nodes.append(ClusterNode(options.pop("host"), options.pop("port", 6379)))
    if options.pop("connection_class", None) is SSLConnection:
        options["ssl"] = True
    return RedisCluster(
        startup_nodes=nodes,
        retry=Retry(NoBackoff(), 0),
        max_connections=max_connections * _SPARE,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        # One shard that is gone must not take the others with it.
        require_full_coverage=False,
        protocol=2,
        driver_info=None,
        **options,
    )


def connect_with(client: RedisCluster, kind: type[Connection]) -> None:
    """Makes the client use this class of connections for every server that it finds."""
    client.connection_kwargs["connection_class"] = kind
    for node in client.startup_nodes:
        node.connection_class = kind
