"""Arguments that say where retention works, and its default policy: nothing that a command line has to wait for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

DEFAULT_POLICY = Path(__file__).resolve().parents[1] / "policies" / "retention.yaml"


def add_place(parser: Any) -> None:
    """Where: a data folder, or what a production is made of."""
    parser.add_argument("--database-url", default="", metavar="URL", help="PostgreSQL of a production, without a user")
    parser.add_argument("--passwords", type=Path, metavar="DIR", help="folder database/ of `hauberk prepare`")
    parser.add_argument(
        "--redis-url", default="", metavar="URL", help="Redis of a production; better by HAUBERK_REDIS_URL"
    )
    parser.add_argument("--keys", type=Path, metavar="DIR", help="key files of audit (keys/audit of `hauberk prepare`)")
    parser.add_argument(
        "--archive", type=Path, metavar="DIR", help="where months of the trail go (default: DATA/archive)"
    )
    parser.add_argument(
        "--policy", type=Path, default=DEFAULT_POLICY, metavar="FILE", help="instead of policies/retention.yaml"
    )
