"""CAs and trust anchors as they are now, for notices of what expires soon."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.clock import SECOND_US
from certctl.domain.events import EventType
from certctl.domain.profiles import profile_name
from certctl.jobs.expiry import Expiring
from certctl.obs.log import Log
from certctl.settings.schema import IssuerSettings, Settings
from certctl.trust.accepted import load_accepted
from certctl.trust.bundle import Anchor, BundleRefused
from certctl.wire.cloudevents import rfc3339
from certctl.wiring.issuers import ca_certificate_file
from certctl.wiring.reload import trust_directory


def expiring(settings: Settings, log: Log) -> list[Expiring]:
    """The certificates of each issuer's chain, and each anchor of each profile."""
    found: list[Expiring] = []
    for issuer in settings.issuers:
        try:
            found += _chain(issuer, settings)
        except (OSError, ValueError) as err:
            log.warning("expiry_unknown", issuer=issuer.id, problem=str(err))
    directory = trust_directory(settings.server)
    for each in settings.est.profiles:
        if each.trust_bundle_path is None:
            continue
        path_id = each.profile.path_id
        try:
            anchors = load_accepted(directory, path_id).bundle.anchors
        except (BundleRefused, OSError) as err:
            log.warning("expiry_unknown", profile=path_id, problem=str(err))
            continue
        found += (_anchor(path_id, anchor) for anchor in anchors)
    return found


def _chain(issuer: IssuerSettings, settings: Settings) -> Iterator[Expiring]:
    path = ca_certificate_file(issuer, settings.server.data_dir)
    for certificate in x509.load_pem_x509_certificates(path.read_bytes()):
        digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
        end = certificate.not_valid_after_utc.astimezone(UTC)
        not_after_us = int(end.timestamp()) * SECOND_US
        yield Expiring(
            type=EventType.CA_EXPIRING_SOON,
            key=f"{issuer.id}/{digest}",
            subject=f"ca/{issuer.id}",
            not_after_us=not_after_us,
            data={
                "issuer_id": issuer.id,
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
