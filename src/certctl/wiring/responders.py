"""The OCSP responders of this node's issuers: made, recorded, written, made anew in time.

The authority makes key and certificate and puts both into a file of the data directory
that workers read, as it does with the listener's certificate: whoever can read that file
can answer OCSP for a while, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping

from certctl.authority.commands import SYSTEM
from certctl.authority.events import event_by
from certctl.domain.audit import AuditAction, AuditEvent
from certctl.domain.certificates import CertificateRecord
from certctl.domain.clock import SECOND_US
from certctl.domain.errors import IssuerUnavailable
from certctl.domain.failure_words import words_of
from certctl.domain.ids import NewId
from certctl.issuers.local import LocalCA
from certctl.issuers.responder import Responder
from certctl.obs.log import Log
from certctl.settings.schema import Settings
from certctl.store import SqlStore
from certctl.wiring.own_certificate import own_record, put_on_record

LOOK_US = 60 * SECOND_US


class ResponderKeeper:
    """Keeps the responder of each issuer fresh."""

    def __init__(
        self,
        settings: Settings,
        store: SqlStore,
        issuers: Mapping[str, LocalCA],
        *,
        new_id: NewId,
        log: Log,
    ) -> None:
        self._directory = settings.server.data_dir
        self._validity_us = settings.revocation.responder_validity_s * SECOND_US
        self._grace_us = settings.revocation.responder_grace_s * SECOND_US
        self._store = store
        self._issuers = issuers
        self._new_id = new_id
        self._log = log
        self._next_us = 0
        self._seen: frozenset[str] = frozenset()

    def renew_if_due(self, now_us: int) -> bool:
        """Record, then write new responders where they are due; True when any was.

        Raises:
            KeyFileRefused: a file is open to others or damaged: for a person to look at.
            StoreUnavailable, OSError: it cannot be recorded or written now.
        """
        if now_us < self._next_us and self._issuers.keys() == self._seen:
            return False
        self._seen = frozenset(self._issuers)
        self._next_us = now_us + LOOK_US
        made = [self._renew(ca, now_us) for ca in list(self._issuers.values())]
        return any(made)

    def _renew(self, ca: LocalCA, now_us: int) -> bool:
        issuer_id = ca.issuer_id
        present = Responder.load(
            self._directory, issuer_id=issuer_id, ca_der=ca.ca_chain()[0], passphrase=None
        )
        if present is not None and not present.is_due(now_us=now_us, grace_us=self._grace_us):
            return False
        try:
            fresh, signed = Responder.make(ca, now_us=now_us, validity_us=self._validity_us)
        except IssuerUnavailable as err:
            # A CA that has ended: its other certificates are no better off.
            self._log.warning(
                "ocsp_responder_not_made", issuer=issuer_id, problem=str(words_of(err))
            )
            return False
        record = own_record(signed, ca, now_us=now_us, certificate_id=self._new_id())
        put_on_record(self._store, record, _event(record, now_us), self._new_id)
        fresh.write(self._directory, issuer_id=issuer_id, passphrase=None)
        self._log.info("ocsp_responder_made", issuer=issuer_id, serial=signed.serial)
        return True


def _event(record: CertificateRecord, now_us: int) -> AuditEvent:
    return event_by(
        SYSTEM,
        AuditAction.CONFIG_CHANGED,
        now_us=now_us,
        resource_type="certificate",
        resource_id=record.id,
        details={
            "what": "OCSP responder certificate issued",
            "issuer": record.issuer_id,
            "serial": record.serial,
        },
    )
