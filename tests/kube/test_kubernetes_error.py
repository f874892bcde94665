"""What a refusal of the API server means."""

from __future__ import annotations

import pytest

from teamtask.kube.kubernetes_error import KubernetesError

FULL = "exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1"
UNCOUNTED = "status unknown for quota: few, resources: pods"
OVERTAKEN = 'Operation cannot be fulfilled on resourcequotas "few": the object has been modified; please try again'


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        (f'pods "a" is forbidden: {FULL}', 403, FULL),
        (f'pods "a" is forbidden: {UNCOUNTED}', 403, UNCOUNTED),
        (OVERTAKEN, 409, OVERTAKEN),
        ('pods "a" is forbidden: failed quota: few: must specify limits.cpu', 403, ""),
        ('pods is forbidden: User "a" cannot create resource "pods"', 403, ""),
        (f"Unprocessable: {FULL}", 422, ""),
    ],
)
def test_a_quota_that_may_have_room_later_is_told_from_other_refusals(said: str, status: int, words: str) -> None:
    assert KubernetesError(said, status).quota_words == words
