"""Commands: words typed by people to calls, results back to text and exit codes."""
