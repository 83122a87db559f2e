"""The short form of ``scripts/fuzz``: the same inputs each time, a few seconds in all."""

from __future__ import annotations

import pytest

from certctl.domain.errors import CertificateRefused, OcspRefused
from certctl.trust.verify import ProfileTrust
from certctl.wire.crl_reader import decode_tbs
from certctl.wire.ocsp_request import decode_request
from tests.fuzz import blind, hierarchy, laws_status, laws_trust
from tests.fuzz.blind import run, try_one
from tests.fuzz.laws_request import read_request
from tests.fuzz.targets import CORPUS, TARGETS, Target

EXECUTIONS = 1_000


@pytest.mark.parametrize("name", TARGETS)
def test_no_law_is_broken(name):
    outcome = run(TARGETS[name], seed=1, executions=EXECUTIONS)
    assert outcome.finding is None, f"{outcome.finding.problem}: {outcome.finding.data.hex()}"
    assert outcome.executions == EXECUTIONS


def test_every_target_has_seeds():
    folders = {seed for target in TARGETS.values() for seed in target.seeds}
    there = {path.name for path in CORPUS.iterdir() if path.is_dir() and any(path.iterdir())}
    assert folders == there


def broken_by(broken: bytes) -> Target:
    def law(data: bytes) -> None:
        if broken in data:
            raise KeyError("broken")

    return Target(name="oid_text", law=law, seeds=("oid_text",), longest=256)


def test_a_broken_law_is_a_finding_with_its_input():
    outcome = run(broken_by(b"*.example.com"), seed=1, executions=5_000)
    assert outcome.finding is not None
    assert b"*.example.com" in outcome.finding.data
    assert outcome.finding.problem.startswith("KeyError")
    assert outcome.executions < 5_000


def test_the_same_seed_finds_the_same_input():
    first, second = (run(broken_by(b"\x00\xff"), seed=7, executions=5_000) for _ in range(2))
    assert first.finding is not None
    assert first == second


def test_an_input_without_end_is_a_finding(monkeypatch):
    monkeypatch.setattr(blind, "HANG_S", 0.05)

    def law(_data: bytes) -> None:
        while True:
            pass

    finding = try_one(Target(name="endless", law=law, seeds=()), b"")
    assert finding is not None
    assert finding.problem.startswith("Hang")


# A law that never sees an accepted input says little.


@pytest.mark.parametrize("path", sorted((CORPUS / "chain").iterdir()), ids=lambda path: path.name)
def test_seeds_of_chains_are_what_they_are_called(path):
    accepted = laws_trust.judge(laws_trust.corpus_trust(), laws_trust.split(path.read_bytes()))
    assert accepted is path.name.startswith("good-")


def test_seeds_of_contents_reach_all_verdicts():
    trust = ProfileTrust([hierarchy.root()])
    verdicts = {}
    for path in (CORPUS / "tbs").iterdir():
        leaf = hierarchy.sealed(laws_trust.split(path.read_bytes())[0], hierarchy.MIDDLE_KEY)
        try:
            trust.verify([leaf, hierarchy.middle()], hierarchy.NOW_US)
            verdicts[path.name] = "trusted"
        except CertificateRefused as refused:
            verdicts[path.name] = refused.reason
    assert verdicts == {
        "bare": "trusted",
        "everything": "trusted",
        "with-middle": "trusted",
        "expired": "expired",
        "early": "not_yet_valid",
        "server": "wrong_usage",
        "ca": "wrong_usage",
    }


def test_seeds_of_requests_are_accepted():
    refused = {
        path.name for path in (CORPUS / "csr").iterdir() if read_request(path.read_bytes()) is None
    }
    assert refused == {"k1", "openssl-explicit-curve"}


def test_seeds_of_status_are_read():
    for path in (CORPUS / "crl").iterdir():
        assert decode_tbs(path.read_bytes()).issuer_der == laws_status.ISSUER
    refused = []
    for path in (CORPUS / "ocsp_request").iterdir():
        try:
            decode_request(path.read_bytes())
        except OcspRefused:
            refused.append(path.name)
    assert refused == ["long-nonce"]
