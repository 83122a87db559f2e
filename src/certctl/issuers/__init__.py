"""What signs certificates, each behind the port ``Issuer``; connectors do not know each other."""
