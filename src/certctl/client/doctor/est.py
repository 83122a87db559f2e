"""EST by its answers: cacerts, csrattrs, authentication, and the server's clock."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from email.utils import parsedate_to_datetime

from cryptography import x509

from certctl.client.answers import certificates_in, octets_of
from certctl.client.doctor.asking import Questions, first_line, is_redirected
from certctl.client.doctor.readable import is_readable
from certctl.client.doctor.report import Report
from certctl.client.est import EstServer
from certctl.client.failures import BadAnswer
from certctl.client.http import Answer
from certctl.domain.plain_text import shown
from certctl.wire.csrattrs_reader import decode_csrattrs, described
from certctl.wire.der import DerError
from certctl.wire.unreadable import UNREADABLE

CA_SOON = dt.timedelta(days=90)
SKEW_SECONDS = 60.0

PKCS7 = "application/pkcs7-mime"
CSRATTRS = "application/csrattrs"


def check_cacerts(
    answer: Answer | None, now: dt.datetime, report: Report
) -> list[x509.Certificate]:
    """RFC 7030 §4.1; gives what can be read of it."""
    if answer is None or is_redirected(answer, "cacerts", report):
        return []
    if answer.status != 200:
        report.found(
            "cacerts",
            "cacerts_refused",
            f"cacerts is answered with {answer.status}. {first_line(answer)}",
            "cacerts is for everybody (RFC 7030 §4.1.1). Compare --profile with the paths "
            "that the server has.",
        )
        return []
    _check_type(answer, "cacerts", PKCS7, report)
    try:
        octets = octets_of(answer.body, "cacerts")
    except BadAnswer as bad:
        report.found(
            "cacerts",
            "cacerts_not_base64",
            bad.what,
            "Send the PKCS#7 as base64 (RFC 8951 §3.1).",
        )
        return []
    if not octets:
        report.found(
            "cacerts", "cacerts_empty", "cacerts is empty.", "Configure the CA's certificates."
        )
        return []
    try:
        found = certificates_in(answer.body, "cacerts")
    except BadAnswer as bad:
        report.found(
            "cacerts",
            "cacerts_malformed",
            bad.what,
            "Send a certs-only PKCS#7 (RFC 7030 §4.1.3) with at least the CA's certificate.",
        )
        return []
    return check_cas(found, now, report)


def check_csrattrs(answer: Answer | None, report: Report) -> None:
    """RFC 7030 §4.5, RFC 8951 §3.5."""
    if answer is None or is_redirected(answer, "csrattrs", report):
        return
    if answer.status in (204, 404):
        report.good("csrattrs", f"The server wants nothing in particular ({answer.status}).")
        return
    if answer.status == 401:
        report.note("csrattrs", "csrattrs is for authenticated devices alone (401).")
        return
    if answer.status != 200:
        report.found(
            "csrattrs",
            "csrattrs_refused",
            f"csrattrs is answered with {answer.status}. {first_line(answer)}",
            "Answer 200 with CsrAttrs, or 204 (RFC 7030 §4.5.2).",
        )
        return
    _check_type(answer, "csrattrs", CSRATTRS, report)
    try:
        der = octets_of(answer.body, "csrattrs")
        wanted = [described(each) for each in decode_csrattrs(der)]
    except (BadAnswer, DerError) as bad:
        report.found(
            "csrattrs",
            "csrattrs_malformed",
            f"csrattrs cannot be read: {str(bad).rstrip('.')}.",
            "Send base64 of DER CsrAttrs, as RFC 8951 §3.5 has it; devices stop here otherwise.",
        )
        return
    report.good("csrattrs", f"Wanted: {', '.join(map(shown, wanted)) or 'nothing'}.")


def check_authentication(server: EstServer, questions: Questions, report: Report) -> None:
    """What stands between anybody and a certificate (RFC 7030 §3.2.3).

    Asked without credentials, with octets that are no request.
    """
    nobody = replace(server, basic=None, identity=None, route=server.route or "est")
    answer = questions.enroll_nothing(nobody, "authentication")
    if answer is None or is_redirected(answer, "authentication", report):
        return
    match answer.status:
        case 401:
            challenge = answer.headers.get("www-authenticate", "")
            if not challenge.strip():
                report.found(
                    "authentication",
                    "challenge_missing",
                    "Without credentials the answer is 401, without WWW-Authenticate.",
                    "Send one (RFC 9110 §11.6.1): devices that wait for it never log in.",
                )
                return
            report.good("authentication", f"Credentials are asked for: {shown(challenge)}.")
        case 403:
            report.good("authentication", "Without credentials the answer is 403.")
        case 404:
            report.found(
                "authentication",
                "enroll_missing",
                "There is no simpleenroll on this path (404).",
                "Compare --profile with the paths that the server has.",
            )
        case status if status in range(200, 300):
            report.found(
                "authentication",
                "nonsense_accepted",
                f"Octets that are no request were answered with {status}, without credentials.",
                "Do not use this server: it does not look at what it is asked.",
            )
        case status if status in range(400, 500) and status != 429:
            report.found(
                "authentication",
                "anonymous_enrollment",
                f"The server looked at a request without any credentials ({status}): anybody "
                "who reaches it may enroll.",
                "Have it ask for a password or a client certificate. (A server that reads "
                "requests before it asks who sent them looks alike.)",
            )
        case status:
            report.found(
                "authentication",
                "enroll_failed",
                f"simpleenroll is answered with {status}. {first_line(answer)}",
                "Ask the server's operator; nothing was wrong but the request itself.",
            )


def check_dry_enrollment(server: EstServer, questions: Questions, report: Report) -> None:
    """With credentials: whether they open, by a request that nobody can grant."""
    answer = questions.enroll_nothing(server, "dry enrollment")
    if answer is None or is_redirected(answer, "dry enrollment", report):
        return
    match answer.status:
        case 400 | 415 | 422:
            report.good(
                "dry enrollment",
                f"The credentials open; the malformed request was refused ({answer.status}).",
            )
        case 401 | 403:
            report.found(
                "dry enrollment",
                "credentials_refused",
                f"The credentials are refused ({answer.status}). {first_line(answer)}",
                "Compare user, password or client certificate with the profile's.",
            )
        case status if status in range(200, 300):
            report.found(
                "dry enrollment",
                "nonsense_accepted",
                f"Octets that are no request were answered with {status}.",
                "Do not use this server: it does not look at what it is asked.",
            )
        case status:
            report.found(
                "dry enrollment",
                "enroll_failed",
                f"simpleenroll is answered with {status}. {first_line(answer)}",
                "Ask the server's operator.",
            )


def check_clock(answer: Answer | None, now: dt.datetime, report: Report) -> None:
    """The server's clock by its Date header (RFC 9110 §6.6.1)."""
    if answer is None:
        report.skipped("clock", "No answer tells the server's time.")
        return
    text = answer.headers.get("date", "")
    try:
        told = parsedate_to_datetime(text) if text else None
    except (ValueError, OverflowError):
        told = None
    if told is None:
        report.note("clock", "The server does not tell its time (no Date header).")
        return
    told = told if told.tzinfo is not None else told.replace(tzinfo=dt.UTC)
    skew = (told - now).total_seconds()
    if abs(skew) > SKEW_SECONDS:
        ahead = "ahead of" if skew > 0 else "behind"
        report.found(
            "clock",
            "clock_skew",
            f"The server's clock is {abs(skew):.0f} seconds {ahead} this machine's.",
            "Have both keep time by NTP; certificates begin and end by these clocks.",
        )
        return
    report.good("clock", "The server's clock and this machine's agree within a minute.")


