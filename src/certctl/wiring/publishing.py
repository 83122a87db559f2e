"""What workers and jobs need to publish: CRLs, OCSP answers, CA certificates, and where.

They hold no CA key: all they know of a CA is its certificate. The responder's key is
read from the file that the authority has put there (``wiring.responders``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.asgi import Scope
from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.crl import crl_scope
from certctl.domain.failure_words import words_of
from certctl.domain.ports import Records
from certctl.issuers.crl_checks import may_sign_crls
from certctl.issuers.ocsp_answers import OcspAnswers
from certctl.issuers.published import crl_issuer, ocsp_issuer
from certctl.issuers.responder import Responder
from certctl.issuers.signers.file import KeyFileRefused
from certctl.obs.log import Log
from certctl.settings.schema import Settings
from certctl.web.crl_shelf import CrlShelf
from certctl.web.ocsp import OcspApp, OcspDesk
from certctl.web.pki import PkiApp, PublishedCa
from certctl.web.rate import MinuteLimit
from certctl.wire.crl import CrlIssuer
from certctl.wiring.issuer_directory import IssuerDirectory

LOOK_S = 0.9
"""A new CRL is served within a second."""


def ca_certificates(directory: IssuerDirectory) -> dict[str, x509.Certificate]:
    """The CA certificate of each issuer that is published, once the authority has made it."""
    return {
        issuer_id: x509.load_der_x509_certificate(directory.chains[issuer_id][0])
        for issuer_id in sorted(directory.published)
    }


def crl_issuers(settings: Settings, cas: Mapping[str, x509.Certificate]) -> dict[str, CrlIssuer]:
    """Those that have a CRL here: a CA outside publishes its own."""
    outside = {issuer.id for issuer in settings.issuers if not issuer.is_local}
    return {
        issuer_id: crl_issuer(certificate)
        for issuer_id, certificate in cas.items()
        if issuer_id not in outside and may_sign_crls(certificate)
    }


class Publisher:
    """A worker's side of it: the application, its CRLs and its responders."""

    def __init__(
        self,
        settings: Settings,
        records: Records,
        directory: Path,
        issuers: IssuerDirectory,
        *,
        clock: Clock,
        log: Log,
        on_ocsp: Callable[[str, str], None],
    ) -> None:
        """``directory``: the run directory, for copies of large CRLs; ``on_ocsp`` hears the
        issuer and outcome of each OCSP answer.
        """
        self._settings = settings
        self._records = records
        self._log = log
        self.issuers = issuers
        self._cas: dict[str, x509.Certificate] = {}
        self._shelf = CrlShelf((), records, directory)
        self._answers: dict[str, OcspAnswers] = {}
        self._responders: dict[str, bytes] = {}
        self._desks: dict[str, OcspDesk] = {}
        per_minute = settings.revocation.ocsp_per_minute
        self.app = PkiApp(
            self._shelf,
            OcspApp(
                self._desks,
                issuers=self._cas,
                limit=MinuteLimit(per_minute) if per_minute else None,
                source=self._source,
                clock=clock,
                on_answer=on_ocsp,
            ),
            with_delta=settings.revocation.crl_delta_s is not None,
            clock=clock,
        )
        self._publish()

    @property
    def responders(self) -> Mapping[str, bytes]:
        """Certificates (DER) of the OCSP responders in use, by issuer id; changes with them."""
        return self._responders

    def load_responders(self) -> None:
        """Take over the responders that the authority has made.

        Raises:
            KeyFileRefused: a file of theirs must not be used; the others are taken over.
        """
        refused: KeyFileRefused | None = None
        for issuer_id, certificate in self._cas.items():
            try:
                self._load_responder(issuer_id, certificate)
            except KeyFileRefused as err:
                refused = err
        if refused is not None:
            raise refused

    def follow(self) -> None:
        """Publish what is new among the issuers, and nothing of those that are gone."""
        self._publish()
        try:
            self.load_responders()
        except KeyFileRefused as refused:
            self._log.warning("ocsp_responder_not_loaded", problem=str(words_of(refused)))

    def _publish(self) -> None:
        present = ca_certificates(self.issuers)
        for issuer_id in self._cas.keys() - present.keys():
            del self._cas[issuer_id]
            for by_issuer in (self._answers, self._responders, self._desks):
                by_issuer.pop(issuer_id, None)
        self._cas.update(present)
        with_crl = frozenset(crl_issuers(self._settings, self._cas))
        deltas = (False, True) if self._settings.revocation.crl_delta_s is not None else (False,)
        partitions = [each.number for each in self.issuers.partitions]
        scopes = [crl_scope(each, delta=delta) for each in with_crl for delta in deltas]
        scopes += [crl_scope(each, partition=number) for each in with_crl for number in partitions]
        self._shelf.serve(scopes)
        cas = {issuer_id: _published(each) for issuer_id, each in self._cas.items()}
        self.app.publish(cas, with_crl, partitions)

    async def take_over(self) -> None:
        """Copy CRLs that are new in the store; what cannot be copied stays as it was."""
        try:
            for issuer_id in await self._shelf.look():
                self._log.error("crl_damaged", issuer=issuer_id)
        except Exception as err:  # noqa: BLE001 - the edge of the watch: it must go on
            self._log.error("crl_not_copied", problem=str(words_of(err)))

    async def watch(self) -> None:
        """Take new CRLs over as they come; until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.take_over()

    def _load_responder(self, issuer_id: str, certificate: x509.Certificate) -> None:
        responder = Responder.load(
            self._settings.server.data_dir,
            issuer_id=issuer_id,
            ca_der=certificate.public_bytes(Encoding.DER),
            passphrase=None,
        )
        if responder is None or self._responders.get(issuer_id) == responder.certificate_der:
            return
        answers = self._answers.get(issuer_id)
        if answers is not None:
            answers.use(responder)
        else:
            answers = self._answers[issuer_id] = OcspAnswers(ocsp_issuer(certificate), responder)
            self._desks[issuer_id] = OcspDesk(issuer_id, answers, self._records)
        self._responders[issuer_id] = responder.certificate_der
        self._log.info("ocsp_responder_loaded", issuer=issuer_id)

    def _source(self, scope: Scope) -> str | None:
        """A trusted proxy carries many clients: it has to limit them itself."""
        address: str = scope["client"][0]
        return None if self._settings.server.trusted_proxies.by_address(address) else address


def _published(certificate: x509.Certificate) -> PublishedCa:
    return PublishedCa(
        der=certificate.public_bytes(Encoding.DER),
        since_us=int(certificate.not_valid_before_utc.timestamp()) * SECOND_US,
    )
