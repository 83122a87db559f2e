"""The body of ``csrattrs`` per EST profile, made anew when its certificate profile changes."""

from __future__ import annotations

from certctl.domain.policy import CertificateProfile
from certctl.domain.profiles import EstProfile
from certctl.enroll.authorize import wanted_profile
from certctl.enroll.ports import Ports
from certctl.wire.body import encode_base64
from certctl.wire.csrattrs import csrattrs_of


class CsrAttrsBodies:
    """Remembers one answer per EST profile, with the rules it was made from."""

    __slots__ = ("_made", "_ports")

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._made: dict[str, tuple[CertificateProfile, dict[bool, bytes]]] = {}

    def body(self, est_profile: EstProfile, *, wrapped: bool) -> bytes:
        """Base64, folded or in one line; empty when there is nothing to say.

        Raises:
            Unavailable: the certificate profile is missing or disabled.
        """
        rules = wanted_profile(est_profile, self._ports)
        made = self._made.get(est_profile.path_id)
        # Profiles are swapped, never changed, so the very object tells whether it is the same.
        if made is None or made[0] is not rules:
            der = csrattrs_of(
                rules,
                binding_required=est_profile.binding_required,
                template=est_profile.csrattrs_template,
            )
            bodies = {w: encode_base64(der, wrapped=w) if der else b"" for w in (True, False)}
            made = self._made[est_profile.path_id] = (rules, bodies)
        return made[1][wrapped]
