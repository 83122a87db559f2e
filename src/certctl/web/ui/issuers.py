"""``/issuers``: what signs, how long it still may, and what an admin does to it (issuers §4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from certctl.domain.api_keys import Role
from certctl.domain.errors import Conflict, NotFound
from certctl.domain.ports import Records
from certctl.domain.stored_issuers import IssuerState
from certctl.settings.schema import CaKeyType
from certctl.web.answers import Answer
from certctl.web.api import issuer_writes as writes
from certctl.web.api import issuers as api
from certctl.web.api.certificate_view import pem
from certctl.web.api.issuers import IssuerOut
from certctl.web.api.problems import ApiRefused, refusal_of
from certctl.web.ui.decoded import Field, certificate_fields
from certctl.web.ui.est import AMBER_DAYS, GREEN_DAYS
from certctl.web.ui.forms import filled
from certctl.web.ui.page import Visit, see

FIELDS = ("id", "display_name", "key_type", "common_name", "validity_days", "kind")
SUBORDINATE = "below a CA outside"
KINDS = ("a root of its own", SUBORDINATE)
_DAY_S = 86_400


class Change(NamedTuple):
    """A change that is confirmed before it is done."""

    verb: str
    says: str
    danger: bool


CHANGES = {
    "enable": Change("Enable", "It issues again within a second.", danger=False),
    "disable": Change(
        "Disable",
        "It issues nothing within a second: EST profiles that name it answer 503. Its CRL and"
        " OCSP answers go on. It can be enabled again.",
        danger=True,
    ),
    "delete": Change(
        "Delete",
        "Its key is destroyed. This cannot be taken back, and its id is never given to another"
        " CA. It is refused while an EST profile names it or a certificate of it is unexpired.",
        danger=True,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An issuer in the list; ``tone`` is of its countdown, as of trust anchors."""

    issuer: IssuerOut
    tone: str
    countdown: str


async def listing(visit: Visit) -> Answer:
    return await _list(visit, {})


async def create(visit: Visit) -> Answer:
    kept = {name: visit.form.get(name, "").strip() for name in FIELDS}
    fields: dict[str, object] = {
        name: kept[name] for name in ("id", "display_name", "key_type", "common_name")
    }
    fields["subordinate"] = kept["kind"] == SUBORDINATE
    if kept["validity_days"]:
        days = kept["validity_days"]
        fields["validity_seconds"] = int(days) * _DAY_S if days.isdecimal() else days
    try:
        made = await writes.create_issuer(filled(writes.NewIssuer, fields), visit.ask)
    except Conflict as failure:
        return await _list(visit, kept, refused=refusal_of(failure))
    except ApiRefused as refused:
        return await _list(visit, kept, refused=refused)
    return see(f"/issuers/{made.id}")


async def show(visit: Visit) -> Answer:
    return await _detail(visit)


async def test(visit: Visit) -> Answer:
    """Try it, and show what came of it."""
    issuer = await _one(visit)
    told = await writes.test_issuer(issuer.id, visit.ask)
    return await _detail(visit, told=told)


async def install(visit: Visit) -> Answer:
    issuer = await _one(visit)
    text = visit.form.get("certificate", "")
    try:
        body = filled(writes.NewCertificate, {"certificate": text})
        await writes.install_certificate(issuer.id, body, visit.ask)
    except Conflict as failure:
        return await _detail(visit, refused=refusal_of(failure), text=text)
    except ApiRefused as refused:
        return await _detail(visit, refused=refused, text=text)
    return see(f"/issuers/{issuer.id}")


async def confirm(visit: Visit) -> Answer:
    """What a change would do, before anybody confirms it."""
    return await _dialog(visit, await _one(visit))


