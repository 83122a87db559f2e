"""Values, rules, errors and ports: what the program talks about, without any I/O."""
