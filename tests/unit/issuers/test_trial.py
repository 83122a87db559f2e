"""An issuer is tried on something that is no certificate and can be taken for none."""

from __future__ import annotations

import pytest
from cryptography import x509

from certctl.domain.clock import DAY_US
from certctl.domain.errors import IssuerUnavailable
from certctl.domain.issuer_disabled import IssuerDisabled
from certctl.issuers.signers.file import FileSigner
from certctl.issuers.trial import NOT_A_CERTIFICATE, try_signer
from certctl.issuers.vault import IssuerVault, open_key
from certctl.issuers.withheld import WithheldIssuer
from certctl.wire.der import DerError, read

NOW_US = 1_800_000_000_000_000
VAULT = IssuerVault(bytes(32))


class Watched:
    """A signer that remembers what it was given."""

    def __init__(self, inner: FileSigner) -> None:
        self._inner = inner
        self.given: list[bytes] = []
        self.algorithm_der, self.spki_der = inner.algorithm_der, inner.spki_der

    def sign(self, data: bytes) -> bytes:
        self.given.append(data)
        return self._inner.sign(data)


class Gone:
    """A signer whose key is away."""

    algorithm_der = spki_der = b""

    def sign(self, _: bytes) -> bytes:
        raise IssuerUnavailable("token", retry_after=1)


def ca(key_type: str) -> tuple[FileSigner, bytes]:
    secret = VAULT.make_key(key_type)
    root = VAULT.root_certificate(secret, issuer_id="a", common_name=None, now_us=NOW_US)
    return FileSigner(open_key(secret)), root


@pytest.mark.parametrize("key_type", ["P-256", "P-384", "RSA-2048", "Ed25519"])
def test_a_good_ca_passes_and_nothing_like_a_certificate_was_signed(key_type: str) -> None:
    signer, root = ca(key_type)
    watched = Watched(signer)
    trial = try_signer(watched, [root], now_us=NOW_US)
    assert (trial.ok, trial.problem, trial.chain) == (True, "", (root,))
    assert try_signer(watched, [root], now_us=NOW_US).ok
    assert len({*watched.given}) == 2
    for given in watched.given:
        assert given.startswith(NOT_A_CERTIFICATE)
        # No value of DER, so no TBSCertificate, TBSCertList or ResponseData.
        with pytest.raises(DerError):
            _whole(given)
        with pytest.raises(ValueError, match="parsing"):
            x509.load_der_x509_certificate(given)


def _whole(octets: bytes) -> None:
    _, _, end = read(octets, 0, len(octets))
    if end != len(octets):
        raise DerError("more follows")


def test_a_key_of_another_ca_is_found_out() -> None:
    (signer, _), (_, root) = ca("P-256"), ca("P-256")
    trial = try_signer(signer, [root], now_us=NOW_US)
    assert "does not verify" in trial.problem
    assert trial.remedy


def test_a_key_that_is_away_is_told() -> None:
    trial = try_signer(Gone(), [ca("P-256")[1]], now_us=NOW_US)
    assert "cannot be used" in trial.problem


@pytest.mark.parametrize(("days", "says"), [(-10, "not valid yet"), (4_000, "expired")])
def test_a_ca_beyond_its_time_is_told(days: int, says: str) -> None:
    signer, root = ca("P-256")
    assert says in try_signer(signer, [root], now_us=NOW_US + days * DAY_US).problem


def test_a_withheld_issuer_refuses_and_can_still_be_tried() -> None:
    signer, root = ca("P-256")
    issuer = WithheldIssuer(
        "a", (root,), why="disabled", trial=lambda now: try_signer(signer, [root], now_us=now)
    )
    with pytest.raises(IssuerDisabled, match="disabled"):
        issuer.sign(None, None, now_us=NOW_US)  # type: ignore[arg-type]
    # What is broken is not what somebody has switched off.
    unusable = WithheldIssuer("a", (root,), why="unusable")
    with pytest.raises(IssuerUnavailable) as away:
        unusable.sign(None, None, now_us=NOW_US)  # type: ignore[arg-type]
    assert away.type is IssuerUnavailable
    assert issuer.ca_chain() == (root,)
    assert issuer.trial(now_us=NOW_US).ok
    bare = WithheldIssuer("a", (root,), why="disabled")
    assert "disabled" in bare.trial(now_us=NOW_US).problem
