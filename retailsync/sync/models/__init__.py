"""Rows of the top floor. Written by the corridor and by people in the console."""

from retailsync.sync.models.corridor import Attempt, Batch, Command, Cursor, Gate, Lease, Message
from retailsync.sync.models.exceptions import Action, Case
from retailsync.sync.models.operating import Pause

__all__ = ["Action", "Attempt", "Batch", "Case", "Command", "Cursor", "Gate", "Lease", "Message", "Pause"]
