"""IDENTITY_BINDING (est §3): a first certificate is for the device that asks for it."""

from __future__ import annotations

from certctl.domain.csr import Csr
from certctl.domain.errors import NotAllowed, RequestMalformed
from certctl.domain.names import COMMON_NAME, SERIAL_NUMBER, DistinguishedName, same_subject
from certctl.domain.principal import Principal
from certctl.domain.profiles import IdentityBinding
from certctl.wire.names import decode_name


def require_identity(csr: Csr, caller: Principal, binding: IdentityBinding) -> None:
    """Compare the CSR with the client certificate that was shown.

    A certificate without what is compared binds nothing, so it is refused too. Callers
    without a certificate and registration authorities are not bound.

    Raises:
        NotAllowed: identity_mismatch.
    """
    credential = caller.credential
    if binding is IdentityBinding.NONE or credential is None or caller.registration_authority:
        return
    asked = decode_name(csr.subject_der)
    try:
        shown = decode_name(credential.subject_der)
    except RequestMalformed:
        # A factory may write names that we would not copy; they cannot be compared.
        raise NotAllowed("identity_mismatch", wanted=credential.subject, got=asked.text()) from None
    if not _share(binding, shown, asked):
        raise NotAllowed("identity_mismatch", wanted=shown.text(), got=asked.text())


def _share(binding: IdentityBinding, shown: DistinguishedName, asked: DistinguishedName) -> bool:
    match binding:
        case IdentityBinding.NONE:
            return True
        case IdentityBinding.SUBJECT:
            return not shown.is_empty and same_subject(shown, asked)
        case IdentityBinding.CN:
            oid = COMMON_NAME
        case IdentityBinding.SERIAL_NUMBER:
            oid = SERIAL_NUMBER
    values = shown.values(oid)
    return bool(values) and values == asked.values(oid)
