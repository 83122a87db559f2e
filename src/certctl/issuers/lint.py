"""RFC 5280 lint of a certificate by ``pkilint`` (extra ``lint``, policy §1).

Only the lints of RFC 5280, none of a browser's rules. Loading takes half a second and a
certificate two milliseconds, so a process loads it only for profiles that ask.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from certctl.domain.ports import LintFinding


def lint_certificate(der: bytes) -> tuple[LintFinding, ...]:
    """What is wrong (errors) or unwise (warnings) about a certificate (DER)."""
    from pkilint.loader import RFC5280CertificateDocumentLoader  # noqa: PLC0415 - see above
    from pkilint.validation import ValidationFindingSeverity  # noqa: PLC0415

    try:
        document = RFC5280CertificateDocumentLoader().load_der_document(der)
    except ValueError:
        return (LintFinding(code="unreadable", error=True),)
    return tuple(
        LintFinding(
            code=str(each.finding.code),
            error=each.finding.severity <= ValidationFindingSeverity.ERROR,
        )
        for result in lints().validate(document.root)
        for each in result.finding_descriptions
        if each.finding.severity <= ValidationFindingSeverity.WARNING
    )


@cache
def lints() -> Any:
    """All lints, made once; calling it at start spares the first certificate the wait."""
    from pkilint.pkix import certificate, extension, name  # noqa: PLC0415 - see above

    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(
            name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS
        ),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )
