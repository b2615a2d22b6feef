"""`hauberk certs dev|check`: development certificates, and what is to be said of any."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import CliError
from cli.terminal import out, print_json

if TYPE_CHECKING:
    from cli.certificates import Report

HELP = "make development certificates; check any, and what a server accepts"
ABOUT = """\
  dev     makes a development authority and a certificate for each service, for backend/app and for operator. What
          exists is kept, unless --force renews it. Running processes take renewed files by themselves
  check   says of every certificate in the folder until when it holds, what it names, whether an authority of ca.crt
          signed it, and whether its key is private and its own. --probe asks a server which versions of TLS it accepts

The authority is changed in three steps, with every process running: --new-authority (both are trusted), --force (all
certificates from the new one), --drop-old-authorities. Wait some seconds in between, until all processes took them.

Production refuses the development authority: bring certificates of your own, and check them here.
"""
EXAMPLES = """\
examples:
  hauberk certs dev --folder prepared/tls
  hauberk certs dev --folder prepared/tls --workload backend/shop
  hauberk certs dev --folder prepared/tls --force
  hauberk certs check --folder prepared/tls
  hauberk certs check --folder .hauberk/tls --probe 127.0.0.1:7443

exit status: 0 all is well, 1 a certificate is of no use, or TLS below 1.3 is accepted, 2 could not be done
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, and where."""
    parser.add_argument("what", choices=("dev", "check"))
    parser.add_argument("--folder", type=Path, default=Path("prepared/tls"), help="default: %(default)s")
    parser.add_argument(
        "--trust-domain", default="hauberk.local", help="dev: SPIFFE trust domain (default: %(default)s)"
    )
    parser.add_argument("--workload", metavar="W", help="dev: this one alone, e.g. backend/shop")
    parser.add_argument("--force", action="store_true", help="dev: renew what exists")
    parser.add_argument("--new-authority", action="store_true", help="dev: add an authority; the old one stays trusted")
    parser.add_argument("--drop-old-authorities", action="store_true", help="dev: trust the newest authority alone")
    parser.add_argument("--probe", metavar="ADDRESS", help="check: host:port of a service port")
    parser.add_argument(
        "--as", dest="identity", metavar="NAME", help="check: probe with this certificate of the folder"
    )
    parser.add_argument("--json", action="store_true", help="check: print JSON instead")


def run(args: argparse.Namespace) -> int:
    """Does one of the two."""
    return _dev(args) if args.what == "dev" else _check(args)


def _dev(args: argparse.Namespace) -> int:
    from services.kit import certs

    folder: Path = args.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / "ca.crt").exists() and not (folder / "ca.pem").exists():
        raise CliError(f"{folder} has an authority of somebody else (ca.crt without ca.pem): choose another folder")
    if args.new_authority:
        certs.add_authority(folder)
        out().print("[green]made[/]  a new authority; the old one stays trusted", soft_wrap=True)
        return 0
    if args.drop_old_authorities:
        return _drop(folder)
    for workload in [args.workload] if args.workload else _workloads(folder):
        _issue(folder, args.trust_domain, workload, force=args.force)
    return 0


def _issue(folder: Path, domain: str, workload: str, *, force: bool) -> None:
    from cli.certificates import examine, served_by
    from cli.prepared import serves
    from services.kit import certs

    path = folder / f"{workload.replace('/', '-')}.crt"
    before = path.read_bytes() if path.exists() else b""
    # A renewed one serves what it served: in a data folder, one certificate serves all.
    names = served_by(path) if before else serves(workload)
    report = examine(certs.issue(folder, domain, workload, serves=names, renew=force))
    same = path.read_bytes() == before
    word = "[bright_black]kept[/]" if same else "[green]renewed[/]" if before else "[green]made[/]"
    until = f"until {report.ends:%Y-%m-%d}" if report.ends else "; ".join(report.problems)
    out().print(f"{word}  {workload}, {until}{' (--force renews it)' if same else ''}", soft_wrap=True)


def _workloads(folder: Path) -> list[str]:
    """The usual ones, and whoever has a certificate there already."""
    from cli.certificates import examine, pairs_in
    from cli.prepared import CLIENTS
    from cli.services import NAMES

    known = [examine(files).workload.partition("://")[2].partition("/")[2] for files in pairs_in(folder)]
    return list(dict.fromkeys([*NAMES, *CLIENTS, *filter(None, known)]))


def _drop(folder: Path) -> int:
    from cli.certificates import examine, pairs_in
    from services.kit import certs

    left = [files.cert.name for files in pairs_in(folder) if not certs.of_newest_authority(files)]
    if left:
        raise CliError(f"not of the newest authority yet: {', '.join(left)}; renew them first with --force")
    dropped = certs.drop_older_authorities(folder)
    out().print(f"[green]dropped[/]  {dropped} older authorities", soft_wrap=True)
    return 1 if any(examine(files).problems for files in pairs_in(folder)) else 0


def _check(args: argparse.Namespace) -> int:
    from cli.certificates import examine, examine_authorities, pairs_in

    pairs = list(pairs_in(args.folder))
    if not pairs:
        raise CliError(f"no certificates (*.crt) in {args.folder}")
    reports = [examine_authorities(args.folder / "ca.crt"), *map(examine, pairs)]
    versions = _probe(args) if args.probe else {}
    old = [name for name, accepted in versions.items() if accepted and name != "TLSv1_3"]
    bad = any(report.problems for report in reports) or bool(old) or (bool(versions) and not versions["TLSv1_3"])
    if args.json:
        print_json({"certificates": [_as_dict(report) for report in reports], "accepts": versions})
        return int(bad)
    for report in reports:
        _say(report)
    for name, accepted in versions.items():
        words = "accepted" if accepted else "refused"
        colour = "green" if accepted == (name == "TLSv1_3") else "red"
        out().print(f"[{colour}]{words}[/]  {name.replace('v', ' ').replace('_', '.')} by {args.probe}", soft_wrap=True)
    return int(bad)


def _probe(args: argparse.Namespace) -> dict[str, bool]:
    from cli.certificates import pairs_in, probe

    known = {files.cert.stem: files for files in pairs_in(args.folder)}
    files = known.get(args.identity) if args.identity else next(iter(known.values()))
    if files is None:
        raise CliError(f"no certificate {args.identity} in {args.folder}; there are {', '.join(known)}")
    try:
        return probe(args.probe, files)
    except (OSError, ValueError) as error:
        raise CliError(f"{args.probe} cannot be probed ({type(error).__name__})") from None


def _say(report: Report) -> None:
    from rich.markup import escape

    word = (
        "[red]bad[/]" if report.problems else "[yellow]soon[/]" if "expires soon" in report.notes else "[green]good[/]"
    )
    facts = [report.workload, f"serves {', '.join(report.serves)}" if report.serves else "", *report.notes]
    if report.ends:
        days = (report.ends - datetime.now(UTC)).days
        facts.append(f"until {report.ends:%Y-%m-%d} ({days} days)")
    line = "; ".join(filter(None, [*report.problems, *facts]))
    out().print(f"{word}  {report.name}: {escape(line)}", soft_wrap=True)


def _as_dict(report: Report) -> dict[str, object]:
    return {
        "name": report.name,
        "workload": report.workload,
        "serves": list(report.serves),
        "until": report.ends.isoformat() if report.ends else "",
        "problems": report.problems,
        "notes": report.notes,
    }
