"""The API keys of the settings, as digests, and the authority's gate for all keys."""

from __future__ import annotations

from certctl.authority.key_gate import KeyGate
from certctl.domain.api_keys import key_digest
from certctl.domain.key_holders import FixedKeyDigest, Holder
from certctl.settings.schema import ApiSettings, Settings


def fixed_keys(api: ApiSettings, pepper: bytes) -> tuple[FixedKeyDigest, ...]:
    """``API_KEYS_NAMED`` and ``AUTH_SECRET``."""
    fixed = []
    for each in api.fixed_keys:
        digest = key_digest(pepper, each.secret.reveal())
        holder = Holder(name=each.name, role=each.role, key_id=f"fixed:{digest.hex()[:16]}")
        fixed.append(FixedKeyDigest(digest=digest, holder=holder))
    return tuple(fixed)


def key_gate(settings: Settings, pepper: bytes) -> KeyGate:
    api = settings.server.api
    return KeyGate(
        pepper=pepper,
        fixed=fixed_keys(api, pepper),
        tenants={each.profile.path_id: each.profile.tenant for each in settings.est.profiles},
        open=api.open,
    )
