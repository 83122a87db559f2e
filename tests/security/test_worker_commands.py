"""A worker taken over by an attacker, at the authority's socket: a word is worth nothing.

Each test speaks to the authority of a running server by the workers' socket, as code in a
worker could, and asserts the refusal, its audit event, and that nothing has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import msgspec
import pytest

from certctl.authority.commands import (
    AnnounceCertificates,
    AnnounceExpiry,
    ApiKeyDone,
    ApproveRequest,
    BeginBulkRevoke,
    Command,
    CreateApiKey,
    DeleteCertificateProfile,
    DenyRequest,
    DropAuditSegment,
    DropCrlParts,
    DropRecords,
    FinishBulkRevoke,
    FinishJob,
    Import,
    ImportCertificates,
    NoteBackup,
    PurgeExpired,
    PutCertificateProfile,
    PutCrlPart,
    ReconcileIntents,
    ReleaseCertificate,
    ReloadTrust,
    RequeueDeliveries,
    RevocationDone,
    RevokeApiKey,
    RevokeCertificate,
    RevokeSlice,
    SealAudit,
    SettleDeliveries,
    SignCrl,
    SliceRevoked,
    TakeLease,
)
from certctl.authority.commands.figures import (
    RecordActivity,
    RecordAuditProof,
    RecordInventory,
)
from certctl.authority.commands.issuers import (
    ChangeIssuer,
    CreateIssuer,
    DeleteIssuer,
    InstallIssuer,
    TestIssuer,
)
from certctl.authority.commands.sessions import (
    CloseSession,
    ExtendSession,
    OpenSession,
    SessionDone,
)
from certctl.authority.commands.telling import TellIssuers
from certctl.authority.key_gate import ROLES, WHOLE
from certctl.domain.api_keys import Role
from certctl.domain.audit import AuditAction, AuditEvent, Outcome
from certctl.domain.bulk_revocation import RevocationCriteria
from certctl.domain.errors import CommandRefused
from certctl.domain.events import Event, EventType, NoticeMark
from certctl.domain.figures import ActivitySpan, AuditProof, InventoryFigures
from certctl.domain.kept_answer import Once, Origin
from certctl.domain.revocation import RevocationReason
from certctl.domain.sessions import BEARER, token_digest, token_text
from certctl.settings.schema import CaKeyType
from certctl.web.api.table import ENDPOINTS
from tests.harness.api import ApiClient, first_key
from tests.harness.device import Device
from tests.harness.http import basic
from tests.harness.impostor import impostor
from tests.harness.records import all_events, wait_for_event
from tests.harness.server import RunningServer, ruled_server

PASSWORD = "password-of-demo"
NOBODY = "0" * 32
LIE = "host:root"
REASON = RevocationReason.KEY_COMPROMISE
ORIGIN = Origin(source_address="192.0.2.66", request_id="f" * 16, tls_version="TLSv1.3")
ONCE = Once(key=b"k" * 32, request=b"r" * 32)
MARK = NoticeMark(name="m", at_us=1, id="")

CERTIFICATE = "CERTIFICATE"
"""Stands for the id of a certificate on record."""

REQUEST = "REQUEST"
"""Stands for the id of a request that waits."""

COMMANDS: tuple[Command, ...] = (
    RevokeCertificate(certificate_id=CERTIFICATE, reason=REASON, actor=LIE),
    ReleaseCertificate(certificate_id=CERTIFICATE, actor=LIE),
    BeginBulkRevoke(
        operation=NOBODY, criteria=RevocationCriteria(profile="demo"), reason=REASON, actor=LIE
    ),
    RevokeSlice(
        operation=NOBODY,
        criteria=RevocationCriteria(),
        certificate_ids=(CERTIFICATE,),
        reason=REASON,
        actor=LIE,
    ),
    FinishBulkRevoke(operation=NOBODY, totals=None, actor=LIE),
    ImportCertificates(certificates=(Import(der=b"0", issuer_id="external:x"),), actor=LIE),
    ReloadTrust(path_id="demo", actor="system"),
    ApproveRequest(request_id=REQUEST, reason="", actor=LIE),
    DenyRequest(request_id=REQUEST, reason="no", actor=LIE),
    TakeLease(job="purge", holder="me", every_us=0, lease_us=1),
    FinishJob(job="purge", fence=1, outcome="ok"),
    SealAudit(fence=1),
    RecordInventory(fence=1, figures=InventoryFigures(made_us=1, took_us=0, parts=())),
    RecordActivity(
        fence=1,
        span=ActivitySpan(made_us=1, from_us=0, until_us=1),
        counted_from_us=0,
        slots=(),
    ),
    RecordAuditProof(fence=1, proof=AuditProof(made_us=1, took_us=0, broken="")),
    PurgeExpired(fence=1),
    SettleDeliveries(fence=1, deliveries=()),
    RequeueDeliveries(event_id=None, channel=None, actor=LIE),
    AnnounceCertificates(fence=1, days=1, certificate_ids=(), mark=MARK),
    AnnounceExpiry(
        fence=1,
        event=Event(id=NOBODY, type=EventType.CA_EXPIRING_SOON, time_us=1, subject="ca/x", data={}),
        mark=MARK,
    ),
    ReconcileIntents(fence=1),
    TellIssuers(fence=1, deliveries=()),
    PutCrlPart(fence=1, issuer_id="iss-local", number=1, part=0, octets=b"0"),
    SignCrl(fence=1, issuer_id="iss-local", number=1, parts=1, scheduled=True, stamp=""),
    DropCrlParts(fence=1, issuer_id="iss-local"),
    NoteBackup(target="elsewhere", actor=LIE),
    DropAuditSegment(fence=1, node="node", checkpoint=1),
    DropRecords(fence=1, certificate_ids=[]),
    PutCertificateProfile(profile_id="cp-evil", document="{}", actor=LIE),
    DeleteCertificateProfile(profile_id="cp-evil", actor=LIE),
    CreateApiKey(key_id="1" * 32, name="evil", role=Role.ADMIN, digest=b"d" * 32, actor=LIE),
    RevokeApiKey(key_id=NOBODY, actor=LIE),
    TestIssuer(issuer_id="iss-local", test_id="0", actor=LIE),
    CreateIssuer(
        issuer_id="evil", display_name="", key_type=CaKeyType.P256, validity_s=60, actor=LIE
    ),
    InstallIssuer(issuer_id="evil", chain=(b"0",), actor=LIE),
    ChangeIssuer(issuer_id="iss-local", enabled=False, actor=LIE),
    DeleteIssuer(issuer_id="iss-local", actor=LIE),
    OpenSession(digest=b"s" * 32, key_id=NOBODY, actor=LIE, idle_us=1),
    ExtendSession(digest=b"s" * 32, actor=LIE, idle_us=1),
    CloseSession(digest=b"s" * 32, actor=LIE),
)

SESSIONS = (OpenSession, ExtendSession, CloseSession)
"""Of the web pages: for every key, and of no tenant."""

SCOPED = [
    # What is kept of a bulk revocation's totals changes nothing.
    each
    for each in COMMANDS
    if type(each) in ROLES and not isinstance(each, (FinishBulkRevoke, *SESSIONS))
]

ENDPOINT_OF: dict[type[Command], str] = {
    RevokeCertificate: "POST /certificates/{certificate_id}/revoke",
    ReleaseCertificate: "POST /certificates/{certificate_id}/release",
    ImportCertificates: "POST /certificates/import",
    ApproveRequest: "POST /est/requests/{request_id}/approve",
    DenyRequest: "POST /est/requests/{request_id}/deny",
    BeginBulkRevoke: "POST /est/certificates/bulk-revoke",
    RevokeSlice: "POST /est/certificates/bulk-revoke",
    FinishBulkRevoke: "POST /est/certificates/bulk-revoke",
    ReloadTrust: "POST /admin/est/reload-trust",
    RequeueDeliveries: "POST /events/requeue",
    PutCertificateProfile: "PUT /profiles/{profile_id}",
    DeleteCertificateProfile: "DELETE /profiles/{profile_id}",
    CreateApiKey: "POST /keys",
    RevokeApiKey: "DELETE /keys/{key_id}",
    TestIssuer: "POST /issuers/{issuer_id}/test",
    CreateIssuer: "POST /issuers",
    InstallIssuer: "POST /issuers/{issuer_id}/certificate",
    ChangeIssuer: "PATCH /issuers/{issuer_id}",
    DeleteIssuer: "DELETE /issuers/{issuer_id}",
}


def name_of(command: Command) -> str:
    return type(command).__name__


@dataclass(frozen=True, slots=True)
class Site:
    server: RunningServer
    root: ApiClient
    certificate: str
    request: str
    keys: dict[Role, str]

    def about(self, command: Command) -> Command:
        """The same command about the certificate or request that is there."""
        changes: dict[str, object] = {}
        if getattr(command, "certificate_id", None) == CERTIFICATE:
            changes["certificate_id"] = self.certificate
        if getattr(command, "certificate_ids", None) == (CERTIFICATE,):
            changes["certificate_ids"] = (self.certificate,)
        if getattr(command, "request_id", None) == REQUEST:
            changes["request_id"] = self.request
        return msgspec.structs.replace(command, **changes)

    def refuses(self, command: Command, bearer: str, reason: str, *, once: Once | None = None):
        """Refused for this reason, on record, and nothing else came on record with it."""
        last = all_events(self.server)[-1].seq
        with impostor(self.server) as worker:
            answer = worker.command(self.about(command), bearer, origin=ORIGIN, once=once)
        assert isinstance(answer, CommandRefused), answer
        assert answer.reason == reason
        wait_for_event(self.server, AuditAction.API_REFUSED, reason, after=last)
        (event,) = (
            each.event
            for each in all_events(self.server, after=last)
            if each.event.action is not AuditAction.API_REFUSED or each.event.resource_type != "api"
        )
        assert event.outcome is Outcome.FAILURE
        assert (event.resource_type, event.resource_id) == ("command", name_of(command))
        assert (event.source_address, event.request_id) == ("192.0.2.66", "f" * 16)
        assert event.actor != LIE


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    environment = {
        "EST_PROFILES": "demo,slow",
        "EST_PROFILE_DEMO_PROFILE_ID": "default",
        "API_KEYS_NAMED": "settled:key-of-the-settings",
        "RATE_LIMIT_ENABLED": "false",
        "WORKERS": "1",
    }
    for name in ("DEMO", "SLOW"):
        environment |= {
            f"EST_PROFILE_{name}_ISSUER_ID": "iss-local",
            f"EST_PROFILE_{name}_ALLOWED_AUTH_MODES": "basic",
            f"EST_PROFILE_{name}_ENROLLMENT_PASSWORD": PASSWORD,
            f"EST_PROFILE_{name}_TENANT": "north",
        }
    directory = tmp_path_factory.mktemp("impostor")
    with ruled_server(directory, environment, {"requires_approval": True}) as server:
        device = Device(directory, "victim")
        for path_id, status in (("demo", 200), ("slow", 202)):
            path = f"/.well-known/est/{path_id}/simpleenroll"
            assert device.enroll(server, path, headers=basic("x", PASSWORD)).status == status
        root = ApiClient(server, first_key(server))
        (row,) = root.get("/certificates?cn=victim")["data"]
        (request,) = root.get("/est/requests")["data"]
        keys = {role: root.make_key(f"a-{role}", role) for role in Role}
        yield Site(server, root, row["id"], request["id"], keys)


def test_there_is_one_of_every_command():
    assert {type(each) for each in COMMANDS} == set(get_args(Command))
    assert len(COMMANDS) == len(get_args(Command))


def test_the_authority_wants_the_roles_that_the_endpoints_want():
    rows = {f"{each.method} {each.path}": each for each in ENDPOINTS}
    assert set(ENDPOINT_OF) == set(ROLES) - set(SESSIONS)
    for command, name in ENDPOINT_OF.items():
        assert ROLES[command] is rows[name].role, name
        assert (command in WHOLE) is rows[name].whole, name


@pytest.mark.parametrize("command", COMMANDS, ids=name_of)
def test_without_a_key_that_covers_it_nothing_is_done(site: Site, command: Command):
    needed = ROLES.get(type(command))
    if needed is None:
        for key in ("", site.keys[Role.ADMIN]):
            site.refuses(command, key, "not_for_keys")
        return
    site.refuses(command, "", "no_key")
    good = site.keys[Role.ADMIN]
    near = good[:-1] + ("0" if good[-1] != "0" else "1")
    site.refuses(command, near, "unknown")
    for role in Role:
        if not role.covers(needed):
            site.refuses(command, site.keys[role], "role")
    if needed is Role.ADMIN:
        site.refuses(command, "key-of-the-settings", "role")
    assert site.root.get(f"/certificates/{site.certificate}")["status"] == "valid"
    assert site.root.get(f"/est/requests/{site.request}")["status"] == "waiting"
    assert "evil" not in {each["name"] for each in site.root.get("/keys")["data"]}


@pytest.mark.parametrize("command", SCOPED, ids=name_of)
def test_a_key_of_another_tenant_does_nothing_here(site: Site, command: Command):
    south = site.root.make_key("south", Role.ADMIN, tenant="south")
    site.refuses(command, south, "scope")
    other = site.root.make_key("other", Role.ADMIN, profiles=["other"])
    site.refuses(command, other, "scope")
    assert site.root.get(f"/certificates/{site.certificate}")["status"] == "valid"


def test_a_revoked_key_writes_nothing_from_that_moment_on(site: Site):
    made = site.root.post("/keys", {"name": "gone", "role": "admin"})
    with impostor(site.server) as worker:
        command = CreateApiKey(
            key_id="2" * 32, name="kept", role=Role.VIEWER, digest=b"e" * 32, actor=LIE
        )
        assert isinstance(worker.command(command, made["key"], once=ONCE), ApiKeyDone)
    assert site.root.send("DELETE", f"/keys/{made['id']}").status == 200
    # Nor is it told what the same write was answered with before.
    site.refuses(command, made["key"], "revoked", once=ONCE)


def test_who_did_it_is_who_holds_the_key(site: Site):
    """The last test that revokes the victim's certificate."""
    last = all_events(site.server)[-1].seq
    with impostor(site.server) as worker:
        command = site.about(COMMANDS[0])
        done = worker.command(command, site.keys[Role.OPERATOR], origin=ORIGIN)
        assert isinstance(done, RevocationDone)
        again = worker.command(site.about(COMMANDS[3]), site.keys[Role.ADMIN], origin=ORIGIN)
        assert again == SliceRevoked(revoked=0, skipped=1, failed=())
    (event,) = (each.event for each in all_events(site.server, after=last))
    assert (event.action, event.actor) == (AuditAction.CERTIFICATE_REVOKED, "key:a-operator")


