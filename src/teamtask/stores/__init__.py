"""Where lists are kept: one protocol (`store.py`), several stores, one way to open them (`open_store.py`)."""
