"""What puts a cause right for many exceptions at once, as a replay keeps it: today a word that is given its meaning."""

from collections.abc import Collection, Sequence
from collections.abc import Mapping as Table
from typing import Any

from canonical.models import Mapping
from retailsync.console import mapping
from retailsync.sync.deciding import NotPossible
from retailsync.sync.replaying import Fix


def of_word(row: Mapping) -> dict[str, Any]:
    """The fix that gives a word this meaning."""
    return {"kind": "word", "table": row.kind, "channel": row.channel_id, "key": row.key, "value": row.value}


def of(fix: Table[str, Any] | None) -> Fix | None:
    """The fix a replay keeps; None where it is a plain release."""
    return Word(fix) if fix else None


class Word:
    """A word of a shop is given its meaning, and orders that wait for it go on."""

    def __init__(self, fix: Table[str, Any]) -> None:
        self._kind, self._channel, self._key, self._value = fix["table"], fix["channel"], fix["key"], fix["value"]

    def row(self) -> Mapping:
        """The row as it will be."""
        row = Mapping.objects.filter(kind=self._kind, channel=self._channel, key__iexact=self._key).first()
        row = row or Mapping(kind=self._kind, channel_id=self._channel, key=self._key)
        row.value = self._value
        return row

    def apply(self, orders: Sequence[int], who: str, why: str, *, first: bool) -> None:
        """Save the word, where nobody did so before, and plan these orders."""
        row = mapping.save(self.row(), who, why) if first else self.row()
        if row.pk is None:
            raise NotPossible(f"“{self._key}” was taken away meanwhile.")
        mapping.go_on(row, orders, who, why)

    def finish(self, seen: Collection[int], who: str, why: str) -> None:
        """Plan what else waits for the word by now. Too many for one person wait on in their group, where a second one is asked."""
        row = self.row()
        rest = sorted({*mapping.waiting(row)} - {*seen})
        if rest and row.pk and not mapping.second(rest):
            mapping.go_on(row, rest, who, why)
