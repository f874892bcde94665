"""The way to a server: one connection, the exchange of a worker, the spool on disk, and the SDK over them."""
