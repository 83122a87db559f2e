"""CAs and trust anchors as they are now, for notices of what expires soon."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC

from cryptography import x509

from certctl.domain.clock import SECOND_US
from certctl.domain.events import EventType
from certctl.domain.failure_words import words_of
from certctl.domain.ports import Records
from certctl.domain.profiles import profile_name
from certctl.domain.stored_issuers import IssuerState
from certctl.jobs.expiry import Expiring
from certctl.obs.log import Log
from certctl.settings.schema import Settings
from certctl.trust.accepted import load_accepted
from certctl.trust.bundle import Anchor, BundleRefused
from certctl.wire.cloudevents import rfc3339
from certctl.wiring.issuers import ca_certificate_file, read_chain
from certctl.wiring.reload import trust_directory


def expiring(settings: Settings, records: Records, log: Log) -> list[Expiring]:
    """The certificates of each issuer's chain, and each anchor of each profile."""
    found: list[Expiring] = []
    chains = {
        row.id: row.chain
        for row in records.stored_issuers()
        if row.state is not IssuerState.DELETED
    }
    for issuer in settings.issuers:
        try:
            chains[issuer.id] = read_chain(ca_certificate_file(issuer, settings.server.data_dir))
        except (OSError, ValueError) as err:
            chains.pop(issuer.id, None)
            log.warning("expiry_unknown", issuer=issuer.id, problem=str(words_of(err)))
    for issuer_id, chain in chains.items():
        found += _chain(issuer_id, chain)
    directory = trust_directory(settings.server)
    for each in settings.est.profiles:
        if each.trust_bundle_path is None:
            continue
        path_id = each.profile.path_id
        try:
            anchors = load_accepted(directory, path_id).bundle.anchors
        except (BundleRefused, OSError) as err:
            log.warning("expiry_unknown", profile=path_id, problem=str(words_of(err)))
            continue
        found += (_anchor(path_id, anchor) for anchor in anchors)
    return found


def _chain(issuer_id: str, chain: Sequence[bytes]) -> Iterator[Expiring]:
    for der in chain:
        certificate = x509.load_der_x509_certificate(der)
        digest = hashlib.sha256(der).hexdigest()
        end = certificate.not_valid_after_utc.astimezone(UTC)
        not_after_us = int(end.timestamp()) * SECOND_US
        yield Expiring(
            type=EventType.CA_EXPIRING_SOON,
            key=f"{issuer_id}/{digest}",
            subject=f"ca/{issuer_id}",
            not_after_us=not_after_us,
            data={
                "issuer_id": issuer_id,
                "subject": certificate.subject.rfc4514_string(),
                "serial": f"{certificate.serial_number:x}",
                "sha256": digest,
                "not_after": rfc3339(not_after_us),
            },
        )


def _anchor(path_id: str, anchor: Anchor) -> Expiring:
    digest = hashlib.sha256(anchor.der).hexdigest()
    return Expiring(
        type=EventType.TRUST_EXPIRING_SOON,
        key=f"{path_id}/{digest}",
        subject=f"trust/{profile_name(path_id)}",
        not_after_us=anchor.not_after_us,
        data={
            "profile": path_id,
            "subject": anchor.subject,
            "sha256": digest,
            "not_after": rfc3339(anchor.not_after_us),
        },
    )
