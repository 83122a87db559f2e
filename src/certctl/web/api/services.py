"""What the API's handlers stand on, and how FastAPI hands it to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Request

from certctl.authority.commands import Command, CommandResult, Import
from certctl.domain.api_keys import Visible
from certctl.domain.certificate_profiles import CertificateProfiles
from certctl.domain.clock import Clock
from certctl.domain.errors import InternalError
from certctl.domain.explanation import Explanation, Question
from certctl.domain.ids import RandomBytes
from certctl.domain.kept_answer import Once
from certctl.domain.ports import Records
from certctl.domain.profiles import EstProfile
from certctl.domain.trust_change import TrustChange
from certctl.domain.trust_report import BundleReport
from certctl.web.api.bulk import BulkRevocations, Execute
from certctl.web.api.callers import Caller, KeyRing

T = TypeVar("T")
Result = TypeVar("Result", bound=CommandResult)


class Read(Protocol):
    """Asks the records in a thread of the API's own; the event loop never waits for them."""

    def __call__(self, question: Callable[[Records], T]) -> Awaitable[T]:
        """Raises StoreUnavailable: they cannot be read, or too many ask."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFacts:
    """An EST profile with what else is said about it."""

    profile: EstProfile
    trust_anchor_path: str | None
    lint: tuple[str, ...]
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything the handlers use.

    Attributes:
        trust: what an EST profile trusts, by path ID and time; reads files that have changed.
        trust_preview: what a reload of an EST profile's bundle would change; reads files, and
            raises TrustRefused where it would be refused.
        issuer_types: by issuer id, of those of the settings.
        issuer_variables: which variable makes each of them.
        keeps_issuers: there is a config key, so issuers can be made over the API.
        chains: CA certificates (DER) by issuer id, the signing one first.
        responders: certificates (DER) of the OCSP responders in use, by issuer id.
        read_import: certificates in PEM, and what to call their issuer where it is none of
            ours, to what can go on record; of each that cannot, why. Slow.
        open: ``AUTH_TYPE=none``.
        explain: judges a request by every rule; raises NotFound and StoreUnavailable. Slow.
        bulk: carries bulk revocations out.
        remembered: answers that are dear to make, by whom they are for.
    """

    read: Read
    execute: Execute
    ring: KeyRing | None
    profiles: Sequence[ProfileFacts]
    trust: Callable[[str, int], BundleReport]
    trust_preview: Callable[[str, int], TrustChange]
    certificate_profiles: CertificateProfiles
    issuer_types: Mapping[str, str]
    issuer_variables: Mapping[str, str]
    keeps_issuers: bool
    chains: Mapping[str, Sequence[bytes]]
    responders: Mapping[str, bytes]
    read_import: Callable[[bytes, str | None], Sequence[Import | str]]
    explain: Callable[[Question, Records], Explanation]
    bulk: BulkRevocations
    clock: Clock
    random: RandomBytes
    pepper: bytes
    version: str
    open: bool
    remembered: dict[Visible, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: who asks, and what makes a write the same as one before."""

    caller: Caller
    once: Once | None
    services: Services

    async def do(self, command: Command, answer: type[Result]) -> Result:
        """Have the authority carry out a command of this caller.

        Raises:
            Failure: it was refused, or the authority is away.
        """
        result = await self.services.execute(
            command, bearer=self.caller.bearer, origin=self.caller.origin, once=self.once
        )
        if not isinstance(result, answer):
            raise InternalError
        return result


# Coroutines, because FastAPI would send plain functions through a thread each time.
async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _asked(request: Request) -> Asked:
    state = request.scope["state"]
    return Asked(caller=state["caller"], once=state["once"], services=request.app.state.services)


Api = Annotated[Services, Depends(_services)]
Ask = Annotated[Asked, Depends(_asked)]
