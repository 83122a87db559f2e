"""OpenTelemetry traces (operator §5), where they are switched on (extra ``otel``).

``current`` and ``steps`` are for everybody and need no SDK; ``spans``, ``gates`` and
``export`` are loaded by ``wiring`` alone, and only where traces are on. Elsewhere the rest
of the program has None in their place.
"""
