"""Bytes to values and back, without I/O: no clock, no socket, no logging."""
