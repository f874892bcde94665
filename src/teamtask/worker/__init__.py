"""Whoever works: runs commands and functions on items, and reports what came of them."""
