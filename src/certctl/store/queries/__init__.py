"""Reads: named functions over a connection; one SELECT per batch, columns always named."""