async def change(visit: Visit) -> Answer:
    issuer = await _one(visit)
    name = _change_name(visit)
    place = "/issuers" if name == "delete" else f"/issuers/{issuer.id}"
    try:
        if name == "delete":
            await writes.delete_issuer(issuer.id, visit.ask)
        else:
            body = writes.IssuerPatch(enabled=name == "enable")
            await writes.change_issuer(issuer.id, body, visit.ask)
    except Conflict as failure:
        return await _dialog(visit, issuer, refused=refusal_of(failure))
    except ApiRefused as refused:
        return await _dialog(visit, issuer, refused=refused)
    if visit.fragment:
        return Answer(status=204, headers=((b"HX-Redirect", place.encode()),))
    return see(place)


async def chain_file(visit: Visit) -> Answer:
    """The chain as a file, or of a pending issuer its request for the CA above."""
    issuer = await _one(visit)
    ders = await _ders(visit, issuer.id)
    if ders:
        return _file(pem(ders), f"{issuer.id}.pem", b"application/pem-certificate-chain")
    return _file(issuer.csr or "", f"{issuer.id}.csr.pem", b"application/x-pem-file")


def _file(text: str, name: str, kind: bytes) -> Answer:
    headers = (
        (b"Content-Type", kind),
        (b"Content-Disposition", f'attachment; filename="{name}"'.encode()),
    )
    return Answer(status=200, headers=headers, body=text.encode())


async def _one(visit: Visit) -> IssuerOut:
    return await api.show_issuer(visit.names["issuer"], visit.ask)


def _change_name(visit: Visit) -> str:
    name = visit.path.rpartition("/")[2]
    if name not in CHANGES:
        raise NotFound("such change")
    return name


async def _list(visit: Visit, kept: dict[str, str], *, refused: ApiRefused | None = None) -> Answer:
    found = await api.list_issuers(visit.ask)
    return visit.page(
        "issuers.html",
        status=refused.status if refused is not None else 200,
        rows=[_row(each) for each in found.data],
        kept=kept,
        refused=refused,
        key_types=[each.value for each in CaKeyType],
        kinds=KINDS,
        may_make=_may_change(visit),
        keeps=visit.services.keeps_issuers,
    )


async def _detail(
    visit: Visit,
    *,
    told: writes.TestOut | None = None,
    refused: ApiRefused | None = None,
    text: str = "",
) -> Answer:
    issuer = await _one(visit)
    decoded: list[list[Field]] = [
        certificate_fields(each) for each in await _ders(visit, issuer.id)
    ]
    return visit.page(
        "issuer.html",
        status=refused.status if refused is not None else 200,
        row=_row(issuer),
        issuer=issuer,
        decoded=decoded,
        told=told,
        refused=refused,
        text=text,
        may_change=_may_change(visit),
    )


async def _dialog(visit: Visit, issuer: IssuerOut, *, refused: ApiRefused | None = None) -> Answer:
    name = _change_name(visit)
    return visit.page(
        "issuer_change.html",
        status=refused.status if refused is not None else 200,
        issuer=issuer,
        name=name,
        change=CHANGES[name],
        refused=refused,
    )


async def _ders(visit: Visit, issuer_id: str) -> tuple[bytes, ...]:
    """The chain, of the store where the issuer is of the store: newer than what is followed."""

    def stored(records: Records) -> tuple[bytes, ...]:
        return next((row.chain for row in records.stored_issuers() if row.id == issuer_id), ())

    if issuer_id in visit.services.issuer_types:
        return tuple(visit.services.chains.get(issuer_id, ()))
    return await visit.services.read(stored)


def _may_change(visit: Visit) -> bool:
    holder = visit.ask.caller.holder
    return holder.role is Role.ADMIN and holder.visible.everything


def _row(issuer: IssuerOut) -> Row:
    days = issuer.days_to_expiry
    if issuer.state is IssuerState.PENDING or days is None:
        return Row(issuer=issuer, tone="warn", countdown="none yet")
    if any(each.expired for each in issuer.chain):
        return Row(issuer=issuer, tone="bad", countdown="EXPIRED")
    tone = "good" if days >= GREEN_DAYS else "warn" if days >= AMBER_DAYS else "bad"
    return Row(issuer=issuer, tone=tone, countdown=f"{days} d")
