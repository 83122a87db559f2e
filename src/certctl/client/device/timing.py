"""When a device renews: at a share of its certificate's lifetime, spread over the fleet.

RFC 7030 §4.2.2 leaves it to the device. Devices that were enrolled together must not come
back together, so each is early by a part of its own; after a failure each waits longer.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

FIRST_RETRY_SECONDS = 60.0
LONGEST_RETRY_SECONDS = 6 * 3_600.0
# However little is left, a server that is in trouble is not asked more often.
SHORTEST_RETRY_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """``renew_at``: the share of the lifetime after which to renew at the latest.
    ``jitter``: the share by which a device may be earlier than that.
    """

    renew_at: float = 0.5
    jitter: float = 0.1

    def due(self, certificate: x509.Certificate) -> dt.datetime:
        """The same moment at each look: the jitter is drawn from the certificate."""
        begins = certificate.not_valid_before_utc
        lifetime = certificate.not_valid_after_utc - begins
        digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
        drawn = int.from_bytes(digest[:8], "big") / 2**64
        return begins + lifetime * max(self.renew_at - self.jitter * drawn, 0.0)


def retry_after(
    failures: int, *, left: dt.timedelta, drawn: float, asked: int | None = None
) -> float:
    """Seconds to wait after so many failures in a row.

    Doubles each time, up to six hours; never more than a twentieth of what is ``left`` of
    the certificate, so that enough tries remain; between half and all of that, as
    ``drawn`` (0 to 1) says. What the server ``asked`` for by Retry-After is the least.
    """
    longest = min(LONGEST_RETRY_SECONDS, left.total_seconds() / 20)
    seconds = min(FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 20), longest)
    seconds = max(seconds * (0.5 + drawn / 2), SHORTEST_RETRY_SECONDS)
    return max(seconds, min(float(asked or 0), LONGEST_RETRY_SECONDS))
