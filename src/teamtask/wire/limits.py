"""`LIMITS`: how much one exchange may carry, by name; `GET /v1/version` shows them."""

from __future__ import annotations

from typing import Final

from teamtask.ledger.rules import DIGITS_MAX, RANGES_MAX

WORKER_CHARACTERS_MAX: Final = 256  # of the name of a worker
ID_CHARACTERS_MAX: Final = 128  # of the id of a lease or of a request
REPORTS_MAX: Final = 1_000  # in one exchange
RESULTS_MAX: Final = 100_000  # in one report
RESULT_BYTES_MAX: Final = 1_048_576  # of one value, as JSON
RESULT_DEPTH_MAX: Final = 100  # lists and objects inside each other in one value, so that whoever reads it can
ITEMS_OF_LEASE_MAX: Final = 1_000  # that travel with it
ITEMS_BYTES_MAX: Final = 262_144  # of them together, as JSON
ERROR_TEXT_BYTES_MAX: Final = 65_536  # of one message of an error; less of it is kept (ERROR_BYTES_MAX)

LIMITS: Final = {
    "integer_digits": DIGITS_MAX,
    "worker_characters": WORKER_CHARACTERS_MAX,
    "id_characters": ID_CHARACTERS_MAX,
    "reports": REPORTS_MAX,
    "ranges": RANGES_MAX,
    "results": RESULTS_MAX,
    "result_bytes": RESULT_BYTES_MAX,
    "result_depth": RESULT_DEPTH_MAX,
    "items_of_lease": ITEMS_OF_LEASE_MAX,
    "items_bytes": ITEMS_BYTES_MAX,
    "error_text_bytes": ERROR_TEXT_BYTES_MAX,
}
