"""``certctl-server`` whose built-in certificate profile has other rules: ``RULES`` as JSON.

A program of its own, run by tests that need rules no setting gives. It changes one value
before the server is loaded and nothing else.
"""

from __future__ import annotations

import json
import os

from certctl.domain import policy

policy.DEFAULT_PROFILE = policy.CertificateProfile(id="default", **json.loads(os.environ["RULES"]))

if __name__ == "__main__":
    from certctl.cli.server import main

    main()
