"""The inner process: the only one that signs and the only one that writes."""
