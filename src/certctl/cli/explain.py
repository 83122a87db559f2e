"""``certctl-server explain``: what would become of a CSR, rule by rule; nothing is issued."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import (
    EXIT_FAILED,
    EXIT_NOT_FOUND,
    EXIT_PENDING,
    EXIT_REFUSED,
    EXIT_USAGE,
    from_records,
    stop,
)
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.text import utc
from certctl.domain.errors import NotFound
from certctl.domain.explanation import Question
from certctl.domain.profiles import ENROLLING, Operation, profile_name

if TYPE_CHECKING:
    from certctl.domain.explanation import Explanation, WouldBe
    from certctl.domain.profiles import EstProfile
    from certctl.settings.schema import Settings

MOST_READ = 16 * 1024 * 1024 + 1
"""Octets: one more than the highest EST_MAX_BODY."""

SIGNS = {"passed": "ok", "failed": "NO", "not_judged": "--"}


class TlsVersion(StrEnum):
    """As clients name them."""

    TLS12 = "1.2"
    TLS13 = "1.3"


@spread
def explain(
    printing: Printing,
    *,
    csr: Annotated[
        Path, typer.Option("--csr", help="The CSR in PEM, base64 or DER; - is standard input.")
    ],
    profile: Annotated[
        str | None,
        typer.Option("--profile", help="Path ID; may be left out where there is one profile."),
    ] = None,
    operation: Annotated[Operation, typer.Option(help="What the device asks for.")] = (
        Operation.SIMPLEENROLL
    ),
    user: Annotated[
        str | None, typer.Option(help="It uses HTTP Basic as this user; no password is judged.")
    ] = None,
    cert: Annotated[
        Path | None,
        typer.Option(help="It shows this client certificate (PEM, with its intermediates)."),
    ] = None,
    source: Annotated[str, typer.Option(help="It comes from this address.")] = "",
    tls_version: Annotated[TlsVersion, typer.Option(help="It speaks this TLS.")] = TlsVersion.TLS13,
    config: ConfigFile = None,
) -> None:
    """Tell what a CSR would get, rule by rule. Issues nothing and leaves nothing on record.

    Works beside a running server and without one. Exit code 0: it would be issued; 5: it
    would be refused; 6: operators would have to approve it first.

    Example: certctl-server explain --profile iot --csr device.csr --user device-1
    """
    if operation not in ENROLLING:
        stop(f"--operation {operation} takes no CSR; choose one of: {_enrolling()}.", EXIT_USAGE)
    settings = settings_or_exit(config, check_files=False)
    path_id = _path_id(settings, profile)
    question = Question(
        path_id=path_id,
        operation=operation,
        body=_read(csr, "--csr"),
        user=user,
        chain=_chain(cert) if cert is not None else (),
        source=source,
        tls_version=f"TLSv{tls_version}",
    )
    explained = _explained(settings, question)
    (est_profile,) = (
        each.profile for each in settings.est.profiles if each.profile.path_id == path_id
    )

    def data() -> object:
        from certctl.web.explained import as_json  # noqa: PLC0415 - beside its only use

        return as_json(explained, est_profile)

    printing.show(data, lambda: print("\n".join(_lines(explained, est_profile))))
    raise typer.Exit(_code(explained))


def _explained(settings: Settings, question: Question) -> Explanation:
    from certctl.obs.log import Level, make_log  # noqa: PLC0415 - with the server
    from certctl.settings.certificate_profiles import (  # noqa: PLC0415
        CertificateProfilesRefused,
    )
    from certctl.trust.bundle import BundleRefused  # noqa: PLC0415
    from certctl.wiring import host  # noqa: PLC0415
    from certctl.wiring.clock import system_clock  # noqa: PLC0415
    from certctl.wiring.explain import explain as run  # noqa: PLC0415

    log = make_log("explain", level=Level.WARNING, text=True, clock=system_clock)
    try:
        return from_records(
            settings,
            lambda records: run(
                settings,
                question,
                records,
                running=host.is_running(settings),
                log=log,
                clock=system_clock,
            ),
        )
    except NotFound as missing:
        stop(f"there is no {missing}.", EXIT_NOT_FOUND)
    except (BundleRefused, CertificateProfilesRefused, OSError, ValueError) as refused:
        stop(f"what to judge by cannot be read: {refused}", EXIT_FAILED)


def _path_id(settings: Settings, profile: str | None) -> str:
    known = [each.profile.path_id for each in settings.est.profiles]
    if profile is None:
        if len(known) != 1:
            names = ", ".join(map(profile_name, known)) or "none: CERTCTL_EST_ENABLED is off"
            stop(f"choose an EST profile with --profile; there are: {names}.", EXIT_USAGE)
        return known[0]
    if profile not in known:
        names = ", ".join(map(profile_name, known)) or "none"
        stop(f"there is no EST profile {profile!r}; there are: {names}.", EXIT_NOT_FOUND)
    return profile


def _enrolling() -> str:
    return ", ".join(sorted(ENROLLING))


def _read(path: Path, option: str) -> bytes:
    """A file, or standard input; no more than the largest body a server may be set to read."""
    if str(path) == "-":
        return sys.stdin.buffer.read(MOST_READ)
    try:
        with path.open("rb") as file:
            return file.read(MOST_READ)
    except OSError as err:
        stop(f"{option}: {path} cannot be read ({err.strerror}); mend the path.", EXIT_USAGE)


def _chain(path: Path) -> tuple[bytes, ...]:
    from cryptography import x509  # noqa: PLC0415 - loads the cryptography
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    from certctl.wire.unreadable import UNREADABLE  # noqa: PLC0415 - loads it, too

    try:
        found = x509.load_pem_x509_certificates(_read(path, "--cert"))
    except UNREADABLE:
        stop(f"--cert: {path} holds no PEM certificate; give the device's own.", EXIT_USAGE)
    return tuple(each.public_bytes(Encoding.DER) for each in found)


def _code(explained: Explanation) -> int:
    if explained.refusal is None:
        return 0
    return EXIT_PENDING if explained.waits else EXIT_REFUSED


def _lines(explained: Explanation, profile: EstProfile) -> list[str]:
    from certctl.web.explained import rule_text  # noqa: PLC0415 - with the server

    lines = [f"{explained.operation.value} at profile {profile_name(profile.path_id)}", ""]
    width = max(len(each.rule) for each in explained.findings)
    for finding in explained.findings:
        text = rule_text(finding, profile)
        told = text.came or text.note or text.wanted
        lines.append(f"{SIGNS[text.verdict]}  {text.rule.ljust(width)}  {told}")
        if text.came:
            indent = " " * (width + 6)
            lines += [f"{indent}wanted: {text.wanted}", f"{indent}remedy: {text.remedy}"]
    return [*lines, "", *_end(explained)]


def _end(explained: Explanation) -> list[str]:
    refusal = explained.refusal
    would_be = explained.would_be
    if would_be is None:
        by = f", first by {refusal.rule.value}" if refusal is not None else ""
        return [f"It would be refused{by}."]
    if explained.waits:
        first = "Operators would have to approve it; then it would get:"
    elif would_be.repeated:
        first = "It would get the certificate it was given before:"
    else:
        first = "It would be issued:"
    return [first, *(f"  {name.ljust(12)} {value}" for name, value in _contents(would_be))]


def _contents(would_be: WouldBe) -> list[tuple[str, str]]:
    ends = f"{utc(would_be.not_after_us)}Z"
    if would_be.shorter_percent:
        ends += f", or up to {would_be.shorter_percent}% of the lifetime earlier"
    return [
        ("subject", would_be.subject or "empty"),
        ("SANs", ", ".join(would_be.sans) or "none"),
        ("usages", ", ".join(would_be.ekus) or "none"),
        ("key", would_be.key),
        ("valid from", f"{utc(would_be.not_before_us)}Z"),
        ("valid until", ends),
        ("rules", f"certificate profile {would_be.certificate_profile}"),
        ("issuer", would_be.issuer_id),
        ("renews", would_be.renews or "nothing"),
    ]
