"""A form that makes or decides something is carried out once, however often it is sent.

Browsers send a form again after Back, when its answer is loaded anew, and on a second press
where no script runs. Each form carries a token of its own, and the authority keeps the answer
with what was changed, as it does for an ``Idempotency-Key`` of the API: so every worker and
every node knows it, and a repetition is answered as the first was.

A form that was filled in otherwise is another write, also with the same token: who goes back
and types another name wants another key. Forms without a token are as before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from certctl.domain.ids import RandomBytes
from certctl.domain.kept_answer import Once

FIELD: Final = "once"
_OCTETS: Final = 16


def token(random: RandomBytes) -> str:
    """For one form of one page; no secret, and never the same twice."""
    return random(_OCTETS).hex()


def once_of(path: str, form: Mapping[str, str], *, key_id: str) -> Once | None:
    """What makes a form the same as one sent before; None: it has no token.

    ``key_id`` is of the key that is logged in: nobody gets another's answer.
    """
    if not form.get(FIELD):
        return None
    request = hashlib.sha256(f"POST\0{path}\0{urlencode(sorted(form.items()))}".encode()).digest()
    # With the NULs, which no Idempotency-Key holds, none of these can stand for a form.
    key = hashlib.sha256(key_id.encode() + b"\0form\0" + request).digest()
    return Once(key=key, request=request)
