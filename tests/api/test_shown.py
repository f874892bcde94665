"""What is shown of a list that is worked on, and to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from serving import refused

if TYPE_CHECKING:
    from serving import Http, Served


def test_a_list_shows_at_once_when_its_first_block_was_handed_out(admin: Http) -> None:
    name = admin.new_list(10)
    assert admin.show(name)["started_at"] is None
    admin.exchange(name)
    assert admin.show(name)["started_at"] is None
    admin.claim(name)
    began = admin.show(name)["started_at"]
    assert began is not None
    assert admin.send("PATCH", f"/v1/lists/{name}", {"priority": 3}).json["started_at"] == began


def test_the_id_of_a_lease_is_shown_to_its_claimer_alone(served: Served, admin: Http) -> None:
    others = served.client(admin.new_token("others"))
    name = admin.new_list(40, block={"size": 10}, roles={"worker": ["token:others"], "viewer": ["everyone"]})
    mine, theirs = admin.claim(name), others.claim(name)

    def leases(client: Http) -> list[str | None]:
        return [block["lease"] for block in client.get(f"/v1/lists/{name}/blocks").json["items"]]

    assert leases(admin) == [mine["lease"], None], "an owner takes a block back by its name"
    assert leases(others) == [None, theirs["lease"]]
    assert leases(served.client(admin.new_token("stranger"))) == [None, None]
    assert leases(served.client(admin.new_token("others", role="viewer"))) == [None, None], "it cannot report"
    assert admin.finish(name, mine) == others.finish(name, theirs) == "done"
    (done,) = others.get(f"/v1/lists/{name}/blocks?state=done").json["items"]
    assert done["lease"] is None


def _last_change(admin: Http) -> dict[str, Any]:
    (entry,) = admin.get("/v1/audit?limit=1").json["items"]
    assert entry["action"] == "change"
    return dict(entry["detail"])


def test_the_audit_trail_tells_what_was_changed_and_to_what(admin: Http) -> None:
    name = admin.new_list(10)
    change = {
        "roles": {"worker": ["token:größe"]}, "priority": 7, "stop_after_results": 2**60, "item_seconds": None,
        "limits": {"workers": 5},
    }  # fmt: skip
    assert admin.send("PATCH", f"/v1/lists/{name}", change).status == 200
    assert _last_change(admin) == {**change, "stop_after_results": str(2**60)}
    assert admin.send("PATCH", f"/v1/lists/{name}", {"block": {"size": "9"}}).status == 200
    assert _last_change(admin)["block"]["size"] == "9"
    assert admin.send("PATCH", f"/v1/lists/{name}", {}).status == 200
    assert _last_change(admin) == {}
    refused(admin.send("PATCH", f"/v1/lists/{name}", {"priority": 10**6}), 422, "priority")
    assert _last_change(admin) == {}


def test_the_largest_change_still_fits_into_the_audit_trail(admin: Http) -> None:
    name = admin.new_list(10)
    holders = [f"token:{number}-".ljust(250, '"') for number in range(1000)]
    labels = {f"{number}-".ljust(250, "ö"): "\\" * 250 for number in range(64)}
    change = {"roles": {"viewer": holders, "worker": holders}, "labels": labels, "stop_after_results": "9" * 3999}
    assert admin.send("PATCH", f"/v1/lists/{name}", change).status == 200
    detail = _last_change(admin)
    assert list(detail) == ["stop_after_results", "labels", "roles"]
    assert all(len(value) <= 1001 and value.endswith("…") for value in detail.values())
    assert detail["roles"].startswith('{"viewer":["token:0-')
