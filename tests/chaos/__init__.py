"""Trouble on purpose: killed processes and vanished clients, and what is on record after it."""
