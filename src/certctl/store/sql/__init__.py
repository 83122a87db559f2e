"""The ports of the store over SQLAlchemy Core, by topic; reader and writer join them."""
