"""`Objects`: a Worklist and its Blocks as the API server would keep them, for tests of what is pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from teamtask.controller.reconcile import begin, reconcile
from teamtask.kube import objects as o

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.controller.working import Plan, Working


class Objects:
    """Writes are carried out one by one, so that a test can end the controller between any two."""

    def __init__(self, **spec: Any) -> None:
        self.now = 1_000_000.0
        self.worklist = o.read_worklist({"metadata": {"name": "list", "uid": "w", "generation": 1}, "spec": spec})
        self.blocks: dict[str, o.Block] = {}
        self.results: dict[str, str] = {}
        self.working: Working | None = None
        self._made = 0

    def create(self, name: str, holder: str = "somebody") -> o.Block:
        """Make a block, as a client does."""
        self._made += 1
        metadata = o.Metadata(
            name, uid=f"uid-{self._made}", generation=1, creation_timestamp=f"{self._made:09}",
            finalizers=[o.FINALIZER],
        )  # fmt: skip
        self.blocks[name] = o.Block(metadata, o.BlockSpec(o.ListReference("list"), holder))
        return self.blocks[name]

    def report(self, name: str, state: str, sequence: int | None = None, **fields: Any) -> None:
        """Report on a block, as its holder does."""
        block = self.blocks[name]
        said = o.Report(block.status.sequence if sequence is None else sequence, state, **fields)
        metadata = replace(block.metadata, generation=block.metadata.generation + 1)
        self.blocks[name] = replace(block, metadata=metadata, spec=replace(block.spec, report=said))

    def change(self, **spec: Any) -> None:
        """Change the spec of the list, as its owner does."""
        metadata = replace(self.worklist.metadata, generation=self.worklist.metadata.generation + 1)
        self.worklist = replace(self.worklist, metadata=metadata, spec=replace(self.worklist.spec, **spec))

    def recreate(self) -> None:
        """Delete the list and make it again, before the controller has seen that it was gone."""
        metadata = replace(self.worklist.metadata, uid=self.worklist.metadata.uid + "again")
        self.worklist = o.Worklist(metadata, self.worklist.spec)
        self.working = None

    def delete(self, name: str) -> None:
        """Delete a block: it stays until the finalizer goes."""
        block = self.blocks[name]
        self.blocks[name] = replace(block, metadata=replace(block.metadata, deletion_timestamp="now"))

    def reconcile(self, writes: int | None = None) -> Plan:
        """Reconcile and carry out; with `writes` so many only, and then the controller is ended."""
        blocks = list(self.blocks.values())
        if self.working is None:
            self.working = begin(self.worklist, blocks, self.results, self.now)
        plan = reconcile(self.working, self.worklist, blocks, self.now)
        steps: list[Callable[[], None]] = [lambda: self._keep(plan)] if plan.results else []
        steps += [lambda: self._put_worklist(plan)]
        steps += [lambda: self._withdraw(plan)] if plan.withdrawn else []
        steps += [lambda name=name, status=status: self._put(name, status) for name, status in plan.blocks.items()]
        steps += [lambda name=name: self._let_go(name) for name in plan.counted]
        for step in steps[:writes]:
            step()
        if writes is not None:
            self.working = None
        return plan

    def _keep(self, plan: Plan) -> None:
        self.results |= {str(index): row for index, row in plan.results.items()}

    def _withdraw(self, plan: Plan) -> None:
        for index in plan.withdrawn:
            del self.results[str(index)]

    def _put_worklist(self, plan: Plan) -> None:
        self.worklist = replace(self.worklist, status=plan.worklist)

    def _put(self, name: str, status: o.BlockStatus) -> None:
        self.blocks[name] = replace(self.blocks[name], status=status)

    def _let_go(self, name: str) -> None:
        del self.blocks[name]
