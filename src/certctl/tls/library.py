"""OpenSSL as the TLS edge calls it: functions for which pyOpenSSL has no call, or a slow one.

pyOpenSSL builds contexts; connections are driven through the same binding it uses itself
(adr/0016). Nothing outside ``tls`` names it.
"""

from __future__ import annotations

from typing import Any, Final

from cryptography.hazmat.bindings.openssl.binding import Binding
from OpenSSL import SSL

ffi: Final[Any] = Binding.ffi
lib: Final[Any] = Binding().lib

NULL: Final = ffi.NULL
_ACCEPTED: Final = 1


def handle(context: SSL.Context) -> Any:
    """The ``SSL_CTX *`` of a context; valid as long as the context is."""
    return context._context


@ffi.callback("int(int, X509_STORE_CTX *)")  # type: ignore[untyped-decorator]
def _accept_any(_ok: int, _store_context: Any) -> int:
    """Let every client certificate through: possession is proved, trust is not ours."""
    return _ACCEPTED


def ask_for_any_certificate(context: SSL.Context) -> None:
    """Ask clients for a certificate and accept any, or none.

    OpenSSL calls back for each fault it finds in a chain. By pyOpenSSL that would make
    objects of certificate and connection each time, for an answer that never changes.
    """
    lib.SSL_CTX_set_verify(handle(context), lib.SSL_VERIFY_PEER, _accept_any)
    # The outcome is not used, so let OpenSSL check no signatures up an attacker's chain.
    lib.SSL_CTX_set_verify_depth(handle(context), 0)


def prefer_groups(context: SSL.Context, groups: bytes) -> None:
    """Set the list of key exchange groups, where this build of OpenSSL knows them all.

    Where it does not, OpenSSL's own list stands, which since 3.5 starts with
    X25519MLKEM768 as well.
    """
    if lib.SSL_CTX_set1_curves_list(handle(context), groups) != 1:
        lib.ERR_clear_error()


def read_one_record_at_a_time(context: SSL.Context) -> None:
    """Have ``SSL_read`` return, as if it wanted more, after each record without data.

    By default it goes on to the next. A peer that sends KeyUpdates (27 octets, 11 us of
    work) as fast as they are read would then keep the event loop in one call for as long
    as it likes: nobody else is served, and no time limit is met.
    """
    context.clear_mode(lib.SSL_MODE_AUTO_RETRY)


def first_reason() -> str:
    """OpenSSL's short text for the first error of this thread's queue, which is emptied.

    The next call in this thread, of some other client, would take a left one for its own.
    """
    code = lib.ERR_get_error()
    lib.ERR_clear_error()
    text = lib.ERR_reason_error_string(code) if code else NULL
    return "" if text == NULL else str(ffi.string(text).decode("ascii", "replace"))
