"""Writes: named functions over a connection inside a transaction, one intent each."""
