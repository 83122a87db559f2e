"""Certificate profiles and what they allow (policy §1, §2).

``check_request`` judges what a CSR asks for, ``check_contents`` what a certificate
would hold; the authority runs the latter again on the very bytes it will sign. Every
field of a profile is enforced in one of the two or where the certificate is built.
Checks raise; nothing is corrected silently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from certctl.domain.csr import Csr, KeyUsage
from certctl.domain.errors import PolicyViolation
from certctl.domain.keys import AllowedKey, KeyAlgorithm, PublicKey, check_key
from certctl.domain.names import DistinguishedName, check_name
from certctl.domain.plain_text import shown
from certctl.domain.san import GeneralName, SanKind, check_sans

CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateProfile:
    """Issuing rules; the defaults are those of the built-in profile ``default``.

    Attributes:
        allowed_key_algorithms: with the smallest size in bits; for ECDSA the curve's.
        allowed_ekus: dotted OIDs; what the certificate gets, asked or not.
        max_ttl_seconds: longest lifetime; 0 leaves it to the issuer.
        backdate_seconds: how far notBefore lies in the past.
        allow_subject_change: a renewal may ask for other names (RFC 6402 §2.8).
        requires_approval: an operator decides on each request before it is granted.
        approvals_needed: by how many different operators.
        digest: hexadecimal SHA-256 of all other fields; changes with any of them.
    """

    id: str
    enabled: bool = True
    allowed_key_algorithms: tuple[AllowedKey, ...] = (
        AllowedKey(algorithm=KeyAlgorithm.ECDSA, min_size=256),
        AllowedKey(algorithm=KeyAlgorithm.RSA, min_size=2048),
    )
    allowed_ekus: tuple[str, ...] = (CLIENT_AUTH,)
    allowed_san_types: tuple[SanKind, ...] = (
        SanKind.DNS,
        SanKind.IP,
        SanKind.EMAIL,
        SanKind.URI,
        SanKind.UPN,
    )
    max_sans: int = 20
    max_ttl_seconds: int = 0
    backdate_seconds: int = 300
    allow_subject_change: bool = False
    requires_approval: bool = False
    approvals_needed: int = 1
    digest: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        written = [(f.name, repr(getattr(self, f.name))) for f in fields(self) if f.init]
        object.__setattr__(self, "digest", hashlib.sha256(repr(written).encode()).hexdigest())


DEFAULT_PROFILE = CertificateProfile(id="default")
"""For EST profiles that name no certificate profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What a CSR asked for beyond names and key, and gets.

    Attributes:
        key_agreement: the KeyUsage bit of that name was asked for.
        dropped: OIDs of extensions that were asked for and are left out.
    """

    key_agreement: bool
    dropped: tuple[str, ...]


# Looked into, and then judged by value.
_UNDERSTOOD = frozenset(
    {
        "2.5.29.15",  # keyUsage
        "2.5.29.17",  # subjectAltName
        "2.5.29.19",  # basicConstraints
        "2.5.29.37",  # extendedKeyUsage
    }
)

# Only a CA's operator decides these; asking for one is never an oversight.
_RESERVED = {
    "2.5.29.30": "nameConstraints",
    "2.5.29.32": "certificatePolicies",
    "2.5.29.33": "policyMappings",
    "2.5.29.36": "policyConstraints",
    "2.5.29.54": "inhibitAnyPolicy",
}

_CA_USAGES = frozenset({KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN})


def check_request(csr: Csr, profile: CertificateProfile) -> Granted:
    """Judge the extensions a CSR asks for (policy §2).

    Raises:
        PolicyViolation: ``eku``, or ``extension`` for a CA's powers and for critical
            extensions we do not know.
    """
    dropped: list[str] = []
    for extension in csr.extensions:
        if extension.oid in _UNDERSTOOD:
            continue
        if extension.oid in _RESERVED:
            raise PolicyViolation(
                "extension",
                wanted="no name constraints or policies from a CSR",
                got=_RESERVED[extension.oid],
            )
        if extension.critical:
            raise PolicyViolation(
                "extension",
                wanted="no critical extension that is not understood",
                got=shown(extension.oid),
            )
        dropped.append(extension.oid)
    if csr.wants_ca:
        raise PolicyViolation(
            "extension",
            wanted="an end-entity certificate",
            got="basicConstraints with CA:TRUE or a path length",
        )
    if not _CA_USAGES.isdisjoint(csr.key_usage):
        raise PolicyViolation(
            "extension",
            wanted="an end-entity certificate",
            got="keyUsage " + ", ".join(sorted(csr.key_usage & _CA_USAGES)),
        )
    for eku in csr.ekus:
        if eku not in profile.allowed_ekus:
            raise PolicyViolation(
                "eku", wanted=", ".join(profile.allowed_ekus) or "none", got=shown(eku)
            )
    return Granted(key_agreement=KeyUsage.KEY_AGREEMENT in csr.key_usage, dropped=tuple(dropped))


def check_change(profile: CertificateProfile) -> None:
    """May a renewal under this profile ask for other names?

    Raises:
        PolicyViolation: ``attribute``.
    """
    if not profile.allow_subject_change:
        raise PolicyViolation(
            "attribute",
            wanted="no ChangeSubjectName (RFC 6402 §2.8): names stay as they are",
            got="ChangeSubjectName",
        )


def check_contents(
    subject: DistinguishedName,
    sans: Sequence[GeneralName],
    public_key: PublicKey,
    profile: CertificateProfile,
) -> None:
    """Judge the names and the key of a certificate-to-be.

    Raises:
        PolicyViolation: dimension ``key_algorithm``, ``key_size``, ``weak_key``,
            ``subject``, ``san`` or, where a name itself is refused, ``name``.
    """
    check_key(public_key, profile.allowed_key_algorithms)
    if subject.is_empty and not sans:
        raise PolicyViolation(
            "subject", wanted="a subject or a subjectAltName", got="neither of them"
        )
    check_name(subject)
    check_sans(sans, allowed=profile.allowed_san_types, most=profile.max_sans)
