"""What OpenSSL is told when it starts, for which pyOpenSSL has no call.

It reads one file when the library is loaded, and never again; so this must come before
anything that imports ``cryptography``. An operator's own ``OPENSSL_CONF`` (a FIPS provider,
an engine) stands: then session tickets are sent, which open nothing and only cost time.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "OPENSSL_CONF"
FILE = Path(__file__).with_name("openssl.cnf")


def apply_openssl_defaults() -> None:
    """Load OpenSSL with ``openssl.cnf``; programs started from here do not inherit it."""
    if VARIABLE in os.environ:
        return
    os.environ[VARIABLE] = str(FILE)
    try:
        # The import is what loads the library.
        from cryptography.hazmat.bindings.openssl.binding import Binding  # noqa: PLC0415

        Binding()
    finally:
        del os.environ[VARIABLE]
