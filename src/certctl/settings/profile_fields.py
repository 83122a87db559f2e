"""The fields of a certificate profile (policy §1): name, written form, default, meaning.

One table makes the reference page, the set of known fields and the reader, so that a
field cannot be documented without being read or the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from certctl.domain.constraints import NameConstraints
from certctl.domain.patterns import SubjectPattern
from certctl.domain.policy import DEFAULT_PROFILE, LintMode
from certctl.settings.profile_form import Form
from certctl.settings.profile_values import (
    read_attribute,
    read_base,
    read_expression,
    read_key,
    read_kind,
    read_purpose,
    read_san_pattern,
    read_subject_type,
    read_subtree,
)

DAY_SECONDS = 86_400
YEARS = 100 * 366 * DAY_SECONDS

D = DEFAULT_PROFILE


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileField:
    """One field: ``written`` and ``default`` as people read them, ``read`` for a form."""

    name: str
    written: str
    default: str
    meaning: str
    read: Callable[[Form, str], Any]


def _constraints(form: Form, field: str) -> NameConstraints:
    inner = form.nested(field)
    inner.only(("permitted", "excluded"))
    return NameConstraints(
        permitted=inner.items("permitted", (), read_subtree),
        excluded=inner.items("excluded", (), read_subtree),
    )


def _subject_patterns(form: Form, field: str) -> tuple[SubjectPattern, ...]:
    found = {}
    for keyword, expression in form.table(field).items():
        entry = f"{field}.{keyword}"
        oid = form.attempt(entry, keyword, read_subject_type)
        text = form.attempt(entry, expression, read_expression)
        if oid in found:
            form.refuse(entry, "the same attribute twice", remedy="write it once")
        if oid is not None and text is not None:
            found[oid] = SubjectPattern(oid=oid, expression=text)
    return tuple(found.values())


def _lint(form: Form, field: str) -> LintMode:
    return LintMode(form.choice(field, LintMode.OFF.value, among=[mode.value for mode in LintMode]))


def _switch(name: str, meaning: str, *, default: bool = False) -> ProfileField:
    return ProfileField(
        name=name,
        written="true or false",
        default=str(default).lower(),
        meaning=meaning,
        read=lambda form, field: form.switch(field, default=default),
    )


def _number(name: str, meaning: str, default: int, *, least: int, most: int) -> ProfileField:
    return ProfileField(
        name=name,
        written=f"{least} to {most}",
        default=str(default),
        meaning=meaning,
        read=lambda form, field: form.number(field, default, least=least, most=most),
    )


def _text(name: str, meaning: str, *, most: int) -> ProfileField:
    return ProfileField(
        name=name,
        written=f"text, at most {most} characters",
        default="empty",
        meaning=meaning,
        read=lambda form, field: form.text(field, "", most=most),
    )


def _list(
    name: str, written: str, meaning: str, default: tuple[Any, ...], text: str, read: Any
) -> ProfileField:
    return ProfileField(
        name=name,
        written=written,
        default=text,
        meaning=meaning,
        read=lambda form, field: form.items(field, default, read),
    )


FIELDS: Final = (
    _text("name", "For people.", most=200),
    _text("description", "For people.", most=2_000),
    _switch(
        "enabled", "Off: nothing is issued under it (503, and the start is refused).", default=True
    ),
    _list(
        "allowed_key_algorithms",
        "list of `{algorithm = …, min_size = …}`",
        "Keys that are accepted: `RSA`, `ECDSA` (the size is the curve: 256, 384, 521),"
        " `Ed25519`, `Ed448`, `ML-DSA-44`, `ML-DSA-65`, `ML-DSA-87` (no size).",
        D.allowed_key_algorithms,
        "ECDSA 256, RSA 2048",
        read_key,
    ),
    _list(
        "allowed_ekus",
        "list of names or dotted OIDs",
        "The extended key usage that every certificate gets, asked for or not; a CSR that asks"
        " for another is refused. An empty list leaves the extension out.",
        D.allowed_ekus,
        "`clientAuth`",
        read_purpose,
    ),
    _list(
        "allowed_san_types",
        "list of `dns`, `ip`, `email`, `uri`, `upn`",
        "Kinds of subject alternative names that are accepted.",
        D.allowed_san_types,
        "all five",
        read_kind,
    ),
    _list(
        "required_san_patterns",
        "list of `kind:expression`",
        "With any, each SAN must match one pattern of its kind, and a kind without a pattern is"
        " refused. Expressions are RE2 and match the whole name, as written. A wildcard name"
        " (`*.example.com`) passes only a pattern that writes the asterisk itself:"
        r" `dns:\*\.example\.com`.",
        (),
        "none",
        read_san_pattern,
    ),
    ProfileField(
        name="required_subject_patterns",
        written="table: attribute (keyword or OID) = expression",
        default="none",
        meaning="The attribute must be in the subject, and each of its values must match as a"
        " whole.",
        read=_subject_patterns,
    ),
    _number(
        "max_sans", "Most subject alternative names in one certificate.", 20, least=0, most=1_000
    ),
    _number(
        "max_ttl_seconds",
        "Lifetime of a certificate; 0 leaves it to the issuer. Never beyond the CA's own end.",
        0,
        least=0,
        most=YEARS,
    ),
    _number(
        "backdate_seconds",
        "How far notBefore lies in the past, for devices whose clocks are late.",
        300,
        least=0,
        most=30 * DAY_SECONDS,
    ),
    _number(
        "ttl_jitter_percent",
        "Each lifetime is cut by a random part of so many percent, so that a fleet does not"
        " expire in one hour.",
        0,
        least=0,
        most=50,
    ),
    _switch("must_staple", "The TLS feature extension `status_request` (RFC 7633)."),
    _list(
        "required_csr_attributes",
        "list of names or dotted OIDs",
        "A CSR must carry each of them: as an attribute, as an extension it asks for, or in its"
        " subject. They are advertised in csrattrs. `deviceSerialNumber` means the subject"
        " attribute serialNumber (2.5.4.5).",
        (),
        "none",
        read_attribute,
    ),
    ProfileField(
        name="name_constraints",
        written="table: `permitted`, `excluded`, each a list of `kind:subtree`",
        default="none",
        meaning="Subtrees as in RFC 5280 §4.2.1.10 (`dns:iot.example`, `ip:192.0.2.0/24`,"
        " `email:example.com`, `uri:.example.com`), applied to the SANs, to a CN that is a DNS"
        " name or an address, and to emailAddress in the subject.",
        read=_constraints,
    ),
    _list(
        "permitted_subject_bases",
        "list of names such as `OU=Sensors,O=Acme,C=DE`",
        "The subject must be one of these or lie below it: its RDNs begin with those of the base,"
        " most general first.",
        (),
        "none",
        read_base,
    ),
    _switch("requires_approval", "Operators decide about each request; until then it waits (202)."),
    _number("approvals_needed", "How many different operators must agree.", 1, least=1, most=9),
    _switch("allow_key_reuse", "One key may stand in certificates of two identities."),
    _switch(
        "cn_as_san",
        "A CN that is a DNS name, an address or a mailbox is added to the SANs, where its kind is"
        " allowed and it is not there yet; then it is judged like any SAN.",
    ),
    _switch("allow_subject_change", "A renewal may carry ChangeSubjectName (RFC 6402 §2.8)."),
    ProfileField(
        name="lint",
        written="`off`, `warn`, `block`",
        default="`off`",
        meaning="RFC 5280 lint of each certificate before it is recorded: findings are noted in"
        " the audit event, or refuse the request. Needs the extra `lint`"
        " (`pip install certctl[lint]`).",
        read=_lint,
    ),
)

FIELD_NAMES: Final[Mapping[str, ProfileField]] = {field.name: field for field in FIELDS}
