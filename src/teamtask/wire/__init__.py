"""The messages between a worker and whoever keeps its list, shared by both ends."""
