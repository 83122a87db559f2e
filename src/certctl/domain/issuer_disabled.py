"""A leaf of the tree in ``domain.errors``: an issuer that somebody has switched off."""

from __future__ import annotations

from certctl.domain.errors import IssuerUnavailable


class IssuerDisabled(IssuerUnavailable):
    """An operator has disabled the issuer: nothing is broken, and it issues nothing."""

    reason = "issuer_disabled"
