"""A worker: TLS, HTTP and the EST gates. Holds the listener's key and password digests,
a read-only database and no right to sign or write.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from OpenSSL import SSL

from certctl.authority.client import AuthorityClient
from certctl.domain.asgi import Application
from certctl.domain.clock import Clock
from certctl.domain.errors import StoreUnavailable
from certctl.enroll.passwords import PasswordDigest
from certctl.enroll.ports import Ports
from certctl.enroll.refusals import RefusalFolder
from certctl.issuers.signers.file import KeyFileRefused
from certctl.obs.bounded_log import BoundedLog
from certctl.obs.log import Log
from certctl.obs.metrics.measured import SURFACES, Laps, WorkerMetrics
from certctl.obs.metrics.numbers import Numbers
from certctl.settings.certificate_profiles import CertificateProfilesRefused
from certctl.settings.schema import Settings
from certctl.store import StoreError, open_worker_records
from certctl.store.reader import SqlRecords
from certctl.tls.context import BadServerPair, Oldest, build_server_context
from certctl.tls.limits import ConnectionLimits
from certctl.tls.listener import Listener, bind_listener
from certctl.tls.places import Places
from certctl.trust.bundle import BundleRefused
from certctl.web.api.lazy import LazyApi
from certctl.web.app import App
from certctl.web.est import EstApp, Published
from certctl.web.mcp import LazyMcp
from certctl.web.metrics import GuardedMetrics, MetricsPage, MetricsPortApp
from certctl.web.old_devices import OldDevicesApp
from certctl.web.plain_port import PlainPortApp
from certctl.web.routes import build_routes
from certctl.web.through_proxy import ProxyGate
from certctl.web.ui.door import LazyUi
from certctl.web.watched import Watched
from certctl.wire.pkcs7 import certs_only
from certctl.wiring import sockets
from certctl.wiring.announce import announce
from certctl.wiring.api import ApiParts
from certctl.wiring.certificate_profiles import (
    StoreWatch,
    open_certificate_profiles,
    reload_certificate_profiles,
)
from certctl.wiring.edge_log import EdgeLog
from certctl.wiring.issuer_directory import IssuerDirectory
from certctl.wiring.loop_faults import log_faults
from certctl.wiring.metrics import CONTENT_TYPE, Exposition, worker_name
from certctl.wiring.pepper import PepperRefused, read_pepper
from certctl.wiring.process import name_process, raise_file_limit
from certctl.wiring.publishing import Publisher
from certctl.wiring.reload import ProfileAuthorities, ProfileTrusts, Reloads
from certctl.wiring.server_certificate import CERTIFICATE_FILE, KEY_FILE
from certctl.wiring.status import Status
from certctl.wiring.tracing import make_tracing

if TYPE_CHECKING:
    from certctl.hooks.device_state import DeviceStateHook
    from certctl.mcp.http import McpHttp
    from certctl.obs.tracing.spans import Tracing
    from certctl.web.api.build import Api

# Objects of the start live for ever: the collector need not walk them again, and the
# request path makes few cycles, so it may look less often.
GC_THRESHOLDS = (50_000, 20, 20)

# A changed certificate profile, and an issuer, takes effect within a second (policy §1).
STORE_EVERY_S = 0.9


# One Prometheus holds one connection; two and a person with curl are many.
METRICS_LIMITS = ConnectionLimits(max_connections=64, max_connections_per_source=16, max_body=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which worker this is and where it listens and connects."""

    number: int
    port: int
    run_directory: Path
    numbers: Numbers


def run(settings: Settings, place: Place, status: Status, *, log: Log, clock: Clock) -> int:
    """Run until SIGTERM; gives the exit code."""
    name_process(f"certctl-worker-{place.number}")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise_file_limit()
    try:
        records = open_worker_records(
            settings.server.database_read_url, locked_from=settings.est.lockout.failures
        )
        return uvloop.run(_Worker(settings, place, records, log=log, clock=clock).serve(status))
    except (
        StoreError,
        BundleRefused,
        BadServerPair,
        CertificateProfilesRefused,
        PepperRefused,
        KeyFileRefused,
        StoreUnavailable,
        OSError,
    ) as refused:
        return status.refuse(refused)


