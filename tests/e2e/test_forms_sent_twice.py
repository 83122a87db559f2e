"""Forms of the web pages that a browser sends again: carried out once, told as before.

Two workers, so the one that answers a repetition is often not the one that answered first.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from certctl.domain.api_keys import Role
from certctl.domain.audit import AuditAction
from certctl.web.ui.profile_form import defaults
from tests.harness.api import ApiClient, first_key
from tests.harness.device import Device
from tests.harness.http import Response, basic
from tests.harness.pages import Visitor
from tests.harness.records import all_events
from tests.harness.server import RunningServer, ruled_server

PASSWORD = "password-of-the-forms"
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')
SHOWN = re.compile(r'data-testid="new-key">([^<]+)<')
MANY = 8


@dataclass
class Site:
    server: RunningServer
    key: str

    @property
    def api(self) -> ApiClient:
        return ApiClient(self.server, self.key)

    def visitor(self, key: str | None = None) -> Visitor:
        visitor = Visitor(self.server)
        assert visitor.log_in(key or self.key).status == 303
        return visitor

    def keys(self, name: str) -> list[dict[str, object]]:
        return [each for each in self.api.get("/keys")["data"] if each["name"] == name]

    def events(self, action: AuditAction, text: str) -> int:
        return sum(
            each.event.action is action and text in repr(each.event)
            for each in all_events(self.server)
        )

    def enroll(self, path_id: str, name: str) -> int:
        device = Device(self.server.directory, name)
        path = f"/.well-known/est/{path_id}/simpleenroll"
        return device.enroll(self.server, path, headers=basic("device", PASSWORD)).status


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("forms")
    config_key = directory / "config.key"
    config_key.write_text("5a" * 32)
    settings = {
        f"EST_PROFILE_{name}_{field}": value
        for name in ("SLOW", "CORP")
        for field, value in {
            "ISSUER_ID": "iss-local",
            "ALLOWED_AUTH_MODES": "basic",
            "ENROLLMENT_PASSWORD": PASSWORD,
        }.items()
    } | {
        "EST_PROFILES": "slow,corp",
        "EST_PROFILE_CORP_PROFILE_ID": "default",
        "CONFIG_ENCRYPTION_KEY_FILE": str(config_key),
        "RATE_LIMIT_ENABLED": "false",
        "WORKERS": "2",
    }
    rules = {"requires_approval": True, "approvals_needed": 2}
    with ruled_server(directory, settings, rules) as server:
        yield Site(server, first_key(server))


def hidden(page: Response, action: str) -> dict[str, str]:
    """The hidden fields of the form that goes to this path."""
    assert page.status == 200
    (form,) = [each for each in page.text.split("<form ")[1:] if f'action="{action}"' in each]
    return {name: html.unescape(value) for name, value in HIDDEN.findall(form.split("</form>")[0])}


# Keys ----------------------------------------------------------------------------------


def test_a_form_sent_many_times_at_once_makes_one_key_and_shows_it_once(site: Site):
    visitor = site.visitor()
    form = hidden(visitor.get("/keys"), "/keys") | {"name": "crowd", "role": "viewer"}
    with ThreadPoolExecutor(MANY) as pool:
        answers = list(pool.map(lambda _: visitor.post("/keys", form), range(MANY)))
    assert [each.status for each in answers] == [200] * MANY
    shown = [key for each in answers for key in SHOWN.findall(each.text)]
    told = [each for each in answers if "has been made already" in each.text]
    assert (len(shown), len(told)) == (1, MANY - 1)
    assert len(site.keys("crowd")) == 1
    assert ApiClient(site.server, shown[0]).send("GET", "/certificates").status == 200
    assert site.events(AuditAction.API_KEY_CREATED, "crowd") == 1


def test_sent_again_after_logging_in_anew_it_is_the_same(site: Site):
    first = site.visitor()
    form = hidden(first.get("/keys"), "/keys") | {"name": "anew", "role": "viewer"}
    assert SHOWN.search(first.post("/keys", form).text)
    first.post("/logout")
    again = site.visitor().post("/keys", form)
    assert "has been made already" in again.text
    assert SHOWN.search(again.text) is None
    assert len(site.keys("anew")) == 1


def test_somebody_else_never_gets_the_answer_that_was_kept(site: Site):
    form = hidden(site.visitor().get("/keys"), "/keys") | {"name": "mine", "role": "viewer"}
    site.visitor().post("/keys", form)
    other = site.visitor(site.api.make_key("other-admin", Role.ADMIN)).post("/keys", form)
    assert "has been made already" not in other.text
    assert len(site.keys("mine")) == 2


@pytest.mark.parametrize("change", [{"once": "0" * 32}, {"role": "operator"}], ids=repr)
def test_what_was_filled_in_otherwise_is_another_key(site: Site, change: dict[str, str]):
    name = f"unlike-{next(iter(change))}"
    visitor = site.visitor()
    form = hidden(visitor.get("/keys"), "/keys") | {"name": name, "role": "viewer"}
    assert SHOWN.search(visitor.post("/keys", form).text)
    assert SHOWN.search(visitor.post("/keys", form | change).text)
    assert len(site.keys(name)) == 2


def test_a_form_that_was_refused_can_be_mended_and_sent(site: Site):
    visitor = site.visitor()
    form = hidden(visitor.get("/keys"), "/keys") | {"name": "not so!", "role": "viewer"}
    for _ in range(2):
        refused = visitor.post("/keys", form)
        assert refused.status == 422
        assert "No key was made" in refused.text
    assert SHOWN.search(visitor.post("/keys", form | {"name": "mended"}).text)


# What else is made ---------------------------------------------------------------------


def test_an_issuer_made_twice_is_one_and_told_as_made(site: Site):
    visitor = site.visitor()
    form = hidden(visitor.get("/issuers"), "/issuers") | {"id": "plant", "key_type": "P-256"}
    for _ in range(2):
        answer = visitor.post("/issuers", form)
        assert (answer.status, answer.headers["Location"]) == (303, "/issuers/plant")
    # Another form of the same id is refused as ever.
    fresh = form | hidden(visitor.get("/issuers"), "/issuers")
    assert visitor.post("/issuers", fresh).status == 409
    assert [each["id"] for each in site.api.get("/issuers")["data"]].count("plant") == 1


def test_a_certificate_profile_made_and_changed_twice(site: Site):
    visitor = site.visitor()
    form = {**defaults(), **hidden(visitor.get("/profiles/~new"), "/profiles"), "id": "cp-twice"}
    for _ in range(2):
        answer = visitor.post("/profiles", form)
        assert (answer.status, answer.headers["Location"]) == (303, "/profiles/cp-twice")
    opened = hidden(visitor.get("/profiles/cp-twice/edit"), "/profiles/cp-twice")
    edit = {**defaults(), **opened, "max_sans": "3"}
    for _ in range(2):
        assert visitor.post("/profiles/cp-twice", edit).status == 303
    (kept,) = [each for each in site.api.get("/profiles")["data"] if each["id"] == "cp-twice"]
    assert kept["version"] == 2


def test_an_approval_sent_twice_counts_once(site: Site):
    assert site.enroll("slow", "pump") == 202
    (waiting,) = site.api.get("/est/requests?status=waiting")["data"]
    place = f"/requests/{waiting['id']}"
    visitor = site.visitor()
    form = hidden(visitor.get(place), f"{place}/approve") | {"reason": "known"}
    for _ in range(2):
        answer = visitor.post(f"{place}/approve", form)
        assert (answer.status, answer.headers["Location"]) == (303, place)
    found = site.api.get(f"/est/requests/{waiting['id']}")
    assert (found["status"], len(found["decisions"])) == ("waiting", 1)
    # A form of its own is a decision of its own, and the same person decides once.
    assert visitor.post(f"{place}/approve", {"reason": "again"}).status == 409


def test_a_bulk_revocation_sent_twice_says_what_the_first_has_done(site: Site):
    for number in range(3):
        assert site.enroll("corp", f"sensor-{number}") == 200
    visitor = site.visitor()
    criteria = {"reason": "superseded", "profile": "corp"}
    counted = visitor.post("/certificates/bulk", criteria)
    form = hidden(counted, "/certificates/bulk/revoke") | {"typed": "revoke 3"}
    first = visitor.post("/certificates/bulk/revoke", form)
    assert "<strong>3 revoked</strong>" in first.text
    assert "sent before" not in first.text
    again = visitor.post("/certificates/bulk/revoke", form)
    assert again.status == 200
    assert "<strong>3 revoked</strong>" in again.text
    assert "This form was sent before" in again.text
    # It covers what was confirmed, and nothing that was issued since.
    assert site.enroll("corp", "sensor-3") == 200
    assert "<strong>3 revoked</strong>" in visitor.post("/certificates/bulk/revoke", form).text
    valid = site.api.get("/certificates?profile=corp&status=valid")["data"]
    assert len(valid) == 1
    unlike = form | {"once": "0" * 32}
    assert visitor.post("/certificates/bulk/revoke", unlike).status == 422
    assert site.events(AuditAction.BULK_REVOKE, "superseded") == 1
