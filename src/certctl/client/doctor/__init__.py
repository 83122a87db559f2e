"""What is wrong with an EST server, seen from a device: checks of any server, ours or not.

Nothing here ever enrolls: the one POST carries octets that are no request at all.
"""
