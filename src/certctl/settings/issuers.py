"""Issuer settings out of what was given (config §3, issuers §2)."""

from __future__ import annotations

from typing import Any, Final

from certctl.settings.catalogue import issuing as names
from certctl.settings.catalogue import server
from certctl.settings.given import Given
from certctl.settings.names import doubled_infixes
from certctl.settings.path_id import MAX_LENGTH, PATH_ID
from certctl.settings.schema import CaKeyType, IssuerSettings, ScriptSettings
from certctl.settings.server import check_pair
from certctl.settings.variable import DEFAULT_ISSUER, Variable

SCRIPT: Final = "script"
PROGRAMS: Final = (names.SIGN, names.FIND, names.REVOKE, names.TIMEOUT)
LOCAL_ONLY: Final = (names.CA_KEY_PATH, names.CA_KEY_TYPE, names.CA_KEY_PASSPHRASE)

ID_RULE: Final = f"1 to {MAX_LENGTH} of a-z 0-9 -, no hyphen at either end"


def issuer_settings(given: Given) -> tuple[IssuerSettings, ...]:
    """All issuers; without ``ISSUERS`` the local CA ``iss-local`` alone."""
    written = given.value(names.ISSUERS)
    listed = tuple(dict.fromkeys(item.lower() for item in written)) or (DEFAULT_ISSUER,)
    if len(written) > len(listed):
        given.refuse(
            names.ISSUERS, "", "an issuer is listed twice", "list each once (case does not count)"
        )
    for spelled, owners in doubled_infixes(listed).items():
        given.refuse(
            names.ISSUERS,
            "",
            f"the infix {spelled} fits two names: {', '.join(owners)}",
            "rename one of them",
        )
    _refuse_unlisted(given, listed)
    issuers = tuple(_issuer(owner, given) for owner in listed)
    if not any(issuer.is_local for issuer in issuers):
        _require_server_certificate(given)
    return issuers


def _issuer(owner: str, given: Given) -> IssuerSettings:
    if PATH_ID.fullmatch(owner) is None:
        given.refuse(
            names.ISSUERS, "", f'bad issuer id "{owner}"', "rename the issuer", allowed=ID_RULE
        )
    if owner != DEFAULT_ISSUER and not given.is_set(names.TYPE, owner):
        # No default here: a forgotten type must not make a new CA under that name.
        given.refuse(names.TYPE, owner, "no type", "set it", allowed=names.TYPE.kind.allowed)
    if given.value(names.TYPE, owner) == SCRIPT:
        return _script_issuer(owner, given)
    _refuse_foreign(given, owner, PROGRAMS, "a script issuer's")
    check_pair(given, names.CA_CERT_PATH, names.CA_KEY_PATH, owner)
    if given.is_set(names.CA_CERT_PATH, owner) and given.is_set(names.CA_KEY_TYPE, owner):
        given.warn(
            names.CA_KEY_TYPE,
            owner,
            "has no effect: the CA's key is given, none is made",
            "unset it",
        )
    source = given.value(names.CA_KEY_PASSPHRASE, owner)
    if source is not None and source.path is None:
        given.warn(
            names.CA_KEY_PASSPHRASE,
            owner,
            "the environment is seen by all processes, those facing the network too",
            f"write it to a file and set {names.CA_KEY_PASSPHRASE.full_name(owner)}_FILE",
        )
    return IssuerSettings(
        id=owner,
        ca_cert_path=given.path(names.CA_CERT_PATH, owner),
        ca_key_path=given.path(names.CA_KEY_PATH, owner),
        ca_key_type=_key_type(given.value(names.CA_KEY_TYPE, owner)),
        validity_s=given.value(names.VALIDITY, owner),
        ca_key_passphrase=source,
    )


def _script_issuer(owner: str, given: Given) -> IssuerSettings:
    _refuse_foreign(given, owner, LOCAL_ONLY, "a local CA's")
    for variable in (names.SIGN, names.CA_CERT_PATH):
        if not given.is_set(variable, owner):
            given.refuse(
                variable,
                owner,
                "is not set, and a script issuer cannot do without",
                "set it",
                allowed=variable.kind.allowed,
            )
    return IssuerSettings(
        id=owner,
        type=SCRIPT,
        ca_cert_path=given.path(names.CA_CERT_PATH, owner),
        validity_s=given.value(names.VALIDITY, owner),
        script=ScriptSettings(
            sign=given.path(names.SIGN, owner) or given.directory,
            find=given.path(names.FIND, owner),
            revoke=given.path(names.REVOKE, owner),
            time_limit_s=given.value(names.TIMEOUT, owner),
        ),
    )


def _refuse_foreign(
    given: Given, owner: str, variables: tuple[Variable[Any], ...], whose: str
) -> None:
    """Settings of another type of issuer would be silently idle."""
    for variable in variables:
        if given.is_set(variable, owner):
            given.refuse(
                variable,
                owner,
                f"is {whose}, and this issuer is none",
                f"unset it, or mend {names.TYPE.full_name(owner)}",
            )


def _require_server_certificate(given: Given) -> None:
    if not given.is_set(server.SERVER_TLS_CERT_PATH):
        given.refuse(
            server.SERVER_TLS_CERT_PATH,
            "",
            "no issuer is a local CA, which would issue the listener's certificate",
            f"give a certificate and {server.SERVER_TLS_KEY_PATH.full_name()}",
        )


def _key_type(text: str) -> CaKeyType:
    # ML-DSA is known and refused (see later.py); the default only completes the value.
    return CaKeyType(text) if text in set(CaKeyType) else CaKeyType.P256


def _refuse_unlisted(given: Given, listed: tuple[str, ...]) -> None:
    """The short names mean ``iss-local``; without it they would be silently idle."""
    if DEFAULT_ISSUER in listed:
        return
    short: tuple[Variable[Any], ...] = tuple(
        variable for variable in names.ISSUER_VARIABLES if variable.short
    )
    for variable in short:
        if given.is_set(variable, DEFAULT_ISSUER):
            given.refuse(
                variable,
                DEFAULT_ISSUER,
                f"{names.ISSUERS.full_name()} does not list it",
                f"name the issuer: {variable.full_name(listed[0])}",
            )
