"""``certctl-est``: the device side, which needs nothing of the server's packages."""
