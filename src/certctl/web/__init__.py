"""The HTTP edge: paths and headers to calls, results and failures to answers."""
