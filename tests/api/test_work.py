"""Work over HTTP from the first claim to the last result, with all that happens to a list on the way."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from serving import refused

if TYPE_CHECKING:
    from serving import Http, Served

SAFE_END = 2**53
FAR = 10**30


@pytest.fixture(scope="module")
def others(served: Served, admin: Http) -> Http:
    """Give a client of another principal, who may work on every list that is open to it."""
    return served.client(admin.new_token("others"))


OPEN = {"worker": ["token:others"]}


# --- the exchange


def test_a_list_is_worked_from_claim_to_completion(admin: Http) -> None:
    name = admin.new_list(25, block={"size": 10}, fold="sum")
    leases = [admin.claim(name) for _ in range(3)]
    assert [(lease["index"], lease["size"]) for lease in leases] == [(0, 10), (10, 10), (20, 5)]
    assert all(lease["list"] == name and lease["name"].startswith(f"{name}-") for lease in leases)
    first = leases[0]
    told = admin.report(name, first, upto=4, fold=6, results=[[index, index * index] for index in range(4)])
    assert (told["status"], told["cursor"], told["end"]) == ("held", 4, 10)
    assert 0 < told["expires_in_seconds"] <= 60
    rest = [[index, index * index, index != 7] for index in range(4, 10)]
    assert admin.report(name, first, **{"from": 4}, upto=10, fold=39, results=rest)["status"] == "done"
    for lease in leases[1:]:
        indices = range(lease["index"], lease["index"] + lease["size"])
        results = [[index, index * index] for index in indices]
        assert admin.report(name, lease, upto=indices.stop, fold=sum(indices), results=results)["status"] == "done"
    shown = admin.show(name)
    assert (shown["state"], shown["done"], shown["failed"], shown["fold"]) == ("complete", 25, 1, sum(range(25)))
    assert [(line["index"], line["item"], line["result"], line["ok"]) for line in admin.results(name)] == [
        (index, index, index * index, index != 7) for index in range(25)
    ]


def test_nothing_is_claimed_that_is_not_wanted(admin: Http) -> None:
    name = admin.new_list(10)
    reply = admin.exchange(name)
    assert (reply["leases"], reply["reports"], reply["retry_in_seconds"]) == ([], [], None)
    assert admin.show(name)["leased"] == 0


def test_a_claim_that_is_repeated_gets_the_same_lease(admin: Http) -> None:
    name = admin.new_list(100, block={"size": 10})
    first = admin.claim(name, request="r1")
    again = admin.claim(name, request="r1")
    assert again | {"expires_in_seconds": 0} == first | {"expires_in_seconds": 0}
    assert again["expires_in_seconds"] <= first["expires_in_seconds"], "not extended"
    assert admin.claim(name, request="r2")["lease"] != first["lease"]
    admin.report(name, first, upto=3)
    partly = admin.claim(name, request="r1")
    assert (partly["lease"], partly["rest"]) == (first["lease"], [[3, 7]])
    assert admin.finish(name, first) == "done"
    assert admin.claim(name, request="r1")["lease"] != first["lease"], "that one lives no more"


def test_a_report_that_is_repeated_is_known(admin: Http) -> None:
    name = admin.new_list(100, block={"size": 10})
    lease = admin.claim(name)
    results = [[index, "x"] for index in range(10)]
    assert admin.finish(name, lease, results) == "done"
    assert admin.finish(name, lease, results) == "already_done"
    assert len(admin.results(name)) == 10


def test_one_bad_report_does_not_spoil_its_neighbours(admin: Http) -> None:
    name = admin.new_list(30, block={"size": 10})
    leases = [admin.claim(name) for _ in range(3)]
    told = [{"lease": lease["lease"], "index": lease["index"], "upto": lease["index"] + 10} for lease in leases]
    told[1]["results"] = [[99, "outside"]]
    statuses = admin.exchange(name, reports=told)["reports"]
    assert [status["status"] for status in statuses] == ["done", "error", "done"]
    assert statuses[1]["error"] | {"message": "", "hint": ""} == {
        "code": "invalid_field", "message": "", "hint": "", "detail": {"field": "results"},
    }  # fmt: skip
    assert admin.show(name)["done"] == 20
    assert admin.results(name) == []


@pytest.mark.parametrize(
    "results", [[[10, 1]], [[9, 1], [10, 1]], [[5, 1], [5, 2]], [["10", 1]], [[FAR, 1]], [[str(FAR), 1]]]
)
def test_results_outside_of_what_was_done_change_nothing(admin: Http, results: list[Any]) -> None:
    name = admin.new_list(100, block={"size": 10})
    lease = admin.claim(name)
    answer = admin.post(
        f"/v1/lists/{name}/exchange",
        {"worker": "w", "reports": [{"lease": lease["lease"], "index": 0, "upto": 10, "results": results}]},
    )
    if answer.status == 200:
        assert answer.json["reports"][0]["status"] == "error"
    else:
        refused(answer, field="reports[0].results")
    assert (admin.show(name)["done"], admin.results(name)) == (0, [])
    assert admin.finish(name, lease) == "done", "the lease goes on"


def test_another_principal_learns_nothing_of_a_lease_and_changes_nothing(admin: Http, others: Http) -> None:
    name = admin.new_list(100, block={"size": 10}, roles=OPEN)
    lease = admin.claim(name)
    before = admin.get(f"/v1/lists/{name}/blocks").json["items"][0]
    for told in (
        {"upto": 10, "results": [[0, "theirs"]]},
        {"upto": 0, "error": {"message": "gone"}},
        {"upto": 0, "release": True},
        {"upto": 0, "end": 5},
        {"upto": 0, "failed": [[3, "no"]]},
        {"upto": 0},
    ):
        status = others.report(name, lease, **told)
        unknown = others.report(name, {"lease": "there-is-none", "index": 0}, **told)
        assert status == {"lease": lease["lease"], "status": "stale"}
        assert unknown == {"lease": "there-is-none", "status": "stale"}
    for body in ({"done": True}, {"release": True}, {"error": {"message": "x"}}, {"upto": 10}, {"end": 0}):
        for lease_id in (lease["lease"], "there-is-none"):
            answer = others.post(f"/v1/lists/{name}/blocks/{lease_id}", body)
            assert (answer.status, answer.json) == (200, {"lease": lease_id, "status": "stale"}), body
    after = admin.get(f"/v1/lists/{name}/blocks").json["items"][0]
    assert {key: after[key] for key in ("name", "index", "size", "done", "worker", "principal")} == {
        key: before[key] for key in ("name", "index", "size", "done", "worker", "principal")
    }
    assert admin.finish(name, lease) == "done"


def test_a_token_that_replaces_another_of_its_name_keeps_the_leases(served: Served, admin: Http) -> None:
    name = admin.new_list(100, block={"size": 10}, roles={"worker": ["token:rotated"]})
    before = served.client(admin.new_token("rotated"))
    lease = before.claim(name)
    after = served.client(admin.new_token("rotated"))
    old = next(token for token in admin.get("/v1/tokens?limit=1000").json["items"] if token["name"] == "rotated")
    assert admin.call("DELETE", f"/v1/tokens/{old['id']}").status == 204
    held = [client for client in (before, after) if client.get("/v1/me").status == 200]
    assert len(held) == 1
    assert held[0].finish(name, lease) == "done"


def test_pieces_that_come_back_are_handed_out_again(admin: Http) -> None:
    name = admin.new_list(40, block={"size": 10}, attempts=2)
    leases = [admin.claim(name) for _ in range(4)]
    assert admin.report(name, leases[0], upto=4, release=True)["status"] == "released"
    assert admin.report(name, leases[1], upto=12, error={"message": "killed by signal 11"})["status"] == "failed"
    cut = admin.report(name, leases[2], upto=22, end=25)
    assert (cut["status"], cut["cursor"], cut["end"]) == ("held", 22, 25)
    assert admin.report(name, leases[3], upto=31, failed=[[33, "no such file"]])["status"] == "held"
    returned = admin.get(f"/v1/lists/{name}/ranges?state=returned").json["items"]
    # What was released has no failures and what was failed has, so they are pieces of their own.
    assert {(piece["index"], piece["size"]) for piece in returned} == {(4, 6), (12, 8), (25, 5), (33, 1)}
    again = [admin.claim(name, "other") for _ in range(2)]
    assert [(lease["index"], lease["attempt"]) for lease in again] == [(4, 1), (12, 2)]
    admin.report(name, admin.claim(name, "other"), "other", upto=30)
    last = admin.claim(name, "other")
    assert (last["index"], last["attempt"]) == (33, 2)
    admin.report(name, last, "other", upto=33, error={"message": "no such file, again"})
    parked = admin.get(f"/v1/lists/{name}/blocks?state=parked").json["items"]
    assert [(block["index"], block["reason"]) for block in parked] == [(33, "no such file, again")]
    assert admin.post(f"/v1/lists/{name}/unpark", {}).json["changed"] == 1


# --- with curl


def test_two_plain_calls_are_enough_to_work_a_list_to_its_end(admin: Http) -> None:
    name = admin.new_list(source={"kind": "lines", "items": ["a", "b", "c"]}, block={"size": 2})
    seen = []
    while True:
        answer = admin.call("POST", f"/v1/lists/{name}/blocks", b'{"worker": "me"}')
        if answer.status == 410:
            break
        assert answer.status == 201, answer
        seen += answer.json["items"]
        done = admin.call("POST", f"/v1/lists/{name}/blocks/{answer.json['lease']}", b'{"done": true}')
        assert (done.status, done.json["status"]) == (200, "done")
    refused(answer, 410)
    assert answer.error["detail"] == {"state": "complete"}
    assert seen == ["a", "b", "c"]


def test_a_plain_report_takes_any_field_of_a_report(admin: Http) -> None:
    name = admin.new_list(10, block={"size": 10}, fold="count")
    path = f"/v1/lists/{name}/blocks"
    lease = admin.post(path, {"worker": "me"}).json["lease"]
    held = admin.post(f"{path}/{lease}", {"upto": 3, "fold": 3, "results": [[0, "x"], [1, None, False]]})
    assert (held.status, held.json["status"], held.json["cursor"]) == (200, "held", 3)
    for wrong, field in (
        ({"upto": 5, "fold": 2, "results": [[9, "x"]]}, "results"),
        ({"upto": 5, "fold": "x"}, "fold"),
        ({"index": 1, "upto": 5, "fold": 4}, "index"),
        ({"upto": 5, "fold": 2, "error": {"message": "x", "index": 10}}, "error.index"),
    ):
        answer = admin.post(f"{path}/{lease}", wrong)
        refused(answer, field=field)
        assert answer.error["code"] == "report_refused"
    cut = admin.post(f"{path}/{lease}", {"done": True, "fold": 10})
    assert (cut.json["status"], cut.json["rest"]) == ("cut", [[3, 7]])
    done = admin.post(f"{path}/{lease}", {"from": 3, "done": True, "fold": 7})
    assert done.json["status"] == "done"
    shown = admin.show(name)
    assert (shown["state"], shown["fold"], shown["failed"]) == ("complete", 10, 1)


def test_a_late_plain_report_counts_while_nobody_was_faster(admin: Http) -> None:
    name = admin.new_list(10, block={"size": 10})
    path = f"/v1/lists/{name}/blocks"
    lease = admin.post(path, {"worker": "me"}).json
    assert admin.call("DELETE", f"{path}/{lease['name']}").status == 204
    late = admin.post(f"{path}/{lease['lease']}", {"done": True, "results": [[0, "late"]]})
    assert (late.status, late.json["status"]) == (200, "done")
    assert admin.show(name)["state"] == "complete"
    again = admin.post(f"{path}/{lease['lease']}", {"done": True})
    assert again.json["status"] in ("already_done", "stale")


def test_no_work_now_is_204_and_says_when_to_ask_again(admin: Http) -> None:
    name = admin.new_list(1)
    path = f"/v1/lists/{name}/blocks"
    lease = admin.post(path, {"worker": "me"}).json["lease"]
    answer = admin.post(path, {"worker": "me"})
    assert (answer.status, answer.body) == (204, b"")
    assert int(answer.headers["retry-after"]) >= 1
    reply = admin.exchange(name, "other", want={})
    assert reply["leases"] == []
    assert reply["retry_in_seconds"] > 0
    admin.post(f"{path}/{lease}", {"done": True})
    refused(admin.post(path, {"worker": "me"}), 410)
    reply = admin.exchange(name, "other", want={})
    assert (reply["leases"], reply["retry_in_seconds"], reply["state"]) == ([], None, "complete")


@pytest.mark.parametrize("rate", [5e-324, 1e-300, 1e-6])
def test_the_slowest_list_still_says_when_to_ask_again(admin: Http, rate: float) -> None:
    name = admin.new_list(10, limits={"items_per_second": rate})
    for _ in range(3):
        answer = admin.post(f"/v1/lists/{name}/blocks", {"worker": "me"})
        assert answer.status in (201, 204), answer
    assert 1 <= int(answer.headers["retry-after"]) <= 86_400
    assert admin.exchange(name, "me", want={})["retry_in_seconds"] is not None, "nobody is to go home"


# --- what an owner does meanwhile


def test_a_list_that_is_deleted_while_it_is_worked_on_was_never_there(admin: Http) -> None:
    name = admin.new_list(100, block={"size": 10})
    lease = admin.claim(name)
    assert admin.call("DELETE", f"/v1/lists/{name}").status == 204
    report = {"worker": "w", "reports": [{"lease": lease["lease"], "index": 0, "upto": 10}]}
    for answer in (
        admin.post(f"/v1/lists/{name}/exchange", report),
        admin.post(f"/v1/lists/{name}/exchange", {"worker": "w", "want": {}}),
        admin.post(f"/v1/lists/{name}/blocks", {"worker": "w"}),
        admin.post(f"/v1/lists/{name}/blocks/{lease['lease']}", {"done": True}),
        admin.get(f"/v1/lists/{name}"),
        admin.call("DELETE", f"/v1/lists/{name}"),
    ):
        refused(answer, 404)
        assert answer.error["code"] == "not_found"


def test_another_list_of_the_same_name_is_another_list(admin: Http) -> None:
    name = admin.new_list(100, block={"size": 10})
    lease = admin.claim(name)
    admin.call("DELETE", f"/v1/lists/{name}")
    admin.new_list(100, name=name, block={"size": 10})
    assert admin.finish(name, lease) == "stale"
    assert admin.claim(name)["list_id"] != lease["list_id"]


def test_a_paused_list_takes_reports_and_gives_nothing(admin: Http) -> None:
    name = admin.new_list(30, block={"size": 10})
    lease = admin.claim(name)
    assert admin.post(f"/v1/lists/{name}/pause").json["state"] == "paused"
    assert admin.post(f"/v1/lists/{name}/pause").json["state"] == "paused"
    reply = admin.exchange(name, want={})
    assert (reply["leases"], reply["state"]) == ([], "paused")
    assert reply["retry_in_seconds"] > 0
    assert admin.post(f"/v1/lists/{name}/blocks", {"worker": "w"}).status == 204
    assert admin.report(name, lease, upto=5)["status"] == "held"
    assert admin.finish(name, lease) == "done"
    assert admin.post(f"/v1/lists/{name}/resume").json["state"] == "running"
    assert admin.claim(name)["index"] == 10


def test_a_cancelled_list_sends_workers_home_and_takes_what_they_bring(admin: Http) -> None:
    name = admin.new_list(30, block={"size": 10})
    lease = admin.claim(name)
    assert admin.post(f"/v1/lists/{name}/cancel").json["state"] == "cancelled"
    reply = admin.exchange(name, want={})
    assert (reply["leases"], reply["retry_in_seconds"], reply["state"]) == ([], None, "cancelled")
    refused(admin.post(f"/v1/lists/{name}/blocks", {"worker": "w"}), 410)
    refused(admin.post(f"/v1/lists/{name}/pause"), 409)
    assert admin.finish(name, lease, [[0, "brought"]]) == "done"
    assert admin.results(name)[0]["result"] == "brought"
    assert admin.post(f"/v1/lists/{name}/resume").json["state"] == "running"


def test_a_block_is_taken_back_by_its_public_name(admin: Http) -> None:
    name = admin.new_list(30, block={"size": 10})
    lease = admin.claim(name)
    (block,) = admin.get(f"/v1/lists/{name}/blocks").json["items"]
    assert (block["name"], block["worker"], block["principal"]) == (lease["name"], "w", "token:admin")
    refused(admin.call("DELETE", f"/v1/lists/{name}/blocks/{lease['lease']}"), 404)
    assert admin.call("DELETE", f"/v1/lists/{name}/blocks/{block['name']}").status == 204
    refused(admin.call("DELETE", f"/v1/lists/{name}/blocks/{block['name']}"), 404)
    assert admin.claim(name, "other")["index"] == 0


def test_limits_that_are_changed_hold_at_once(admin: Http) -> None:
    name = admin.new_list(100, block={"size": 10}, limits={"blocks_per_worker": 1})
    admin.claim(name)
    assert admin.exchange(name, want={})["leases"] == []
    changed = admin.send("PATCH", f"/v1/lists/{name}", {"limits": {"blocks_per_worker": 2}, "block": {"size": 7}})
    assert (changed.json["limits"]["blocks_per_worker"], changed.json["limits"]["workers"]) == (2, 10_000)
    assert admin.claim(name)["size"] <= 7


def test_rerun_grow_and_stop_after_results(admin: Http) -> None:
    name = admin.new_list(20, block={"size": 10}, stop_after_results=3)
    lease = admin.claim(name)
    admin.finish(name, lease, [[index, index, index % 2 == 0] for index in range(10)])
    assert admin.show(name)["state"] == "stopped"
    admin.post(f"/v1/lists/{name}/resume")
    admin.finish(name, admin.claim(name), [[index, index] for index in range(10, 20)])
    assert admin.show(name)["state"] == "complete"
    again = admin.post(f"/v1/lists/{name}/rerun", {"failed": True}).json
    assert (again["changed"], again["left"], again["list"]["state"]) == (5, 0, "running")
    assert [line["index"] for line in admin.results(name)] == [*range(0, 10, 2), *range(10, 20)]
    assert admin.post(f"/v1/lists/{name}/rerun", {"ranges": [[0, 1], ["12", 2]]}).json["changed"] == 3
    assert admin.post(f"/v1/lists/{name}/grow", {"size": 30}).json["changed"] == 10
    refused(admin.post(f"/v1/lists/{name}/grow", {"size": 29}), 422)


# --- items


def test_items_travel_with_the_lease_that_wants_them(admin: Http) -> None:
    name = admin.new_list(source={"kind": "strings", "alphabet": "ab", "length": 3}, block={"size": 3}, start=100)
    reply = admin.exchange(name, want={"items": True})
    assert reply["leases"][0]["items"] == ["aaa", "aab", "aba"]
    assert (reply["leases"][0]["index"], "items_url" in reply["leases"][0]) == (100, False)
    page = admin.get(f"/v1/lists/{name}/items?index=103&size=100").json
    assert page == {"index": 103, "items": ["abb", "baa", "bab", "bba", "bbb"]}
    refused(admin.get(f"/v1/lists/{name}/items?index=99&size=1"), field="index")


@pytest.mark.parametrize("size", [1_000, 1_001, 10_000, 50_000])
def test_items_that_are_too_many_have_an_address_that_works(admin: Http, size: int) -> None:
    name = admin.new_list(size, block={"size": size})
    lease = admin.exchange(name, want={"items": True})["leases"][0]
    if size <= 1_000:
        assert lease["items"] == list(range(size))
        return
    page = admin.get(lease["items_url"])
    assert page.json == {"index": 0, "items": list(range(min(size, 10_000)))}


def test_items_that_are_too_long_have_an_address_too(admin: Http) -> None:
    lines = ["x" * 100_000 + str(number) for number in range(4)]
    name = admin.new_list(source={"kind": "lines", "items": lines}, block={"size": 4})
    lease = admin.post(f"/v1/lists/{name}/blocks", {"worker": "w"}).json
    assert "items" not in lease
    assert admin.get(lease["items_url"]).json["items"] == lines


# --- numbers beyond what a float tells apart


def test_our_integers_from_2_to_the_53_on_are_text_both_ways(admin: Http) -> None:
    source = {"kind": "range", "start": str(SAFE_END - 2), "stop": SAFE_END + 8}
    name = admin.new_list(source=source, start=SAFE_END - 3, block={"size": 5}, fold="max")
    lease = admin.exchange(name, want={"items": True})["leases"][0]
    assert (lease["index"], lease["size"]) == (SAFE_END - 3, 5)
    assert lease["items"] == [SAFE_END - 2, SAFE_END - 1, str(SAFE_END), str(SAFE_END + 1), str(SAFE_END + 2)]
    end = SAFE_END + 2
    told = {"lease": lease["lease"], "index": str(SAFE_END - 3), "upto": str(end), "fold": str(SAFE_END)}
    results = [[SAFE_END - 3, SAFE_END + 1], [str(SAFE_END), FAR], [SAFE_END + 1, [str(FAR), 2**64]]]
    (status,) = admin.exchange(name, reports=[told | {"results": results}])["reports"]
    assert status == {"lease": lease["lease"], "status": "done", "cursor": str(end), "end": str(end)}
    lines = admin.results(name)
    assert [line["index"] for line in lines] == [SAFE_END - 3, str(SAFE_END), str(SAFE_END + 1)]
    assert [line["item"] for line in lines] == [SAFE_END - 2, str(SAFE_END + 1), str(SAFE_END + 2)]
    assert [line["result"] for line in lines] == [SAFE_END + 1, FAR, [str(FAR), 2**64]], "the user's own is not touched"
    shown = admin.show(name)
    assert (shown["fold"], shown["start"], shown["frontier"]) == (str(SAFE_END), SAFE_END - 3, str(end))
    done = admin.get(f"/v1/lists/{name}/ranges").json
    assert done == {"items": [{"index": SAFE_END - 3, "size": 5}], "next": None}
    assert admin.post(f"/v1/lists/{name}/rerun", {"ranges": f"{SAFE_END - 3}-"}).json["changed"] == 5


def test_a_list_of_10_to_the_30_is_an_ordinary_list(admin: Http) -> None:
    name = admin.new_list(FAR, start=FAR)
    first = admin.claim(name)
    assert (first["index"], first["size"]) == (str(FAR), 1)
    told = {"lease": first["lease"], "index": str(FAR), "upto": FAR + 1, "results": [[FAR, "found"]]}
    assert admin.exchange(name, reports=[told])["reports"][0]["status"] == "done"
    shown = admin.show(name)
    assert (shown["size"], shown["done"], shown["frontier"]) == (str(FAR), 1, str(FAR + 1))
    assert admin.get(f"/v1/lists/{name}/items?index={2 * FAR - 1}&size=5").json["items"] == [str(FAR - 1)]
    assert admin.results(name, f"?from={FAR}")[0]["index"] == str(FAR)
    assert admin.results(name, f"?from={FAR + 1}") == []
    metric = f'teamtask_list_remaining_items{{list="{name}"}} '
    (line,) = [line for line in admin.get("/metrics").body.decode().splitlines() if line.startswith(metric)]
    assert float(line.removeprefix(metric)) == float(FAR)


def test_the_longest_number_goes_all_the_way(admin: Http) -> None:
    size = 10**4_000 - 1
    name = admin.new_list(size=str(size))
    lease = admin.claim(name)
    assert admin.finish(name, lease) == "done"
    shown = admin.show(name)
    assert shown["size"] == str(size)
    assert admin.get(f"/v1/lists/{name}/items?index={size - 1}&size=1").json["items"] == [str(size - 1)]
    assert admin.get("/metrics").status == 200


# --- many at once


def test_fifty_workers_finish_ten_thousand_blocks_of_one_item_once_each(served: Served, admin: Http) -> None:
    name = admin.new_list(10_000, block={"size": 1}, limits={"blocks_per_worker": 10})
    statuses: Counter[str] = Counter()
    failures: list[BaseException] = []

    def work(number: int) -> None:
        client, worker = served.client(), f"w{number}"
        reports: list[dict[str, Any]] = []
        mine: Counter[str] = Counter()
        try:
            for request in itertools.count():
                reply = client.exchange(name, worker, request=f"{request}", want={}, reports=reports)
                mine.update(status["status"] for status in reply["reports"])
                if reply["state"] == "complete":
                    break
                reports = []
                for lease in reply["leases"]:
                    indices = range(lease["index"], lease["index"] + lease["size"])
                    results = [[index, worker] for index in indices]
                    told = {"lease": lease["lease"], "index": indices.start, "upto": indices.stop, "results": results}
                    reports.append(told)
        except BaseException as failure:  # noqa: BLE001 - told to the test below
            failures.append(failure)
        statuses.update(mine)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(statuses) == {"done"}, "nobody had another's block"
    assert [line["index"] for line in admin.results(name)] == list(range(10_000))
    assert len({line["worker"] for line in admin.results(name)}) > 1
    shown = admin.show(name)
    assert (shown["state"], shown["done"], shown["results"]) == ("complete", 10_000, 10_000)
