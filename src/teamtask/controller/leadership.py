"""`Leadership`: one of several controllers acts, the others stand by: a Lease of Kubernetes says which.

After client-go's leader election: whoever finds the Lease not renewed for its length, by his own clock, takes it; its
holder renews it every few seconds, gives up acting when that has failed for too long, and lets go of it at the end, so
that the next one need not wait. A Lease is no fence: what is counted is guarded by the Worklist's resourceVersion.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from teamtask.kube.api_server import CONFLICT, NOT_FOUND, KubernetesError

if TYPE_CHECKING:
    from teamtask.kube.api_server import ApiServer

NAME = "teamtask-controller"
LEASE_SECONDS = 15
RENEW_SECONDS_MAX = 8.0  # who could not renew for so long acts no more
RETRY_SECONDS = 2.0
CALL_SECONDS = 1.5  # two calls, twice this each, and the seconds above: less than the lease lasts

_log = structlog.get_logger()


class Leadership:
    """A place among the controllers of a namespace's lists, or of all."""

    def __init__(self, server: ApiServer, namespace: str, identity: str) -> None:
        """Use the Lease of a namespace under a name that no other controller has."""
        self._server = server
        self._identity = identity
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._namespace = namespace
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._seen: tuple[Any, float] = (None, time.monotonic())
        self._thread = threading.Thread(target=self._keep, name="leadership", daemon=True)

    @property
    def is_lost(self) -> bool:
        """Whether another one may act now."""
        return self._lost.is_set()

    def acquire(self, stopping: threading.Event) -> bool:
        """Stand by until this is the one that acts, and keep it so; False when `stopping` was set before.

        Raises KubernetesError for what asking again does not mend.
        """
        told = False
        while not stopping.is_set():
            try:
                holder = self._try()
            except KubernetesError as error:
                if not error.may_pass:
                    raise
                _log.warning("the lease was not read", error=str(error))
                stopping.wait(RETRY_SECONDS)
                continue
            if holder == self._identity:
                self._thread.start()
                return True
            if not told:
                told = True
                _log.info("standing by", leader=holder)
            stopping.wait(RETRY_SECONDS)
        return False

    def release(self) -> None:
        """Let go, so that another one may act at once."""
        self._ended.set()
        if not self._thread.is_alive():
            return
        self._thread.join()
        if self.is_lost:
            return
        try:
            lease = self._server.call("GET", f"{self._path}/{NAME}", seconds=CALL_SECONDS)
            if lease["spec"].get("holderIdentity") == self._identity:
                self._put(lease, holder="", seconds=1)
        except KubernetesError as error:
            _log.warning("the lease was not let go", error=str(error))

    def _try(self) -> str:
        """Take the Lease if nobody has it; give who has it then."""
        try:
            lease = self._server.call("GET", f"{self._path}/{NAME}", seconds=CALL_SECONDS)
        except KubernetesError as error:
            if error.status != NOT_FOUND:
                raise
            return self._create()
        spec = lease["spec"]
        holder = str(spec.get("holderIdentity") or "")
        if self._seen[0] != (holder, spec.get("renewTime")):
            self._seen = ((holder, spec.get("renewTime")), time.monotonic())
        over = time.monotonic() - self._seen[1] > float(spec.get("leaseDurationSeconds") or LEASE_SECONDS)
        if holder and holder != self._identity and not over:
            return holder
        return self._put_or_lose(lease)

    def _create(self) -> str:
        metadata = {"name": NAME, "namespace": self._namespace}
        document = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
        try:
            self._server.call("POST", self._path, document | {"spec": self._spec({}, self._identity, LEASE_SECONDS)})
        except KubernetesError as error:
            if error.status != CONFLICT:
                raise
            return ""
        return self._identity

    def _put_or_lose(self, lease: dict[str, Any]) -> str:
        try:
            self._put(lease, self._identity, LEASE_SECONDS)
        except KubernetesError as error:
            if error.status != CONFLICT:
                raise
            return ""
        return self._identity

    def _put(self, lease: dict[str, Any], holder: str, seconds: int) -> None:
        document = lease | {"spec": self._spec(lease["spec"], holder, seconds)}
        self._server.call("PUT", f"{self._path}/{NAME}", document, seconds=CALL_SECONDS)

    def _spec(self, before: dict[str, Any], holder: str, seconds: int) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        same = before.get("holderIdentity") == holder
        changes = int(before.get("leaseTransitions") or 0)
        return {
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds,
            "acquireTime": before.get("acquireTime") if same else now,
            "renewTime": now,
            "leaseTransitions": changes if same or not before else changes + 1,
        }

    def _keep(self) -> None:
        renewed_at = time.monotonic()
        while not self._ended.wait(RETRY_SECONDS):
            try:
                holder = self._try()
            except Exception as error:  # noqa: BLE001 - whatever it is, who cannot renew stops acting
                _log.warning("the lease was not renewed", error=str(error))
            else:
                if holder == self._identity:
                    renewed_at = time.monotonic()
                elif holder:
                    break
            if time.monotonic() - renewed_at > RENEW_SECONDS_MAX:
                break
        else:
            return
        self._lost.set()
