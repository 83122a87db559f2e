"""The authority's process: opens store and CAs, then serves orders until told to stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Container
from functools import partial
from pathlib import Path
from typing import Final

from certctl.authority.calls import OutsideCalls
from certctl.authority.carry_out import Powers
from certctl.authority.crl import CrlDrafts
from certctl.authority.issue import AnyIssuer, IssuingRules
from certctl.authority.server import AuthorityServer
from certctl.authority.service import AuthorityService
from certctl.domain.certificate_profiles import CertificateProfiles
from certctl.domain.clock import Clock
from certctl.domain.errors import IssuerUnavailable, StoreUnavailable
from certctl.domain.failure_words import words_of
from certctl.domain.ids import NewId
from certctl.domain.policy import LintMode
from certctl.domain.ports import OutsideIssuer, VaultRefused
from certctl.issuers.ca_checks import CARefused
from certctl.issuers.lint import lint_certificate, lints
from certctl.issuers.local import LocalCA
from certctl.issuers.script import ScriptCA
from certctl.issuers.signers.file import KeyFileRefused
from certctl.obs.log import Log
from certctl.obs.metrics.measured import AuthorityMetrics
from certctl.obs.tracing.steps import TurnSteps
from certctl.settings.certificate_profiles import CertificateProfilesRefused
from certctl.settings.schema import Settings
from certctl.settings.secret import SecretUnreadable
from certctl.store import SqlStore, StoreError, open_records
from certctl.store.url import is_postgres
from certctl.trust.accepted import REGISTRATION, AcceptedBundles
from certctl.trust.bundle import BundleRefused
from certctl.wiring import server_certificate
from certctl.wiring.api_keys import key_gate
from certctl.wiring.audit_key import open_audit_key
from certctl.wiring.authority_reload import AuthorityReload
from certctl.wiring.certificate_profiles import (
    CertificateProfileMissing,
    StoreWatch,
    named_by,
    open_certificate_profiles,
    require_named,
    usable,
)
from certctl.wiring.clock import ClockWatch
from certctl.wiring.crl_partitions import open_partitions
from certctl.wiring.events import make_outbox
from certctl.wiring.ids import new_ids
from certctl.wiring.issuers import (
    ca_certificate_file,
    open_issuers,
    open_outside_issuers,
)
from certctl.wiring.measured_issuer import MeasuredIssuer
from certctl.wiring.own_certificate import put_on_record
from certctl.wiring.pepper import PepperRefused, open_pepper
from certctl.wiring.process import is_gone, keep_freed_memory, keep_out_of_dumps, name_process
from certctl.wiring.reload import registration_directory, trust_directory
from certctl.wiring.responders import ResponderKeeper
from certctl.wiring.sockets import Listeners
from certctl.wiring.status import Status
from certctl.wiring.store import open_store
from certctl.wiring.stored_issuers import IssuerMissing, StoredIssuers

SERVER_CERTIFICATE_EVERY_US = 3_600 * 1_000_000


def run(
    settings: Settings,
    listeners: Listeners,
    status: Status,
    *,
    log: Log,
    clock: Clock,
    metrics: AuthorityMetrics,
) -> int:
    """Run until SIGTERM; gives the exit code."""
    name_process("certctl-authority")
    keep_freed_memory()
    keep_out_of_dumps()
    _leave_signals()
    try:
        store = open_store(settings)
        steps = TurnSteps() if settings.traces.enabled else None
        store.on_commit = (
            metrics.committed if steps is None else steps.committing(metrics.committed)
        )
        with store.transaction() as transaction:
            certificate_profiles = open_certificate_profiles(settings, transaction, log)
        require_named(settings, certificate_profiles)
        if any(each.lint is not LintMode.OFF for each in certificate_profiles.values()):
            lints()
        new_id = new_ids(clock)
        issuers, local, outside = _open_issuers(settings, store, new_id, clock=clock, log=log)
        audit_key = open_audit_key(settings.server.data_dir)
        pepper = open_pepper(settings.server.data_dir, store)
        keeper = _ServerCertificate(settings, store, local, new_id=new_id)
        if keeper.renew_if_due(clock()):
            log.info("server_certificate_issued")
        responders = ResponderKeeper(settings, store, issuers.signers, new_id=new_id, log=log)
        responders.renew_if_due(clock())
        bundles, registration = _accepted(settings, status, log)
        unfinished = bundles.open(clock())
        unfinished_lists = registration.open(clock())
    except (
        StoreError,
        PepperRefused,
        CARefused,
        KeyFileRefused,
        SecretUnreadable,
        OSError,
        BundleRefused,
        CertificateProfilesRefused,
        CertificateProfileMissing,
        IssuerMissing,
        StoreUnavailable,
        VaultRefused,
    ) as refused:
        return status.refuse(refused)

    def on_fault(fault: BaseException) -> None:
        log.error("authority_fault", exc_info=fault)

    owner = f"{store.node}/{os.getpid()}"
    calls = OutsideCalls(
        outside, owner=owner, clock=clock, on_fault=on_fault, metrics=metrics, steps=steps
    )
    service = AuthorityService(
        store,
        _rules(certificate_profiles, issuers, local, metrics, steps),
        node=store.node,
        clock=clock,
        new_id=new_id,
        on_fault=on_fault,
        powers=Powers(
            audit_signer=audit_key,
            bundles=bundles,
            retention=settings.records.retention,
            registration=registration,
            keys=key_gate(settings, pepper),
            calls=calls,
            crl_drafts=CrlDrafts(issuers.signers),
            is_gone=is_gone,
            issuers=issuers.desk(),
            named_by=lambda: named_by(settings, certificate_profiles),
            profiles_changed=lambda rows: certificate_profiles.replace(stored=usable(rows, log)),
        ),
        lockout=settings.est.lockout,
        on_store=partial(_tell_of_store, log),
        outbox=make_outbox(settings),
    )

    looks = [
        ClockWatch(log, clock).look,
        issuers.look_again,
        *_store_looks(settings, certificate_profiles, issuers, log),
    ]
    reload = AuthorityReload(settings, service, certificate_profiles, log=log, clock=clock)

    def renew(what: str, renew_if_due: Callable[[int], bool]) -> None:
        _renew(what, renew_if_due, service=service, status=status, log=log, now_us=clock())

    def on_tick() -> None:
        for look in looks:
            look()
        renew("server_certificate", keeper.renew_if_due)
        renew("ocsp_responder", responders.renew_if_due)

    server = AuthorityServer(
        service,
        host=listeners.host,
        workers=listeners.workers,
        on_tick=on_tick,
        on_fault=on_fault,
        metrics=metrics,
        steps=steps,
    )
    calls.wake = server.wake
    _heed_signals(server, reload)
    reload.trust(unfinished)
    reload.trust(unfinished_lists, registration=True)
    status.ready()
    server.serve()
    _last_answers(calls, service, settings.server.shutdown_grace_s)
    store.close()
    return 0


def _open_issuers(
    settings: Settings, store: SqlStore, new_id: NewId, *, clock: Clock, log: Log
) -> tuple[StoredIssuers, dict[str, LocalCA], dict[str, ScriptCA]]:
    """All of them; and of the settings those here, and those outside."""
    partitions = open_partitions(settings, store, clock=clock, new_id=new_id)
    local = open_issuers(settings, store, now_us=clock(), partitions=partitions)
    outside = open_outside_issuers(settings, store, now_us=clock())
    issuers = StoredIssuers(
        settings,
        store,
        local=local,
        outside=outside,
        partitions=partitions,
        clock=clock,
        log=log,
    )
    return issuers, local, outside


def _accepted(
    settings: Settings, status: Status, log: Log
) -> tuple[AcceptedBundles, AcceptedBundles]:
    """Trust bundles, and lists of registration authorities, as the workers get them."""
    profiles = settings.est.profiles
    bundles = AcceptedBundles(
        trust_directory(settings.server),
        {each.profile.path_id: each.trust_bundle_path for each in profiles},
        log=log,
        on_published=status.reload,
    )
    registration = AcceptedBundles(
        registration_directory(settings.server),
        {each.profile.path_id: each.ra_certificates_path for each in profiles},
        kind=REGISTRATION,
        log=log,
        on_published=status.reload,
    )
    return bundles, registration


def _rules(
    certificate_profiles: CertificateProfiles,
    issuers: StoredIssuers,
    own: Container[str],
    metrics: AuthorityMetrics,
    steps: TurnSteps | None,
) -> IssuingRules:
    """With the issuers as they are, now and later; those whose key is here are measured."""

    def now() -> dict[str, AnyIssuer]:
        found: dict[str, AnyIssuer] = {}
        for issuer_id, issuer in issuers.issuers.items():
            if isinstance(issuer, OutsideIssuer):
                found[issuer_id] = issuer
                continue
            if issuer_id not in own:
                metrics.has_issuer(issuer_id)
            found[issuer_id] = MeasuredIssuer(issuer_id, issuer, metrics, steps)
        return found

    rules = IssuingRules(now(), certificate_profiles, lint=lint_certificate)
    issuers.on_change.append(lambda: rules.use(now()))
    return rules


def _leave_signals() -> None:
    # Ctrl-C reaches the whole group: the supervisor alone decides who ends when.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _heed_signals(server: AuthorityServer, reload: AuthorityReload) -> None:
    signal.set_wakeup_fd(server.wake_fd, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    signal.signal(signal.SIGHUP, lambda *_: server.call_soon(reload.everything))


def _last_answers(calls: OutsideCalls, service: AuthorityService, seconds: float) -> None:
    """No worker waits any more; what comes back now is on record for a device's next poll."""
    calls.wait(seconds)
    service.finish()


