"""The web pages (operator §2): rendered here, by session, on the TLS 1.3 listener only.

``door`` loads all of it with the first request for a page. ``app`` lets requests in: origin,
session, role, by the table of pages alone. Handlers ask the same use cases as the API;
what they show is escaped by the templates, always.
"""
