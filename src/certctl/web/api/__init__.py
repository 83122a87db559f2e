"""The management API, ``/api/v1`` (operator §1): REST for people and their programs.

``guard`` lets a request in or refuses it, by the table of endpoints alone; only then does
FastAPI see it. What a handler reads comes through threads, what it changes through the
authority. EST never passes here, and nothing of this package is loaded before the first
request for it.
"""