def test_a_note_of_a_success_is_not_taken(site: Site):
    forged = AuditEvent(
        time_us=1,
        actor="host:root",
        actor_type="host",
        action=AuditAction.API_KEY_CREATED,
        outcome=Outcome.SUCCESS,
        profile="",
        details={},
    )
    last = all_events(site.server)[-1].seq
    with impostor(site.server) as worker:
        worker.note(forged)
        assert worker.is_hung_up_on()
    site.root.make_key("after", Role.VIEWER)
    assert [each.event.actor for each in all_events(site.server, after=last)] == ["key:root"]
    assert site.server.log_events("authority_fault")


def test_a_session_is_of_the_key_that_was_shown_whatever_the_worker_says(site: Site):
    ids = {each["name"]: each["id"] for each in site.root.get("/keys")["data"]}
    token = token_text(b"t" * 32)
    digest = token_digest(token)
    assert digest is not None
    claimed = OpenSession(digest=digest, key_id=ids["a-admin"], actor=LIE, idle_us=60_000_000)
    with impostor(site.server) as worker:
        done = worker.command(claimed, site.keys[Role.VIEWER], origin=ORIGIN)
    assert isinstance(done, SessionDone)
    (last,) = (
        each.event
        for each in all_events(site.server)
        if each.event.action is AuditAction.LOGIN_SUCCESS
    )
    assert (last.actor, last.details["key_id"]) == ("key:a-viewer", ids["a-viewer"])
    # And it opens what that key opens, no more.
    site.refuses(
        RevokeCertificate(certificate_id=CERTIFICATE, reason=REASON, actor=LIE),
        BEARER + token,
        "role",
    )
    api = site.root.with_key(BEARER + token)
    assert api.send("GET", "/auth/check").status == 401


