"""The tables, as Core metadata (records §3, §5, §6). Migrations make them, never this module.

Times are integers, microseconds since 1970 (UTC). Types are those that SQLite's STRICT
tables and PostgreSQL share. An index of random keys costs a page per certificate written,
so there are only those that nothing else replaces: names, keys, fingerprints. Others grow
at one end (time, or a group and then time) or hold few rows (partial); adr/0006.
"""

from __future__ import annotations

from certctl.store.tables.audit import (
    audit_events,
    audit_stubs,
    checkpoints,
    counters,
)
from certctl.store.tables.base import (
    Integer64,
    metadata,
)
from certctl.store.tables.certificates import (
    HELD,
    NOT_EST,
    ON_HOLD,
    REVOKED,
    certificate_names,
    certificates,
    compromised_keys,
    released_holds,
    repetitions,
)
from certctl.store.tables.figures import activity_slots, figures
from certctl.store.tables.gates import (
    decisions,
    intents,
    limits,
    lockouts,
    requests,
)
from certctl.store.tables.issuers import issuer_trials, issuers
from certctl.store.tables.node import (
    api_keys,
    ca,
    certificate_profiles,
    kept_answers,
    leases,
    meta,
    sessions,
)
from certctl.store.tables.publishing import (
    crl_partitions,
    crl_parts,
    crls,
    notice_marks,
    outbox,
)

__all__ = [
    "HELD",
    "NOT_EST",
    "ON_HOLD",
    "REVOKED",
    "Integer64",
    "activity_slots",
    "api_keys",
    "audit_events",
    "audit_stubs",
    "ca",
    "certificate_names",
    "certificate_profiles",
    "certificates",
    "checkpoints",
    "compromised_keys",
    "counters",
    "crl_partitions",
    "crl_parts",
    "crls",
    "decisions",
    "figures",
    "intents",
    "issuer_trials",
    "issuers",
    "kept_answers",
    "leases",
    "limits",
    "lockouts",
    "meta",
    "metadata",
    "notice_marks",
    "outbox",
    "released_holds",
    "repetitions",
    "requests",
    "sessions",
]
