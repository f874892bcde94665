"""Use cases over the store: the one place where commands meet the clock, chance and the disk."""
