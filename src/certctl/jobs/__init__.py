"""What happens by the clock and not by a request; each job on one node at a time."""
