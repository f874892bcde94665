"""Any JSON at all in the place of any field: it is taken or refused, and what is taken can be worked with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from serving import refused

if TYPE_CHECKING:
    from serving import Served

RANGE = {"kind": "range", "start": 0, "stop": 10}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, 20)
    | st.sampled_from([2**53, 2**63, 2**64, 10**30, 10**308, 10**309, -1, 0, 5e-324, 1e308, 0.5])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["sum", "top", "range", "lines", "x", "0-", "1", "9" * 4_000, "9" * 4_001, "\u0000", "-1"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=5)
            | st.sampled_from(
                ["kind", "start", "stop", "step", "shuffle", "items", "top", "histogram", "size", "seconds"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
NEW_LIST = ("start", "block", "lease_seconds", "limits", "attempts", "item_seconds", "fold", "stop_after_results",
            "priority", "weight", "labels", "roles")  # fmt: skip


def fields_of(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), json_values, min_size=1, max_size=3)


@given(fields_of(NEW_LIST), st.none() | json_values)
def test_a_list_is_created_as_it_is_asked_for_or_not_at_all(
    served: Served, fields: dict[str, Any], source: Any
) -> None:
    body = {"name": "fuzzed", "source": RANGE if source is None else source, **fields}
    answer = served.admin.post("/v1/lists", body)
    if answer.status != 201:
        refused(answer)
        assert served.admin.get("/v1/lists/fuzzed").status == 404
        return
    assert served.admin.get("/v1/lists/fuzzed").json == answer.json
    assert served.admin.post("/v1/lists/fuzzed/blocks", {"worker": "w"}).status in (201, 204)
    assert served.admin.call("DELETE", "/v1/lists/fuzzed").status == 204


@given(fields_of(NEW_LIST[1:6] + NEW_LIST[7:]))
def test_a_list_is_changed_as_it_is_asked_for_or_not_at_all(served: Served, fields: dict[str, Any]) -> None:
    name = served.admin.new_list(10)
    before = served.admin.show(name)
    answer = served.admin.send("PATCH", f"/v1/lists/{name}", fields)
    after = served.admin.show(name)
    if answer.status != 200:
        refused(answer)
        assert after == before
    else:
        assert answer.json == after
        assert served.admin.post(f"/v1/lists/{name}/blocks", {"worker": "w"}).status in (201, 204)
    served.admin.call("DELETE", f"/v1/lists/{name}")


REPORT = ("lease", "index", "upto", "from", "ranges", "failed", "results", "fold", "error", "release", "end", "done")


@settings(max_examples=100)
@given(fields_of(REPORT), fields_of(("worker", "request", "want", "reports")), st.booleans())
def test_no_report_is_beyond_words(
    served: Served,
    told: dict[str, Any],
    fields: dict[str, Any],
    fold: bool,  # noqa: FBT001 - of hypothesis
) -> None:
    admin = served.admin
    made = admin.new_list(10, block={"size": 5}, **({"fold": "sum"} if fold else {}))
    lease = admin.claim(made)
    report = {"lease": lease["lease"], "index": 0, "upto": 3, **told}
    for path, body in (
        (f"/v1/lists/{made}/exchange", {"worker": "w", "reports": [report], **fields}),
        ("/v1/exchange", {"worker": "w", "reports": [report | {"list": made}], **fields}),
        (f"/v1/lists/{made}/blocks/{lease['lease']}", told),
    ):
        answer = admin.post(path, body)
        assert answer.status in (200, 422), (body, answer)
        if answer.status == 422:
            assert answer.error["code"] in ("invalid_field", "too_many", "report_refused"), answer
    shown = admin.show(made)
    assert shown["done"] + shown["leased"] + shown["returned"] + shown["parked"] + 10 - shown["frontier"] == 10
    for line in admin.results(made):
        json.dumps(line, allow_nan=False)
    admin.call("DELETE", f"/v1/lists/{made}")
