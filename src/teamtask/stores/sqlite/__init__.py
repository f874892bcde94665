"""The store that `teamtask run` and `teamtask serve` use by default: one SQLite file, many processes."""