def _tell_of_store(log: Log, failure: StoreUnavailable | None) -> None:
    if failure is None:
        log.info("store_back")
        return
    cause = failure.__cause__ or failure
    # The driver's own words; SQLAlchemy's would repeat the statement with its values.
    log.error("store_away", problem=str(getattr(cause, "orig", None) or cause).strip())


def _store_looks(
    settings: Settings, certificate_profiles: CertificateProfiles, issuers: StoredIssuers, log: Log
) -> list[Callable[[], None]]:
    """Where other nodes write too, what they change must be noticed."""
    if not is_postgres(settings.server.database_url):
        return []
    records = open_records(settings.server.database_url)
    return [
        StoreWatch(certificate_profiles, records, log).look,
        partial(issuers.look_if, records.stored_issuers_stamp),
    ]


_RENEWED: Final = {
    "server_certificate": ("server_certificate_issued", "server_certificate_not_renewed"),
    "ocsp_responder": ("ocsp_responders_renewed", "ocsp_responder_not_renewed"),
}


def _renew(
    what: str,
    renew_if_due: Callable[[int], bool],
    *,
    service: AuthorityService,
    status: Status,
    log: Log,
    now_us: int,
) -> None:
    """Have a keeper look, and the others read what it has renewed."""
    done, failed = _RENEWED[what]
    try:
        if not renew_if_due(now_us):
            return
        service.resume()
    except (KeyFileRefused, StoreUnavailable, IssuerUnavailable, OSError) as refused:
        # The present one goes on serving; its keeper tries again in its time.
        log.warning(failed, problem=str(words_of(refused)))
        return
    log.info(done)
    status.reload()


