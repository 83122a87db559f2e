"""The management API of a worker: its threads, its keys, and what it may know of settings."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from certctl import __version__
from certctl.domain.errors import StoreUnavailable
from certctl.domain.failure_words import words_of
from certctl.domain.ports import Records
from certctl.domain.profiles import EstProfile
from certctl.settings.certificate_profiles import CertificateProfilesRefused
from certctl.settings.schema import Settings
from certctl.store import SqlRecords, open_records
from certctl.trust.bundle import BundleRefused
from certctl.web.routes import build_routes
from certctl.wiring.announce import lint_of
from certctl.wiring.api_keys import fixed_keys
from certctl.wiring.ids import new_ids
from certctl.wiring.issuer_directory import set_by
from certctl.wiring.trust_report import TrustInForce, trust_preview

if TYPE_CHECKING:
    from certctl.authority.client import AuthorityClient
    from certctl.domain.certificate_profiles import CertificateProfiles
    from certctl.domain.clock import Clock
    from certctl.domain.explanation import Explanation, Question
    from certctl.enroll.refusals import RefusalFolder
    from certctl.obs.log import Log
    from certctl.web.api.build import Api
    from certctl.web.api.services import ProfileFacts
    from certctl.web.through_proxy import ProxyGate
    from certctl.wiring.publishing import Publisher

T = TypeVar("T")

THREADS = 3
MOST_WAITING = 100


class ReadThreads:
    """Questions to the records, each in a thread that has them open for itself."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._mine = threading.local()
        self._opened: list[SqlRecords] = []
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="api-read")
        self._waiting = 0

    async def __call__(self, question: Callable[[Records], T]) -> T:
        """See ``web.api.services.Read``."""
        if self._waiting >= MOST_WAITING:
            raise StoreUnavailable("readers")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._answer, question)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._threads.shutdown()
        for records in self._opened:
            records.close()

    def _answer(self, question: Callable[[Records], T]) -> T:
        records: SqlRecords | None = getattr(self._mine, "records", None)
        if records is None:
            records = self._mine.records = open_records(self._url)
            self._opened.append(records)
        return question(records)


class ApiParts:
    """Everything the API of one worker is built from, once somebody asks for it."""

    def __init__(
        self,
        settings: Settings,
        *,
        pepper: bytes,
        records: SqlRecords,
        authority: AuthorityClient,
        certificate_profiles: CertificateProfiles,
        publisher: Publisher,
        proxies: ProxyGate,
        folder: RefusalFolder,
        clock: Clock,
        log: Log,
    ) -> None:
        self._settings = settings
        self._pepper = pepper
        self._records = records
        self._authority = authority
        self._certificate_profiles = certificate_profiles
        self._issuers = publisher.issuers
        self._responders = publisher.responders
        self._proxies = proxies
        self._folder = folder
        self._clock = clock
        self._log = log
        self._read = ReadThreads(settings.server.database_read_url)

    def close(self) -> None:
        self._read.close()

    def build(self) -> Api:
        """Load and build it; slow, so not in an event loop."""
        from certctl.web.api.build import Api  # noqa: PLC0415 - with FastAPI, as below
        from certctl.web.api.bulk import BulkRevocations  # noqa: PLC0415
        from certctl.web.api.callers import KeyRing  # noqa: PLC0415
        from certctl.web.api.guard import Entrance  # noqa: PLC0415
        from certctl.web.api.rate import RateLimit  # noqa: PLC0415
        from certctl.web.api.services import Services  # noqa: PLC0415
        from certctl.wiring.imports import read_pem  # noqa: PLC0415

        api = self._settings.server.api
        fixed = fixed_keys(api, self._pepper)
        ring = None if api.open else KeyRing(self._records, self._pepper, fixed, self._clock)
        services = Services(
            read=self._read,
            execute=self._authority.execute,
            ring=ring,
            profiles=self._profiles(),
            trust=TrustInForce(self._settings),
            trust_preview=partial(trust_preview, self._settings),
            certificate_profiles=self._certificate_profiles,
            issuer_types={each.id: each.type for each in self._settings.issuers},
            issuer_variables=set_by(self._settings),
            keeps_issuers=self._settings.server.config_key is not None,
            chains=self._issuers.chains,
            responders=self._responders,
            read_import=lambda octets, issuer: read_pem(
                octets, self._settings, issuer=issuer, stored=self._issuers.rows
            ),
            explain=self._explain,
            bulk=BulkRevocations(
                self._authority.execute,
                lambda: open_records(self._settings.server.database_read_url),
                new_id=new_ids(self._clock),
                clock=self._clock,
                log=self._log,
            ),
            clock=self._clock,
            random=os.urandom,
            pepper=self._pepper,
            version=__version__,
            open=api.open,
        )
        workers = self._settings.server.workers
        entrance = Entrance(
            ring=ring,
            # Connections spread over the workers by chance, so each has its share.
            rate=RateLimit(
                rate=api.rate / workers, burst=-(-api.burst // workers), clock=self._clock
            ),
            proxies=self._proxies,
            folder=self._folder,
            max_body=self._settings.server.max_body,
            clock=self._clock,
            random=os.urandom,
            log=self._log,
        )
        return Api(services, entrance)

    def _explain(self, question: Question, records: Records) -> Explanation:
        from certctl.wiring.explain import explain  # noqa: PLC0415 - loads what can sign

        try:
            return explain(
                self._settings,
                question,
                # ``ReadThreads`` opened them; a worker's own port does not show what gates ask.
                cast("SqlRecords", records),
                running=True,
                log=self._log,
                clock=self._clock,
            )
        except (BundleRefused, CertificateProfilesRefused, OSError) as err:
            self._log.error("explain_failed", problem=str(words_of(err)))
            raise StoreUnavailable("rules") from err

    def _profiles(self) -> Sequence[ProfileFacts]:
        from certctl.web.api.services import ProfileFacts  # noqa: PLC0415 - loads FastAPI

        est = self._settings.est
        return [
            ProfileFacts(
                profile=each.profile,
                trust_anchor_path=str(each.trust_bundle_path) if each.trust_bundle_path else None,
                lint=lint_of(each.profile, self._settings),
                urls=self._urls(each.profile, est.root_profile),
            )
            for each in est.profiles
        ]

    def _urls(self, profile: EstProfile, root_profile: str | None) -> tuple[str, ...]:
        base = self._settings.server.public_url or ""
        paths = build_routes([profile], root_profile)
        return tuple(f"{base}{path.decode()}" for path in paths if not path.endswith(b"/"))
