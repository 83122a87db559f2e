"""A device's identity over years: its key and certificate on disk, renewed in time."""