def first_ca_file(settings: Settings) -> Path:
    """The CA certificate of the first local issuer, else of the first, once it is kept."""
    first = next((each for each in settings.issuers if each.is_local), settings.issuers[0])
    return ca_certificate_file(first, settings.server.data_dir)


class _ServerCertificate:
    """Keeps the listener's certificate fresh where the local CA issues it."""

    def __init__(
        self,
        settings: Settings,
        store: SqlStore,
        issuers: dict[str, LocalCA],
        *,
        new_id: NewId,
    ) -> None:
        self._managed = settings.server.tls_cert_path is None
        self._directory = settings.server.data_dir
        self._names = server_certificate.server_names(settings.server)
        self._store = store
        # Without a local CA the settings demand a certificate from elsewhere.
        self._ca = next(iter(issuers.values()), None)
        self._new_id = new_id
        self._next_us = 0

    def is_time(self, now_us: int) -> bool:
        return self._managed and now_us >= self._next_us

    def renew_if_due(self, now_us: int) -> bool:
        """Record, then write a new certificate if one is due; True when it was."""
        if self._ca is None or not self.is_time(now_us):
            return False
        self._next_us = now_us + SERVER_CERTIFICATE_EVERY_US
        due = server_certificate.is_due(self._directory, self._names, self._ca, now_us=now_us)
        if not due:
            return False
        record, event, pem = server_certificate.issue(
            self._directory, self._names, self._ca, now_us=now_us, new_id=self._new_id
        )
        put_on_record(self._store, record, event, self._new_id)
        server_certificate.write(self._directory, pem)
        return True
