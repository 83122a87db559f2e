"""``certctl-cli``: commands that reach a server over the network, EST and REST."""
