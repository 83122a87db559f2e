"""A worker: TLS, HTTP and the EST gates. Holds the listener's key and password digests,
a read-only database and no right to sign or write.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvloop
from OpenSSL import SSL

from certctl.authority.client import AuthorityClient
from certctl.domain.clock import Clock
from certctl.domain.policy import DEFAULT_PROFILE
from certctl.enroll.passwords import PasswordDigest
from certctl.enroll.ports import Ports
from certctl.enroll.refusals import RefusalFolder
from certctl.obs.log import Log
from certctl.settings.schema import Settings
from certctl.store import StoreError, open_records
from certctl.store.reader import SqlRecords
from certctl.tls.context import BadServerPair, build_server_context
from certctl.tls.limits import ConnectionLimits
from certctl.tls.listener import Listener, bind_listener
from certctl.trust.bundle import BundleRefused
from certctl.web.app import App
from certctl.web.est import EstApp, Published
from certctl.web.routes import build_routes
from certctl.wire.csrattrs import csrattrs_of
from certctl.wire.pkcs7 import certs_only
from certctl.wiring import sockets
from certctl.wiring.edge_log import EdgeLog
from certctl.wiring.issuers import ca_certificate_file, read_chain
from certctl.wiring.process import name_process, raise_file_limit
from certctl.wiring.reload import ProfileTrusts, Reloads
from certctl.wiring.server_certificate import CERTIFICATE_FILE, KEY_FILE
from certctl.wiring.supervisor import Status, refuse_start

# Objects of the start live for ever: the collector need not walk them again, and the
# request path makes few cycles, so it may look less often.
GC_THRESHOLDS = (50_000, 20, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which worker this is and where it listens and connects."""

    number: int
    port: int
    run_directory: Path


def run(settings: Settings, place: Place, status: Status, *, log: Log, clock: Clock) -> int:
    """Run until SIGTERM; gives the exit code."""
    name_process(f"certctl-worker-{place.number}")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise_file_limit()
    try:
        records = open_records(settings.server.database_url)
        return uvloop.run(_Worker(settings, place, records, log=log, clock=clock).serve(status))
    except (StoreError, BundleRefused, BadServerPair, OSError) as refused:
        return refuse_start(refused)


class _Worker:
    def __init__(
        self, settings: Settings, place: Place, records: SqlRecords, *, log: Log, clock: Clock
    ) -> None:
        self._settings = settings
        self._place = place
        self._records = records
        self._log = log
        self._clock = clock
        self._reloads = Reloads(log)
        self._stopped = asyncio.Event()

    async def serve(self, status: Status) -> int:
        loop = asyncio.get_running_loop()
        server = self._settings.server
        authority = AuthorityClient(partial(sockets.connect, self._place.run_directory))
        authority.start()
        folder = RefusalFolder(authority.record_refusal)
        listener = Listener(
            bind_listener(server.host, self._place.port),
            # uvicorn's own ASGI types are closed unions; ours are the open ones of the standard.
            app=cast("Any", self._app(authority, folder)),
            context=self._tls_context(),
            limits=ConnectionLimits(
                max_connections=max(1, server.max_connections // server.workers),
                max_connections_per_source=max(
                    1, server.max_connections_per_source // server.workers
                ),
                # EST refuses earlier by itself (EST_MAX_BODY), with an audit event.
                max_body=max(server.max_body, server.est_max_body + 1),
            ),
            loop=loop,
            on_event=EdgeLog(self._log, self._clock).note,
        )
        loop.add_signal_handler(signal.SIGTERM, self._stopped.set)
        self._reloads.add("tls", partial(self._reload_tls, listener))
        loop.add_signal_handler(signal.SIGHUP, self._reloads.run)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        listener.start()
        status.ready()
        if self._place.number == 1:
            self._announce()
        await self._stopped.wait()
        await listener.close(server.shutdown_grace_s)
        folder.flush()
        await asyncio.sleep(0)
        authority.close()
        self._records.close()
        return 0

    def _app(self, authority: AuthorityClient, folder: RefusalFolder) -> App:
        settings = self._settings
        profiles = [each.profile for each in settings.est.profiles]
        key = secrets.token_bytes(32)
        trust = ProfileTrusts(settings, self._log)
        self._reloads.add("trust", trust.load)
        passwords = {}
        for each in settings.est.profiles:
            if each.enrollment_password is not None:
                password = each.enrollment_password.reveal()
                passwords[each.profile.path_id] = PasswordDigest.of(password, key)
        ports = Ports(
            authority=authority,
            records=self._records,
            trust=trust.by_profile,
            passwords=passwords,
            certificate_profiles={DEFAULT_PROFILE.id: DEFAULT_PROFILE},
            clock=self._clock,
        )
        est = EstApp(
            build_routes(profiles, settings.est.root_profile),
            self._published(),
            ports,
            folder=folder,
            max_body=settings.server.est_max_body,
            random=os.urandom,
            log=self._log,
        )
        return App(est, lambda: {"authority": authority.connected})

    def _published(self) -> dict[str, Published]:
        settings = self._settings
        files = {
            issuer.id: ca_certificate_file(issuer, settings.server.data_dir)
            for issuer in settings.issuers
        }
        published = {}
        for each in settings.est.profiles:
            chain = read_chain(files[each.profile.issuer_id])
            published[each.profile.path_id] = Published(
                cacerts=certs_only(chain),
                csrattrs=csrattrs_of(DEFAULT_PROFILE),
                chain=chain,
            )
        return published

    def _tls_context(self) -> SSL.Context:
        server = self._settings.server
        chain = server.tls_cert_path or server.data_dir / CERTIFICATE_FILE
        key = server.tls_key_path or server.data_dir / KEY_FILE
        return build_server_context(chain.read_bytes(), key.read_bytes())

    def _reload_tls(self, listener: Listener) -> None:
        listener.swap_context(self._tls_context())
        self._log.info("tls_reloaded")

    def _announce(self) -> None:
        est = self._settings.est
        if not est.enabled:
            self._log.info("EST server disabled", remedy="set CERTCTL_EST_ENABLED=true")
            return
        self._log.info("EST server enabled", profiles=len(est.profiles))
        for each in est.profiles:
            profile = each.profile
            root = profile.path_id in ("", est.root_profile)
            routes = [f"/.well-known/est/{profile.path_id}"] if profile.path_id else []
            routes += [f"/.well-known/est-mtls/{profile.path_id}"] if profile.mtls else []
            routes += ["/.well-known/est"] if root else []
            self._log.info(
                "EST profile enabled",
                profile=profile.path_id or "(legacy root)",
                routes=routes,
                auth_modes=sorted(mode.value for mode in profile.auth_modes) or ["anonymous"],
                issuer=profile.issuer_id,
            )
