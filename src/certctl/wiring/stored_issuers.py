"""The issuers of the store in the authority: opened, withheld, and followed as they change.

One that cannot be opened is no reason to stop everything else: it issues nothing, says
why in the log and when it is tried, and the others go on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence

from certctl.authority.issue import AnyIssuer
from certctl.authority.issuer_desk import IssuerDesk
from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.crl_partitions import CrlPartition
from certctl.domain.errors import StoreUnavailable
from certctl.domain.ports import RunAgain, VaultRefused
from certctl.domain.profiles import profile_name
from certctl.domain.stored_issuers import IssuerState, StoredIssuer, Trial
from certctl.issuers.local import LocalCA
from certctl.issuers.responder import Responder
from certctl.issuers.signers.file import FileSigner
from certctl.issuers.vault import open_key
from certctl.issuers.withheld import WithheldIssuer
from certctl.obs.log import Log
from certctl.settings.schema import Settings
from certctl.store import SqlStore
from certctl.wiring.config_key import open_vault
from certctl.wiring.issuer_directory import set_by
from certctl.wiring.pointers import pointers


class IssuerMissing(Exception):
    """An EST profile names an issuer that is neither in the settings nor in the store."""


class StoredIssuers:
    """Keeps two live maps: what orders go to, and what signs CRLs and OCSP responders.

    Attributes:
        issuers: every issuer by id, those of the settings too.
        signers: local CAs by id whose key is open here, disabled ones too.
    """

    def __init__(
        self,
        settings: Settings,
        store: SqlStore,
        *,
        local: Mapping[str, LocalCA],
        outside: Mapping[str, AnyIssuer],
        partitions: Sequence[CrlPartition] = (),
        clock: Clock,
        log: Log,
    ) -> None:
        """Take the store's issuers over, and see that every EST profile has one.

        Raises:
            IssuerMissing: naming all EST profiles for which that is not so.
            ConfigKeyMismatch, VaultRefused, SecretUnreadable: see ``open_vault``.
            StoreUnavailable: the store cannot be read.
        """
        self._settings = settings
        self._partitions = partitions
        self._store = store
        self._vault = open_vault(settings, store)
        self._clock = clock
        self._log = log
        self._own = frozenset((*local, *outside))
        self._versions: dict[str, int] = {}
        self._stamp: tuple[int, int] | None = None
        self._due = False
        self.issuers: dict[str, AnyIssuer] = {**local, **outside}
        self.signers: dict[str, LocalCA] = dict(local)
        self.on_change: list[Callable[[], None]] = []
        """Called after every change, in the authority's loop."""
        self.look()
        self._require_named()

    def desk(self) -> IssuerDesk:
        """What the authority makes, changes and tries issuers with."""
        named_by: dict[str, list[str]] = {}
        for each in self._settings.est.profiles:
            named_by.setdefault(each.profile.issuer_id, []).append(each.profile.path_id)
        return IssuerDesk(
            known=self.issuers,
            clock=self._clock,
            named_by=named_by,
            set_by=set_by(self._settings),
            vault=self._vault,
            take_over=self.look_now,
        )

    def look(self) -> None:
        """Take over what has changed.

        Raises:
            StoreUnavailable: the store cannot be read; nothing has changed here.
        """
        with self._store.transaction() as transaction:
            rows = transaction.stored_issuers()
            stamp = len(rows), sum(row.version for row in rows)
            if stamp == self._stamp:
                return
            sealed = transaction.sealed_issuers()
        first, self._stamp = self._stamp is None, stamp
        for row in rows:
            if row.id in self._own:
                self._log.error(
                    "stored_issuer_hidden",
                    issuer=row.id,
                    problem="the settings have an issuer of the same id, which is used",
                    remedy="name the one in the settings otherwise",
                )
            elif self._versions.get(row.id) != row.version:
                self._versions[row.id] = row.version
                self._take_over(row, sealed.get(row.id, b""), first=first)
        for tell in self.on_change:
            tell()

    def look_now(self) -> None:
        """After a change of our own; what cannot be read now is read with the next tick."""
        self._due = True
        with contextlib.suppress(StoreUnavailable, RunAgain):
            self.look()
            self._due = False

    def look_again(self) -> None:
        """For each tick of the authority's loop."""
        if self._due:
            self.look_now()

    def look_if(self, stamp: Callable[[], tuple[int, int]]) -> None:
        """``look`` where a cheap question says that something has changed."""
        with contextlib.suppress(StoreUnavailable, RunAgain):
            if stamp() != self._stamp:
                self.look()

    def _take_over(self, row: StoredIssuer, sealed: bytes, *, first: bool) -> None:
        self.issuers.pop(row.id, None)
        self.signers.pop(row.id, None)
        if not first:
            self._log.info("issuer_changed", issuer=row.id, state=row.state.value)
        if row.state is IssuerState.DELETED:
            Responder.remove(self._settings.server.data_dir, issuer_id=row.id)
        if row.state in (IssuerState.DELETED, IssuerState.PENDING):
            return
        try:
            ca = self._open(row, sealed)
        except VaultRefused as refused:
            self._log.error(
                "issuer_unusable", issuer=row.id, problem=refused.problem, remedy=refused.remedy
            )
            unusable = Trial(
                tried="opened its sealed key",
                chain=row.chain,
                problem=refused.problem,
                remedy=refused.remedy,
            )
            self.issuers[row.id] = WithheldIssuer(
                row.id, row.chain, why="unusable", trial=lambda _: unusable
            )
            return
        self.signers[row.id] = ca
        self.issuers[row.id] = (
            ca
            if row.state is IssuerState.ENABLED
            else WithheldIssuer(
                row.id, row.chain, why=row.state.value, trial=lambda now_us: ca.trial(now_us=now_us)
            )
        )

    def _open(self, row: StoredIssuer, sealed: bytes) -> LocalCA:
        if self._vault is None:
            raise VaultRefused(
                "this server has no config key",
                "set CERTCTL_CONFIG_ENCRYPTION_KEY_FILE as on the other nodes and start it anew",
            )
        secret = self._vault.open(row, sealed)
        self._vault.check_chain(secret, row.chain, now_us=self._clock())
        return LocalCA(
            issuer_id=row.id,
            signer=FileSigner(open_key(secret)),
            chain=row.chain,
            lifetime_us=row.validity_s * SECOND_US,
            pointers=pointers(self._settings, row.id, self._partitions),
        )

    def _require_named(self) -> None:
        faults = [
            f'EST profile "{profile_name(each.profile.path_id)}" wants issuer'
            f' "{each.profile.issuer_id}": there is none of that name'
            for each in self._settings.est.profiles
            if each.profile.issuer_id not in self.issuers
        ]
        if faults:
            raise IssuerMissing(
                "; ".join(faults) + f". There are: {', '.join(sorted(self.issuers))}. Mend"
                " ISSUER_ID, list it in CERTCTL_ISSUERS, or make it over the API and install"
                " its certificate."
            )
