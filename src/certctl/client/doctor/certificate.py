"""The server's certificate: for its name, in its time, on a path to a CA that is trusted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from certctl.client.address import Address
from certctl.client.doctor.readable import is_readable, names_of
from certctl.client.doctor.report import Report
from certctl.client.doctor.tls import Peer
from certctl.client.tls import Codes, verify_text
from certctl.domain.plain_text import shown
from certctl.wire.unreadable import UNREADABLE

CHECK = "certificate"
SOON = dt.timedelta(days=14)

_NOT_OF_TRUST = frozenset(
    {
        Codes.ERR_CERT_HAS_EXPIRED,
        Codes.ERR_CERT_NOT_YET_VALID,
        Codes.ERR_HOSTNAME_MISMATCH,
        Codes.ERR_IP_ADDRESS_MISMATCH,
    }
)


def check_certificate(
    peer: Peer,
    address: Address,
    ca_certificates: Sequence[x509.Certificate],
    now: dt.datetime,
    report: Report,
) -> None:
    """Everything about it; ``ca_certificates`` are what cacerts gave, not yet trusted."""
    if not all(map(is_readable, peer.chain)):
        report.found(
            CHECK,
            "certificate_unreadable",
            "A certificate that the server sends has a name or a time that cannot be read.",
            "Issue it anew by RFC 5280: strict clients refuse it.",
        )
        return
    before = len(report.findings)
    leaf = peer.chain[0]
    _check_time(leaf, now, report)
    _check_name(leaf, peer, address, report)
    _check_chain(peer, ca_certificates, now, report)
    _check_form(leaf, report)
    if len(report.findings) == before:
        days = (leaf.not_valid_after_utc - now).days
        report.good(CHECK, f"{_name(leaf.subject)}, of {_name(leaf.issuer)}, {days} days left.")


def _check_time(leaf: x509.Certificate, now: dt.datetime, report: Report) -> None:
    ends, begins = leaf.not_valid_after_utc, leaf.not_valid_before_utc
    if ends <= now:
        report.found(
            CHECK,
            "certificate_expired",
            f"The server's certificate expired on {ends:%Y-%m-%d %H:%M} UTC.",
            "Renew it on the server.",
        )
    elif begins > now:
        report.found(
            CHECK,
            "certificate_not_yet_valid",
            f"The server's certificate is valid from {begins:%Y-%m-%d %H:%M} UTC on.",
            "Set the clock of this machine, or have it issued again with an earlier begin.",
        )
    elif ends - now < min(SOON, (ends - begins) / 3):
        report.found(
            CHECK,
            "certificate_expires_soon",
            f"The server's certificate expires on {ends:%Y-%m-%d %H:%M} UTC.",
            "Renew it on the server, and find out why that did not happen by itself.",
        )


def _check_name(leaf: x509.Certificate, peer: Peer, address: Address, report: Report) -> None:
    codes = {each.code for each in peer.faults}
    if not codes & {Codes.ERR_HOSTNAME_MISMATCH, Codes.ERR_IP_ADDRESS_MISMATCH}:
        return
    names = ", ".join(map(shown, names_of(leaf))) or "no name at all"
    report.found(
        CHECK,
        "certificate_wrong_name",
        f"The server's certificate is for {names}, not for {shown(address.host)}.",
        "Ask it under a name of its certificate, or have one issued with this name as SAN.",
    )


def _check_chain(
    peer: Peer, ca_certificates: Sequence[x509.Certificate], now: dt.datetime, report: Report
) -> None:
    faults = [each for each in peer.faults if each.code not in _NOT_OF_TRUST]
    for issuer in peer.chain[1:]:
        if issuer.not_valid_after_utc <= now:
            report.found(
                CHECK,
                "chain_expired",
                f"{_name(issuer.subject)} in the server's chain has expired.",
                "Have the server send the CA's current certificate.",
            )
    if not faults:
        return
    leaf, *others = peer.chain
    issuers = [each for each in others if each.subject == leaf.issuer]
    if others and not issuers and leaf.subject != leaf.issuer:
        report.found(
            CHECK,
            "chain_wrong",
            f"The server sends {_name(others[0].subject)}, which did not issue its certificate; "
            f"that was {_name(leaf.issuer)}.",
            "Configure the chain that belongs to the certificate, in order, leaf first.",
        )
        return
    known = [each for each in ca_certificates if each.subject == leaf.issuer]
    is_root = any(each.subject == each.issuer for each in known)
    if not others and leaf.subject != leaf.issuer and not is_root:
        report.found(
            CHECK,
            "chain_incomplete",
            f"The server sends its own certificate alone; {_name(leaf.issuer)}, which issued "
            "it, is not trusted here.",
            "Have the server send the intermediate certificates too. Where that CA is a root, "
            "give it with --ca-bundle.",
        )
        return
    top = _top(peer.chain)
    digest = top.fingerprint(hashes.SHA256()).hex()
    report.found(
        CHECK,
        "certificate_untrusted",
        f"The server's certificate leads to {_name(top.issuer)}, which is not trusted here "
        f"({verify_text(faults[0].code)}; last in the chain: SHA-256 {digest}).",
        "If that is the right CA, give it with --ca-bundle after comparing its fingerprint.",
    )


def _check_form(leaf: x509.Certificate, report: Report) -> None:
    if _is_weak(leaf):
        report.found(
            CHECK,
            "certificate_weak",
            "The server's certificate has an RSA key under 2048 bits, or is signed over SHA-1.",
            "Issue it anew for an EC P-256 key, over SHA-256.",
        )
    usages = _usages(leaf)
    if usages is not None and not usages & {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    }:
        report.found(
            CHECK,
            "certificate_wrong_usage",
            "The server's certificate is not for servers (no serverAuth).",
            "Issue it anew with the extended key usage serverAuth.",
        )


def _is_weak(leaf: x509.Certificate) -> bool:
    try:
        key, algorithm = leaf.public_key(), leaf.signature_hash_algorithm
    except UNREADABLE:
        # Of a kind that is not known here; those are newer, not weaker.
        return False
    weak = isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048
    return weak or isinstance(algorithm, (hashes.SHA1, hashes.MD5))


def _top(chain: Sequence[x509.Certificate]) -> x509.Certificate:
    top = chain[0]
    for each in chain[1:]:
        if each.subject == top.issuer:
            top = each
    return top


def _usages(leaf: x509.Certificate) -> set[x509.ObjectIdentifier] | None:
    try:
        return set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return None


def _name(name: x509.Name) -> str:
    return shown(name.rfc4514_string()) or "a CA without a name"