def check_cas(
    sent: list[x509.Certificate], now: dt.datetime, report: Report
) -> list[x509.Certificate]:
    """The certificates of cacerts; gives those that can be read."""
    before = len(report.findings)
    found = [each for each in sent if is_readable(each)]
    if len(found) < len(sent):
        report.found(
            "cacerts",
            "cacerts_unreadable",
            "A certificate in cacerts has a name or a time that cannot be read.",
            "Issue it anew by RFC 5280: strict devices refuse it.",
        )
    for each in found:
        name = shown(each.subject.rfc4514_string())
        ends = each.not_valid_after_utc
        if ends <= now:
            report.found(
                "cacerts",
                "ca_expired",
                f"The CA certificate {name} expired on {ends:%Y-%m-%d}.",
                "Replace the CA: what it signed is worth nothing any more.",
            )
        elif ends - now < CA_SOON:
            report.found(
                "cacerts",
                "ca_expires_soon",
                f"The CA certificate {name} expires on {ends:%Y-%m-%d}.",
                "Renew or replace the CA now; no certificate it issues may outlive it.",
            )
    if not any(_is_ca(each) for each in found):
        report.found(
            "cacerts",
            "cacerts_no_ca",
            "None of the certificates in cacerts is of a CA.",
            "Send the certificate of the CA that issues (RFC 7030 §4.1.3).",
        )
    if len(report.findings) == before:
        names = "; ".join(shown(each.subject.rfc4514_string()) for each in found)
        report.good("cacerts", f"{len(found)}: {names}.")
    return found


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return False


def _check_type(answer: Answer, check: str, wanted: str, report: Report) -> None:
    if answer.content_type != wanted:
        came = shown(answer.content_type) or "none"
        report.found(
            check,
            f"{check}_wrong_type",
            f"The content type of {check} is {came}, not {wanted}.",
            f"Send it as {wanted} (RFC 7030 §4); strict devices refuse another.",
        )
