"""Tools for assistants over the Model Context Protocol (operator §4).

``tools`` says what there is, against the port ``backend.Backend``: the program
``certctl-mcp`` asks a server from afar by it, the server's ``/mcp`` asks itself. Only
``server`` and ``http`` know the SDK, and neither is loaded before somebody asks for it.
"""