def test_a_session_that_is_not_there_opens_nothing(site: Site):
    command = RevokeCertificate(certificate_id=CERTIFICATE, reason=REASON, actor=LIE)
    before = site.root.get(f"/certificates/{site.certificate}")["status"]
    for token in (token_text(b"u" * 32), "", "short", site.keys[Role.ADMIN]):
        reason = "session" if len(token) == 43 else "unknown"
        site.refuses(command, BEARER + token, reason)
    assert site.root.get(f"/certificates/{site.certificate}")["status"] == before


def test_nobody_ends_or_extends_a_session_of_somebody_else(site: Site):
    digests = []
    for fill in (b"v", b"w"):
        digest = token_digest(token_text(fill * 32))
        assert digest is not None
        digests.append(digest)
        opening = OpenSession(digest=digest, key_id=NOBODY, actor=LIE, idle_us=60_000_000)
        with impostor(site.server) as worker:
            worker.command(opening, site.keys[Role.OPERATOR], origin=ORIGIN)
    other = BEARER + token_text(b"w" * 32)
    site.refuses(CloseSession(digest=digests[0], actor=LIE), other, "scope")
    site.refuses(ExtendSession(digest=digests[0], actor=LIE, idle_us=1), other, "scope")
    site.refuses(CloseSession(digest=digests[0], actor=LIE), site.keys[Role.ADMIN], "scope")
