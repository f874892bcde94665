"""What `kubectl explain` says of each field of our objects."""

from __future__ import annotations

from teamtask.kube import objects as o

FIELDS: dict[type, dict[str, str]] = {
    o.BlockSize: {
        "size": "Every block has this many items. Without it blocks are as long as `seconds` say.",
        "seconds": "A block takes about this long: 30 seconds, if not given.",
        "max": "No block has more items than this.",
    },
    o.WorklistSpec: {
        "source": "The items, as in the web API: {kind: range, stop: 1000} or {kind: lines, items: [a, b]}.",
        "start_index": "The first index.",
        "block": "How large a block is.",
        "max_active_blocks": "How many blocks are handed out at once.",
        "blocks_per_holder": "How many blocks one holder has at once.",
        "lease_seconds": "A block that nobody reports on for so long is handed out again.",
        "items_per_second": "No more items than this are handed out in a second.",
        "attempts": "An item that could not be worked so often is parked.",
        "max_parked": "With more parked items than this the list is suspended.",
        "suspend": "Nothing is handed out while this is true.",
    },
    o.Condition: {
        "type": "What is said.",
        "status": "Whether it is so.",
        "reason": "Why, in one word.",
        "message": "Why, in a sentence.",
        "last_transition_time": "Since when.",
        "observed_generation": "The generation of the spec that was looked at.",
    },
    o.WorklistStatus: {
        "observed_generation": "The generation of the spec that this is about.",
        "conditions": "Accepted, Progressing, Suspended, Complete, Failed and Finished.",
        "phase": "One word for people; programs look at the conditions.",
        "size": "How many items the list has.",
        "fingerprint": "Of the first index and the source: with another one, indices would mean other items.",
        "frontier": "The lowest index that was never handed out.",
        "completed": "The indices that are done, merged: 0-999 in the end.",
        "parked": "The indices that could not be worked.",
        "completed_items": "How many items are done.",
        "failed_items": "How many of them have an outcome that is not ok.",
        "parked_items": "How many items are parked.",
        "active_blocks": "How many blocks are handed out.",
        "progress": "Done of all.",
        "rate": "Items a second.",
        "effective_block_size": "The size of the block that was handed out last.",
        "start_time": "When the first block was handed out.",
        "completion_time": "When the list finished.",
    },
    o.Report: {
        "sequence": "That of the assignment which is reported on, from the status.",
        "state": "Working (a sign of life), Completed, Failed or Released.",
        "done": "The indices that are done, as 0-99,200; while Working, or of a block that failed.",
        "renew_time": "The time by the holder's clock: a report like the last one is heard only if this is another.",
        "failed_at": "The index at which the block failed.",
        "message": "Why it failed.",
    },
    o.ListReference: {
        "name": "The name of the Worklist, in the same namespace.",
    },
    o.BlockSpec: {
        "list_ref": "The list that is to be worked on.",
        "holder": "The name of the user who holds the block.",
        "holder_pod": "The pod that holds it.",
        "report": "What the holder says of the assignment in the status.",
    },
    o.Assignment: {
        "index": "The first index.",
        "size": "How many.",
    },
    o.BlockStatus: {
        "phase": "Pending until there is work, Ready while it is worked, Closed when there will be none.",
        "ready": "1/1 while the block has work.",
        "sequence": "The number of the assignment: a report names it.",
        "worklist_uid": "The uid of the list that the assignment is of.",
        "observed_generation": "The generation of the spec, and so the report, that this takes into account.",
        "index": "The first index, or Pending.",
        "size": "How many items, or Pending.",
        "attempt": "Which try at this range it is.",
        "restarts": "How often the range was begun again.",
        "expires_at": "When the range is handed out again unless something is reported.",
        "assignments": "The ranges to work.",
        "conditions": "Ready, and why not.",
    },
}
