"""Rows of the top floor. Written by the corridor and by people in the console."""

from retailsync.sync.models.corridor import Attempt, Batch, Command, Cursor, Gate, Lease, Message
from retailsync.sync.models.exceptions import Action, Case, Comment, Group, SavedView
from retailsync.sync.models.operating import Pause
from retailsync.sync.models.pulse import Pulse, PulseRun
from retailsync.sync.models.replays import Approval, ApprovalLimit, Replay, ReplayItem

__all__ = [
    "Action", "Approval", "ApprovalLimit", "Attempt", "Batch", "Case", "Command", "Comment", "Cursor", "Gate", "Group", "Lease",
    "Message", "Pause", "Pulse", "PulseRun", "Replay", "ReplayItem", "SavedView",
]  # fmt: skip
