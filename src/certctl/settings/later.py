"""The one table of settings that are known but do not work in this version.

Such a setting is parsed and checked like any other, and refused once it is switched on,
that is, set to something other than its default: nobody shall believe in a protection
that is not there. Whoever builds the feature deletes its row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from certctl.settings.catalogue import est, issuing, server
from certctl.settings.findings import Report
from certctl.settings.variable import Variable

PROBLEM = "not available in this version"

LATER_PREFIXES: Final = ("VAULT_", "STEPCA_", "EJBCA_", "OPENSSL_")
"""Connectors by the original's short names; any of them that is set is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """A setting of which only the default, or what ``works`` accepts, is available."""

    variable: Variable[Any]
    remedy: str = "unset it"
    works: Callable[[Any], bool] | None = None


LATER: Final = (
    Later(variable=server.CORS_ORIGINS),
    Later(variable=est.SERVERKEYGEN_ENABLED),
    Later(variable=est.SERVERKEYGEN_FORM),
    Later(variable=est.FULLCMC),
    Later(variable=est.FULLCMC_UPSTREAM),
    Later(
        variable=issuing.TYPE,
        remedy="set it to local or script",
        works=lambda value: value in ("local", "script"),
    ),
    Later(
        variable=issuing.CA_KEY_TYPE,
        remedy="choose P-256, P-384, RSA-2048, RSA-3072, RSA-4096 or Ed25519",
        works=lambda value: not value.startswith("ML-DSA"),
    ),
    Later(
        variable=issuing.CA_KEY_PATH,
        remedy="give the path of a key file",
        works=lambda value: not str(value).startswith("pkcs11:"),
    ),
    Later(variable=issuing.FALLBACK),
)

_BY_VARIABLE: Final = {row.variable: row for row in LATER}


def later_row(variable: Variable[Any]) -> Later | None:
    """The row of a setting that does not fully work yet."""
    return _BY_VARIABLE.get(variable)


def refuse_later(variable: Variable[Any], value: object, *, name: str, report: Report) -> bool:
    """Refuse ``value`` of the variable called ``name`` if its feature is not there yet.

    Returns whether it was refused.
    """
    row = later_row(variable)
    if row is None or value == variable.default:
        return False
    if row.works is not None and row.works(value):
        return False
    report.refuse(name, PROBLEM, row.remedy)
    return True
