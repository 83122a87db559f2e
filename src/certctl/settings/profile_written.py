"""A certificate profile back in its written form: what ``certificate_profiles`` reads.

Names stand where there are names (``clientAuth``, ``CN``), dotted OIDs elsewhere. Every
field is there, those with their default value too.
"""

from __future__ import annotations

from collections.abc import Mapping

from certctl.domain.keys import AllowedKey
from certctl.domain.names import KEYWORDS
from certctl.domain.policy import CertificateProfile
from certctl.domain.purposes import PURPOSES
from certctl.settings.profile_values import REQUIRABLE

_PURPOSE_NAMES = {oid: name for name, oid in PURPOSES.items()}
# Two names of one OID: the first is the one that the field's rule begins with.
_REQUIRABLE_NAMES = {oid: name for name, oid in [*REQUIRABLE.items()][::-1]}


def written(profile: CertificateProfile) -> Mapping[str, object]:
    """All fields in the order of the reference, as values of JSON."""
    return {
        "name": profile.name,
        "description": profile.description,
        "enabled": profile.enabled,
        "allowed_key_algorithms": [_key(each) for each in profile.allowed_key_algorithms],
        "allowed_ekus": [_PURPOSE_NAMES.get(oid, oid) for oid in profile.allowed_ekus],
        "allowed_san_types": [kind.value for kind in profile.allowed_san_types],
        "required_san_patterns": [str(each) for each in profile.required_san_patterns],
        "required_subject_patterns": {
            KEYWORDS.get(each.oid, each.oid): each.expression
            for each in profile.required_subject_patterns
        },
        "max_sans": profile.max_sans,
        "max_ttl_seconds": profile.max_ttl_seconds,
        "backdate_seconds": profile.backdate_seconds,
        "ttl_jitter_percent": profile.ttl_jitter_percent,
        "must_staple": profile.must_staple,
        "required_csr_attributes": [
            _REQUIRABLE_NAMES.get(oid, oid) for oid in profile.required_csr_attributes
        ],
        "name_constraints": {
            "permitted": [str(each) for each in profile.name_constraints.permitted],
            "excluded": [str(each) for each in profile.name_constraints.excluded],
        },
        "permitted_subject_bases": [each.text() for each in profile.permitted_subject_bases],
        "requires_approval": profile.requires_approval,
        "approvals_needed": profile.approvals_needed,
        "allow_key_reuse": profile.allow_key_reuse,
        "cn_as_san": profile.cn_as_san,
        "allow_subject_change": profile.allow_subject_change,
        "lint": profile.lint.value,
    }


def _key(allowed: AllowedKey) -> Mapping[str, object]:
    if not allowed.min_size:
        return {"algorithm": allowed.algorithm.value}
    return {"algorithm": allowed.algorithm.value, "min_size": allowed.min_size}