class _Worker:
    def __init__(
        self, settings: Settings, place: Place, records: SqlRecords, *, log: Log, clock: Clock
    ) -> None:
        self._settings = settings
        self._place = place
        self._records = records
        self._log = log
        self._clock = clock
        self._certificate_profiles = open_certificate_profiles(settings, records, log)
        self._issuers = IssuerDirectory(settings, records)
        self._watch = StoreWatch(self._certificate_profiles, records, log)
        self._reloads = Reloads(log)
        self._proxies = ProxyGate(
            settings.server.trusted_proxies,
            BoundedLog(log, clock, event="proxy_headers_ignored"),
        )
        self._metrics = WorkerMetrics(place.numbers, place.numbers.begin(worker_name(place.number)))
        self._stopped = asyncio.Event()
        self._hooks: dict[str, DeviceStateHook] = {}
        self._mcp: LazyMcp | None = None
        self._tracing: Tracing | None = None

    async def serve(self, status: Status) -> int:
        loop = asyncio.get_running_loop()
        log_faults(loop, self._log)
        name = worker_name(self._place.number)
        tracing = make_tracing(self._settings, name, counted=self._metrics.spans, log=self._log)
        self._tracing = tracing
        authority = AuthorityClient(
            partial(sockets.connect_worker, self._place.run_directory), tracing=tracing
        )
        authority.start()
        folder = RefusalFolder(authority.record_refusal)
        self._hooks = _device_state_hooks(self._settings)
        publisher = Publisher(
            self._settings,
            self._records,
            self._place.run_directory,
            self._issuers,
            clock=self._clock,
            log=self._log,
            on_ocsp=self._metrics.ocsp,
        )
        publisher.load_responders()
        await publisher.take_over()
        self._reloads.add("ocsp_responder", publisher.load_responders)
        parts = self._api_parts(authority, folder, publisher)
        api = LazyApi(parts.build)
        exposition = Exposition(
            self._settings,
            self._place.numbers,
            responders=publisher.responders,
            connected=lambda: authority.connected,
            clock=self._clock,
            log=self._log,
        )
        page = MetricsPage(exposition, CONTENT_TYPE)
        app = self._app(authority, folder, publisher, api, GuardedMetrics(page, api))
        listeners = self._listeners(app, page, loop)
        loop.add_signal_handler(signal.SIGTERM, self._stopped.set)
        self._watch_store(loop, publisher)
        self._count_connections(loop, listeners)
        watching = loop.create_task(publisher.watch())
        self._reloads.add("tls", partial(self._reload_tls, listeners))
        loop.add_signal_handler(signal.SIGHUP, self._reloads.run)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        for listener in listeners:
            listener.start()
        status.ready()
        if self._place.number == 1:
            announce(self._settings, self._log)
        await self._stopped.wait()
        api.stop()
        grace_s = self._settings.server.shutdown_grace_s
        await asyncio.gather(*(each.close(grace_s) for each in listeners))
        if self._mcp is not None:
            self._mcp.stop()
        watching.cancel()
        folder.flush()
        await asyncio.sleep(0)
        for hook in self._hooks.values():
            await hook.close()
        parts.close()
        exposition.close()
        authority.close()
        self._records.close()
        if tracing is not None:
            tracing.close()
        return 0

    def _watch_store(self, loop: asyncio.AbstractEventLoop, publisher: Publisher) -> None:
        """Two tiny queries a second, whatever the load; none with a request."""
        if self._stopped.is_set():
            return
        self._watch.look()
        if self._issuers.look():
            publisher.follow()
        loop.call_later(STORE_EVERY_S, self._watch_store, loop, publisher)

    def _count_connections(
        self, loop: asyncio.AbstractEventLoop, listeners: Collection[Listener]
    ) -> None:
        self._metrics.connections.set(sum(each.counters.open for each in listeners))
        if not self._stopped.is_set():
            loop.call_later(STORE_EVERY_S, self._count_connections, loop, listeners)

    def _listeners(
        self, app: App, page: MetricsPage, loop: asyncio.AbstractEventLoop
    ) -> dict[Listener, Oldest | None]:
        """With the oldest TLS each speaks, or None; all together have the connections of one."""
        server = self._settings.server
        limits = ConnectionLimits(
            max_connections=max(1, server.max_connections // server.workers),
            max_connections_per_source=max(1, server.max_connections_per_source // server.workers),
            # EST refuses earlier by itself (EST_MAX_BODY), with an audit event.
            max_body=max(server.max_body, server.est_max_body + 1),
        )
        places = Places(limits)
        on_event = EdgeLog(self._log, self._clock, self._metrics).note
        faces: list[tuple[Oldest | None, int, App | OldDevicesApp | PlainPortApp]] = [
            (Oldest.TLS13, self._place.port, app)
        ]
        if server.tls12_port is not None:
            faces.append((Oldest.TLS12, server.tls12_port, OldDevicesApp(app, random=os.urandom)))
        if server.pki_http_port is not None:
            faces.append((None, server.pki_http_port, PlainPortApp(app)))
        made = {
            Listener(
                bind_listener(server.host, port),
                app=face,
                context=None if oldest is None else self._tls_context(oldest),
                limits=limits,
                loop=loop,
                places=places,
                carries_many=server.trusted_proxies.by_address,
                on_event=on_event,
                on_handshake=self._metrics.shook_hands,
            ): oldest
            for oldest, port, face in faces
        }
        if server.metrics_port is not None:
            made[self._metrics_listener(server.metrics_port, page, loop)] = None
        return made

    def _metrics_listener(
        self, port: int, page: MetricsPage, loop: asyncio.AbstractEventLoop
    ) -> Listener:
        """With places of its own: a full server must still say that it is full."""
        return Listener(
            bind_listener(self._settings.server.metrics_address, port),
            app=MetricsPortApp(page),
            context=None,
            limits=METRICS_LIMITS,
            loop=loop,
        )

    def _app(
        self,
        authority: AuthorityClient,
        folder: RefusalFolder,
        publisher: Publisher,
        api: LazyApi,
        metrics: GuardedMetrics,
    ) -> App:
        settings = self._settings
        profiles = [each.profile for each in settings.est.profiles]
        key = secrets.token_bytes(32)
        trust = ProfileTrusts(settings, self._log)
        self._reloads.add("trust", trust.load)
        # The authority has told what changed; its own rules decide in the end.
        self._reloads.add(
            "certificate_profiles",
            lambda: reload_certificate_profiles(settings, self._certificate_profiles),
        )
        passwords = {}
        for each in settings.est.profiles:
            if each.enrollment_password is not None:
                password = each.enrollment_password.reveal()
                passwords[each.profile.path_id] = PasswordDigest.of(password, key)
        chains = self._ca_chains()
        issuers = {path_id: chain[0] for path_id, chain in chains.items()}
        authorities = ProfileAuthorities(settings, issuers, self._log)
        self._reloads.add("registration_authorities", authorities.load)
        ports = Ports(
            authority=authority,
            records=self._records,
            trust=trust.by_profile,
            passwords=passwords,
            certificate_profiles=self._certificate_profiles,
            clock=self._clock,
            device_states=self._hooks,
            registration_authorities=authorities.by_profile,
            lockout=settings.est.lockout,
            metrics=self._metrics,
            laps=_laps(self._metrics, self._tracing),
        )
        est = EstApp(
            build_routes(profiles, settings.est.root_profile),
            {
                path_id: Published(cacerts=certs_only(chain), chain=chain)
                for path_id, chain in chains.items()
            },
            ports,
            proxies=self._proxies,
            folder=folder,
            max_body=settings.server.est_max_body,
            random=os.urandom,
            log=self._log,
            traced=self._tracing is not None,
        )

        def parts() -> dict[str, bool]:
            return {"authority": authority.connected, "store": self._watch.readable}

        ui = LazyUi(
            api,
            idle_s=settings.server.ui_idle_s,
            public_url=settings.server.public_url,
            parts=parts,
        )
        self._mcp = self._door_to_mcp(est, api)
        mcp = self._mcp
        return App(
            est if self._tracing is None else self._watched(est, "est"),
            publisher.app,
            self._watched(api, "api"),
            self._watched(ui, "pages"),
            None if mcp is None else self._watched(mcp, "mcp"),
            metrics,
            parts,
            random=os.urandom,
        )

    def _watched(self, app: Application, surface: str) -> Watched:
        return Watched(
            app,
            surface,
            on_answer=self._metrics.answers_of(surface) if surface in SURFACES else None,
            tracing=self._tracing,
            by_proxy=self._proxies.sent_by_proxy,
        )

    def _door_to_mcp(self, est: EstApp, api: LazyApi) -> LazyMcp | None:
        server = self._settings.server
        if not server.mcp_enabled:
            return None

        def build(opened: Api) -> McpHttp:
            from certctl.wiring.mcp import build_mcp  # noqa: PLC0415 - loads the SDK

            return build_mcp(opened, est, max_body=server.max_body, log=self._log)

        return LazyMcp(api, build, public_url=server.public_url, random=os.urandom)

    def _api_parts(
        self, authority: AuthorityClient, folder: RefusalFolder, publisher: Publisher
    ) -> ApiParts:
        settings = self._settings
        return ApiParts(
            settings,
            pepper=read_pepper(settings.server.data_dir),
            records=self._records,
            authority=authority,
            certificate_profiles=self._certificate_profiles,
            publisher=publisher,
            proxies=self._proxies,
            folder=folder,
            clock=self._clock,
            log=self._log,
        )

    def _ca_chains(self) -> dict[str, tuple[bytes, ...]]:
        """By path ID: the certificates of its CA (DER), the signing one first. The authority
        has seen to it that each has one.
        """
        return {
            each.profile.path_id: self._issuers.chains[each.profile.issuer_id]
            for each in self._settings.est.profiles
        }

    def _tls_context(self, oldest: Oldest) -> SSL.Context:
        server = self._settings.server
        chain = server.tls_cert_path or server.data_dir / CERTIFICATE_FILE
        key = server.tls_key_path or server.data_dir / KEY_FILE
        return build_server_context(chain.read_bytes(), key.read_bytes(), oldest=oldest)

    def _reload_tls(self, listeners: Mapping[Listener, Oldest | None]) -> None:
        """Certificate and key of every listener: all of them change, or none."""
        fresh = {
            listener: self._tls_context(oldest)
            for listener, oldest in listeners.items()
            if oldest is not None
        }
        for listener, context in fresh.items():
            listener.swap_context(context)
        self._log.info("tls_reloaded")


def _device_state_hooks(settings: Settings) -> dict[str, DeviceStateHook]:
    """By path ID. The HTTP client is not even loaded where no profile has a hook."""
    urls = {
        each.profile.path_id: each.device_state_hook
        for each in settings.est.profiles
        if each.device_state_hook is not None
    }
    if not urls:
        return {}
    from certctl.hooks.device_state import DeviceStateHook  # noqa: PLC0415

    return {path_id: DeviceStateHook(url) for path_id, url in urls.items()}


def _laps(metrics: WorkerMetrics, tracing: Tracing | None) -> Callable[[], Laps]:
    """What makes the watch for the steps of a request."""
    if tracing is None:
        return Laps
    from certctl.obs.tracing.gates import traced_laps  # noqa: PLC0415 - loads the SDK

    return traced_laps(metrics)
