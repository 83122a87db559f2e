"""Certificate profiles and what they allow (policy §1, §2).

``check_request`` judges what a CSR asks for, ``check_contents`` what a certificate
would hold; the authority runs the latter again on the very bytes it will sign. Every
field of a profile is enforced in one of the two or where the certificate is built.
Checks raise; nothing is corrected silently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum

from msgspec import Struct

from certctl.domain.constraints import (
    NO_CONSTRAINTS,
    NameConstraints,
    check_bases,
    check_constraints,
)
from certctl.domain.csr import Csr, KeyUsage
from certctl.domain.errors import PolicyViolation
from certctl.domain.keys import AllowedKey, KeyAlgorithm, PublicKey, check_key
from certctl.domain.names import KEYWORDS, DistinguishedName, check_name
from certctl.domain.patterns import SanPattern, SubjectPattern, matches
from certctl.domain.plain_text import shown
from certctl.domain.rules import Judge, Rule, strict
from certctl.domain.san import ALLOWABLE_KINDS, GeneralName, SanKind, check_sans

CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"


class LintMode(StrEnum):
    """What findings of an RFC 5280 lint do: nothing is linted, noted, or refused."""

    OFF = "off"
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateProfile:
    """Issuing rules; the defaults are those of the built-in profile ``default``.

    Attributes:
        allowed_key_algorithms: with the smallest size in bits; for ECDSA the curve's.
        allowed_ekus: dotted OIDs; what the certificate gets, asked or not.
        required_san_patterns: with any, each SAN matches one of its kind.
        required_subject_patterns: the attribute is there and each of its values matches.
        max_ttl_seconds: longest lifetime; 0 leaves it to the issuer.
        backdate_seconds: how far notBefore lies in the past.
        ttl_jitter_percent: a lifetime is shorter than the longest by at most so much.
        required_csr_attributes: dotted OIDs, each found among the CSR's attributes, the
            extensions it asks for, or its subject's attributes.
        permitted_subject_bases: RDN sequences, one of which every subject begins with.
        approvals_needed: operators who must agree, where ``requires_approval``.
        allow_key_reuse: one key may stand under two identities.
        cn_as_san: the common name is put among the SANs (``domain.common_name``).
        allow_subject_change: a renewal may carry ChangeSubjectName (RFC 6402 §2.8).
        digest: hexadecimal SHA-256 of all other fields; changes with any of them.
    """

    id: str
    name: str = ""
    description: str = ""
    enabled: bool = True
    allowed_key_algorithms: tuple[AllowedKey, ...] = (
        AllowedKey(algorithm=KeyAlgorithm.ECDSA, min_size=256),
        AllowedKey(algorithm=KeyAlgorithm.RSA, min_size=2048),
    )
    allowed_ekus: tuple[str, ...] = (CLIENT_AUTH,)
    allowed_san_types: tuple[SanKind, ...] = ALLOWABLE_KINDS
    required_san_patterns: tuple[SanPattern, ...] = ()
    required_subject_patterns: tuple[SubjectPattern, ...] = ()
    max_sans: int = 20
    max_ttl_seconds: int = 0
    backdate_seconds: int = 300
    ttl_jitter_percent: int = 0
    must_staple: bool = False
    required_csr_attributes: tuple[str, ...] = ()
    name_constraints: NameConstraints = NO_CONSTRAINTS
    permitted_subject_bases: tuple[DistinguishedName, ...] = ()
    requires_approval: bool = False
    approvals_needed: int = 1
    allow_key_reuse: bool = False
    cn_as_san: bool = False
    allow_subject_change: bool = False
    lint: LintMode = LintMode.OFF
    digest: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        written = [(f.name, repr(getattr(self, f.name))) for f in fields(self) if f.init]
        object.__setattr__(self, "digest", hashlib.sha256(repr(written).encode()).hexdigest())

    def allows_wildcard(self, name: GeneralName) -> bool:
        """A pattern writes the asterisk of such a name itself."""
        return any(p.allows_wildcard and p.fits(name) for p in self.required_san_patterns)


DEFAULT_PROFILE = CertificateProfile(id="default")
"""For EST profiles that name no certificate profile."""


class Granted(Struct, frozen=True, kw_only=True):
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

TLS_FEATURE = "1.3.6.1.5.5.7.1.24"

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
        if extension.oid == TLS_FEATURE and profile.must_staple:
            continue  # the certificate has it anyway, with the value of RFC 7633
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


def request_types(csr: Csr) -> frozenset[str]:
    """Dotted types of the attributes a CSR has and of the extensions it asks for."""
    return frozenset(
        (*(each.oid for each in csr.attributes), *(each.oid for each in csr.extensions))
    )


def check_attributes(
    types: Collection[str],
    subject: DistinguishedName,
    profile: CertificateProfile,
    *,
    unseen: Collection[str] = (),
) -> None:
    """What the profile requires is among ``types`` or in the subject.

    ``unseen`` types were taken out of the request on the way and are not asked for.

    Raises:
        PolicyViolation: ``attribute``.
    """
    for required in profile.required_csr_attributes:
        if required in unseen or required in types or subject.values(required):
            continue
        raise PolicyViolation(
            "attribute",
            wanted=f"the attribute {KEYWORDS.get(required, required)}",
            got="a request without it",
        )


def check_contents(
    subject: DistinguishedName,
    sans: Sequence[GeneralName],
    public_key: PublicKey,
    profile: CertificateProfile,
    *,
    judge: Judge = strict,
) -> None:
    """Judge the names and the key of a certificate-to-be.

    Raises:
        PolicyViolation: dimension ``key_algorithm``, ``key_size``, ``weak_key``,
            ``subject``, ``san`` or, where a name itself is refused, ``name``.
    """
    with judge(Rule.KEY):
        check_key(public_key, profile.allowed_key_algorithms)
    with judge(Rule.SUBJECT):
        if subject.is_empty and not sans:
            raise PolicyViolation(
                "subject", wanted="a subject or a subjectAltName", got="neither of them"
            )
        check_name(subject)
    with judge(Rule.SAN):
        check_sans(
            sans,
            allowed=profile.allowed_san_types,
            most=profile.max_sans,
            wildcards=profile.allows_wildcard,
        )
    with judge(Rule.SAN_PATTERNS):
        _check_san_patterns(sans, profile.required_san_patterns)
    with judge(Rule.SUBJECT_PATTERNS):
        _check_subject_patterns(subject, profile.required_subject_patterns)
    with judge(Rule.SUBJECT_BASES):
        check_bases(subject, profile.permitted_subject_bases)
    with judge(Rule.NAME_CONSTRAINTS):
        check_constraints(subject, sans, profile.name_constraints)


def _check_san_patterns(sans: Sequence[GeneralName], patterns: Sequence[SanPattern]) -> None:
    if not patterns:
        return
    for name in sans:
        if not any(pattern.fits(name) for pattern in patterns):
            raise PolicyViolation(
                "san", wanted="a match of " + ", ".join(map(str, patterns)), got=str(name)
            )


def _check_subject_patterns(subject: DistinguishedName, patterns: Sequence[SubjectPattern]) -> None:
    for pattern in patterns:
        values = subject.values(pattern.oid)
        bad = [value for value in values if not matches(pattern.expression, value)]
        if bad or not values:
            keyword = KEYWORDS.get(pattern.oid, pattern.oid)
            raise PolicyViolation(
                "subject",
                wanted=f"{keyword} matching {pattern.expression}",
                got=f"{keyword}={shown(bad[0])}" if bad else f"no {keyword}",
            )


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
