"""``certctl-mcp``: the tools of ``certctl.mcp`` over standard input and output."""
