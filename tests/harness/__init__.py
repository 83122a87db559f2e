"""Real servers and real devices for the tests; nothing here imitates our own code."""
