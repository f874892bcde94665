"""The PostgreSQL store: lists in one database, for many servers at once."""
