"""Where private keys live; everything that signs goes through the one port in here."""
