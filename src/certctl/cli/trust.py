"""``certctl-server trust``: whom profiles believe, and taking over a changed file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from certctl.authority.commands import ReloadTrust, TrustReloaded
from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import EXIT_FAILED, EXIT_NOT_FOUND, EXIT_REFUSED, complain, stop
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.text import OutputForm, print_data, table, utc
from certctl.domain.errors import Failure, TrustRefused
from certctl.domain.failure_words import words_of
from certctl.domain.profiles import profile_name

if TYPE_CHECKING:
    from certctl.domain.trust_change import TrustChange
    from certctl.domain.trust_report import BundleReport
    from certctl.settings.schema import Settings

COLUMNS = ("SUBJECT", "ISSUER", "SERIAL", "NOT AFTER", "DAYS LEFT")

trust = typer.Typer(
    name="trust",
    help="Trust bundles: whom each EST profile believes.",
    epilog="Example: certctl-server trust reload --profile corp",
    no_args_is_help=True,
)

Profile = Annotated[
    str | None,
    typer.Option("--profile", help="Path ID; all profiles with a bundle when left out."),
]


@trust.callback()
def _group() -> None:
    """Trust bundles: whom each EST profile believes."""


@trust.command("list")
@spread
def list_anchors(
    printing: Printing,
    *,
    profile: Profile = None,
    as_json: Annotated[bool, typer.Option("--json", help="As --output json.")] = False,
    config: ConfigFile = None,
) -> None:
    """Show the anchors in force, when they expire, and whether their file has changed since.

    Beside a running server: what its workers have loaded. Without one: the files.

    Example: certctl-server trust list --profile corp
    """
    settings = settings_or_exit(config, check_files=False)
    from certctl.wiring.clock import system_clock  # noqa: PLC0415 - loads the server
    from certctl.wiring.trust_report import trust_reports  # noqa: PLC0415 - the same

    chosen = _chosen(settings, profile)
    now_us = system_clock()
    reports = [
        report for path_id in chosen for report in trust_reports(settings, path_id, now_us=now_us)
    ]
    if as_json:
        printing = replace(printing, output=OutputForm.JSON)
    printing.show(
        {"data": [each.as_json() for each in reports]},
        lambda: print(
            "\n\n".join(_text(each) for each in reports) or "No profile has a trust bundle."
        ),
    )


@trust.command()
@spread
def reload(printing: Printing, *, profile: Profile = None, config: ConfigFile = None) -> None:
    """Have the running server read bundles and lists of registration authorities again.

    A bad one keeps the old state.

    The same as SIGHUP to the server, but it says what came of it, and the audit event
    names you. Exit code 5 when a bundle was refused.

    Example: certctl-server trust reload --profile corp
    """
    settings = settings_or_exit(config, check_files=False)
    from certctl.store import StoreError  # noqa: PLC0415 - loads the database, as below
    from certctl.wiring import host  # noqa: PLC0415

    code = 0
    changes: list[dict[str, Any]] = []
    for path_id, registration in _files(settings, _chosen(settings, profile)):
        try:
            command = ReloadTrust(path_id=path_id, actor=host.operator(), registration=registration)
            done = host.run_command(settings, command, answer=TrustReloaded)
        except TrustRefused as refused:
            complain(f"{profile_name(path_id)}: not reloaded: {refused.problem}")
            complain(f"  remedy: {refused.remedy}")
            code = EXIT_FAILED if refused.reason == "not_running" else EXIT_REFUSED
        except (StoreError, Failure) as failure:
            complain(f"{profile_name(path_id)}: not reloaded: {words_of(failure)}")
            code = code or EXIT_FAILED
        else:
            change = done.change
            if printing.form is not OutputForm.TABLE:
                changes.append(_data(path_id, change, registration=registration))
                continue
            state = "reloaded" if change.changed else "reloaded, nothing has changed"
            number = _number(change.count, "authority" if registration else "anchor")
            print(f"{profile_name(path_id)}: {state}; {number} from {change.path}")
            for sign, anchors in (("+", change.added), ("-", change.removed)):
                for anchor in anchors:
                    print(f"  {sign} {anchor}")
    if printing.form is not OutputForm.TABLE:
        print_data({"data": changes}, printing.form)
    raise typer.Exit(code)


def _data(path_id: str, change: TrustChange, *, registration: bool) -> dict[str, Any]:
    return {
        "path_id": path_id,
        "kind": "registration_authorities" if registration else "trust_bundle",
        "path": str(change.path),
        "changed": change.changed,
        "count": change.count,
        "added": [str(each) for each in change.added],
        "removed": [str(each) for each in change.removed],
    }


def _chosen(settings: Settings, profile: str | None) -> list[str]:
    """Profiles to speak of: the one asked for, or all that have a bundle."""
    if profile is not None:
        if profile not in {each.profile.path_id for each in settings.est.profiles}:
            stop(f"there is no EST profile {profile!r}.", EXIT_NOT_FOUND)
        return [profile]
    return [
        each.profile.path_id
        for each in settings.est.profiles
        if each.trust_bundle_path is not None or each.ra_certificates_path is not None
    ]


def _files(settings: Settings, chosen: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """What there is to reload: (path ID, it is the list of registration authorities)."""
    profiles = {each.profile.path_id: each for each in settings.est.profiles}
    for path_id in chosen:
        found = profiles[path_id]
        # Asked for by name, a profile without either says so.
        if found.trust_bundle_path is not None or found.ra_certificates_path is None:
            yield path_id, False
        if found.ra_certificates_path is not None:
            yield path_id, True


def _text(report: BundleReport) -> str:
    what = " registration authorities" if report.kind == "registration_authorities" else ""
    lines = [f"{profile_name(report.path_id)}{what}  {report.path or 'no trust bundle'}"]
    if report.accepted_us is not None:
        lines.append(f"  in force since {utc(report.accepted_us)}Z, sha256 {report.sha256}")
    if report.anchors:
        lines += ["  " + line for line in _table(report)]
    lines += [f"  {note}" for note in report.notes]
    return "\n".join(lines)


def _table(report: BundleReport) -> list[str]:
    rows = [
        (
            each.subject,
            each.issuer,
            each.serial,
            f"{utc(each.not_after_us)}Z",
            "EXPIRED" if each.expired else str(each.days_left),
        )
        for each in report.anchors
    ]
    return table(COLUMNS, rows)


def _number(count: int, what: str) -> str:
    plural = {"anchor": "anchors", "authority": "authorities"}[what]
    return f"1 {what}" if count == 1 else f"{count} {plural}"
