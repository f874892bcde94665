"""The one place that decides about a list; pure: no clock, no chance, no disk."""
