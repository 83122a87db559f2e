"""Questions put to the operator's own services; each answer but a clear yes is a no."""
