"""`hauberk prepare`: what must be done once before services run as processes."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from cli.terminal import out

URL_VARIABLE = "HAUBERK_DATABASE_ADMIN_URL"
HELP = "make keys, certificates, database roles and tables, once"
ABOUT = f"""\
Makes, in a folder of its own, what a set of services needs before its first start:

  keys/       signing keys, pepper, key-encryption keys (0600), in a folder per service that uses them
  tls/        a development certificate authority and a certificate per service, plus backend, operator, Envoy, edge
  database/   a password per database role (0600)
  patterns/   databases of the patterns that redaction looks for, by its policy (0600)
  settings/   a settings file per process for `hauberk serve SERVICE --config FILE` (0600)

and, when the URL of a PostgreSQL administrator is given (--database-admin-url or {URL_VARIABLE}), the roles, schemas
and migrations in that database. Safe to repeat: what exists is kept, what is missing is added, and both are said.

Production refuses the development certificates: bring your own, and use --no-certificates.
"""
EXAMPLES = f"""\
examples:
  hauberk prepare --folder prepared
  {URL_VARIABLE}=postgresql://postgres@db/hauberk hauberk prepare --folder prepared --redis-url redis://redis:6379
  hauberk prepare --folder prepared --hosts            peers by host name (auth:7443), as in docker-compose
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Where, and against which database."""
    parser.add_argument("--folder", type=Path, default=Path("prepared"), help="where to put it (default: %(default)s)")
    parser.add_argument(
        "--database-admin-url", metavar="URL", help=f"PostgreSQL administrator; better by {URL_VARIABLE}"
    )
    parser.add_argument("--redis-url", default="redis://127.0.0.1:6379/0", metavar="URL", help="for the settings files")
    parser.add_argument("--trust-domain", default="hauberk.local", help="SPIFFE trust domain (default: %(default)s)")
    parser.add_argument("--hosts", action="store_true", help="each service on a host of its own name, port 7443")
    parser.add_argument(
        "--bundles", type=Path, metavar="FOLDER", help="also copy, for each process, what it alone needs to FOLDER/NAME"
    )
    parser.add_argument("--no-certificates", action="store_true", help="leave certificates to another authority")
    parser.add_argument("--no-settings", action="store_true", help="write no settings files")


def run(args: argparse.Namespace) -> int:
    """Does what is missing, and says so."""
    from cli.bundles import bundle
    from cli.prepared import Preparation, Site

    database = args.database_admin_url or os.environ.get(URL_VARIABLE, "")
    site = Site(args.folder.resolve(), args.trust_domain, args.redis_url, database, hosts=args.hosts)
    work = Preparation(site)
    work.keys()
    if not args.no_certificates:
        work.certificates()
    work.passwords()
    if database:
        work.database()
    if not args.no_settings:
        work.settings()
    work.patterns()
    if args.bundles:
        bundle(site.folder, args.bundles)
        work.done.append(f"a folder for each process in {args.bundles}")
    console = out()
    for line in work.done:
        console.print(f"[green]made[/]  {line}", soft_wrap=True)
    for line in work.kept:
        console.print(f"[bright_black]kept[/]  {line}", soft_wrap=True)
    if not database:
        console.print(f"[yellow]left[/]  the database: give --database-admin-url or {URL_VARIABLE}", soft_wrap=True)
    return 0
