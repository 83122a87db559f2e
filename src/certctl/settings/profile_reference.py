"""The fields of certificate profiles as a reference page in Markdown.

``python -m certctl.settings.profile_reference`` prints the page that is kept in
``docs/reference/certificate-profiles.md``; a test holds the two together.
"""

from __future__ import annotations

import sys
from typing import Final

from certctl.domain.purposes import PURPOSES
from certctl.settings.profile_fields import FIELDS
from certctl.settings.profile_values import REQUIRABLE

INTRODUCTION: Final = """\
# Certificate profiles

Generated from the code by `python -m certctl.settings.profile_reference`; do not edit.

A certificate profile holds the rules by which certificates are issued; an EST profile names
one with `PROFILE_ID`. Without one, the built-in `default` applies: the defaults below.
Whatever a CSR asks for, the validity and everything of a CA are never taken from it.

Profiles are TOML files in `CERTCTL_CERTIFICATE_PROFILES_DIR`, one each, `ID.toml`, or are put
into the store with `certctl-server profiles put FILE`. A file wins over the store. All faults
of all files are shown at once, unknown fields among them, and nothing starts on any of them.
Examples: [examples/](../examples/certificate-profiles/).

A change takes effect within a second of `profiles put`, csrattrs included. A profile that is
missing or disabled means 503 for the EST profiles that name it, and refuses the start.

## Fields

| field | written | default | meaning |
|---|---|---|---|
"""


def reference() -> str:
    """The whole page."""
    rows = (f"| `{f.name}` | {f.written} | {f.default} | {f.meaning} |\n" for f in FIELDS)
    return "".join(
        (
            INTRODUCTION,
            *rows,
            "\n`id` may be written too and must then be the file's name without `.toml`.\n",
            "\n## Names of purposes\n\n",
            ", ".join(f"`{name}` ({oid})" for name, oid in PURPOSES.items()),
            "\n\n## Names in `required_csr_attributes`\n\n",
            ", ".join(f"`{name}` ({oid})" for name, oid in REQUIRABLE.items()),
            "\n\n## Renewals and `cn_as_san`\n\n",
            RENEWALS,
        )
    )


RENEWALS: Final = """\
The copied name is part of the certificate's SANs. A renewal whose CSR has no SAN still
matches: its CN is copied first, then the SANs are compared. So do renewals of certificates
from before `cn_as_san` was switched on; the new certificate then has the name. After it is
switched off, a CSR without SAN no longer renews a certificate that has one.
"""


if __name__ == "__main__":
    sys.stdout.write(reference())
