"""Whom a profile trusts: its bundle of anchors, and the verdict on a client certificate."""
