"""`hauberk rls check|sql`: row-level security of your own tables."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from cli.errors import CliError
from cli.rls.migration import DEFAULT_TENANT
from cli.terminal import out, print_json

if TYPE_CHECKING:
    from cli.rls.model import Finding

HELP = "check the row-level security of your own tables, or write it"
ABOUT = """\
  check   reads the catalogue of a PostgreSQL database (nothing else, and nothing is changed) and reports tables whose
          rows one tenant could see, write or infer of another: row security off or not forced, tenant policies that
          are permissive or missing or do not check what is written, functions called for every row, no index that
          leads with the tenant, unique values and references across tenants, views with their owner's rights, and
          roles that no policy holds
  sql     writes the migration that puts one table under row-level security

The URL of `check` may stand in the variable DATABASE_URL instead, where a list of processes does not show it.
"""
EXAMPLES = """\
examples:
  hauberk rls check postgresql://reader@localhost/shop --column tenant_id
  hauberk rls check --shared public.countries --strict --json
  hauberk rls sql public.orders --column tenant_id --role shop_app

exit status: 0 nothing found (or written), 1 errors found (with --strict: warnings too), 2 could not be done
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What to look at."""
    parser.add_argument("what", choices=("check", "sql"))
    parser.add_argument("target", nargs="?", default="", metavar="URL|TABLE", help="database URL, or schema.table")
    parser.add_argument("--column", default="org_id", help="column that names the tenant (default: %(default)s)")
    parser.add_argument(
        "--schema", action="append", default=[], metavar="S", help="check: only this schema; repeatable"
    )
    parser.add_argument(
        "--shared",
        action="append",
        default=[],
        metavar="T",
        help="check: schema.table that all tenants share; repeatable",
    )
    parser.add_argument("--strict", action="store_true", help="check: warnings count as errors")
    parser.add_argument("--json", action="store_true", help="check: print JSON instead")
    parser.add_argument("--role", default="app", help="sql: role of the application (default: %(default)s)")
    parser.add_argument(
        "--tenant",
        default=DEFAULT_TENANT,
        metavar="EXPR",
        help="sql: expression of the current tenant (default: a setting)",
    )


def run(args: argparse.Namespace) -> int:
    """Checks or writes."""
    return _check(args) if args.what == "check" else _sql(args)


def _sql(args: argparse.Namespace) -> int:
    from cli.rls.migration import write

    sys.stdout.write(write(args.target, args.column, args.role, args.tenant))
    return 0


def _check(args: argparse.Namespace) -> int:
    from cli.rls import catalogue
    from cli.rls.model import Severity
    from cli.rls.rules import check

    url = args.target or os.environ.get("DATABASE_URL", "")
    if not url:
        raise CliError("rls check needs the URL of a database, or the variable DATABASE_URL")
    read = catalogue.read(url, args.column, args.schema, args.shared)
    if not any(table.has_tenant for table in read.tables):
        raise CliError(f"no table has a column {args.column}: name the tenant's column with --column")
    found = check(read)
    least = Severity.WARNING if args.strict else Severity.ERROR
    if args.json:
        rows = [
            {"rule": f.rule, "severity": f.severity.name.lower(), "where": f.where, "what": f.what, "remedy": f.remedy}
            for f in found
        ]
        print_json({"tables": len(read.tables), "findings": rows})
    else:
        _show(found, len(read.tables))
    return int(any(finding.severity >= least for finding in found))


def _show(found: list[Finding], tables: int) -> None:
    console = out()
    for finding in found:
        console.print(
            f"{finding.severity.name.lower()}: {finding.where}: {finding.what} [{finding.rule}]", markup=False
        )
        console.print(f"    {finding.remedy}", markup=False)
    errors = sum(finding.severity.name == "ERROR" for finding in found)
    console.print(f"{tables} tables, {errors} errors, {len(found) - errors} warnings")
