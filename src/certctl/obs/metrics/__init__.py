"""What the server counts and measures for Prometheus (operator §5).

``families`` names everything that is shown, ``numbers`` is where the processes count,
``meters`` what they count with, ``measured`` what each process measures, and ``text``
the form of ``/metrics``.
"""
