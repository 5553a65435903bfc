"""Links between external ids and ours, set-wise: look up, create, and remember the snapshot that was applied."""

from collections.abc import Iterable, Sequence

from canonical import sql
from canonical.recording.work import Known, Recorded

_NEW = {
    "system_id": "bigint", "entity": "text", "external_id": "text", "our_id": "bigint", "version": "bigint",
    "read_at": "timestamptz", "digest": "bytea",
}  # fmt: skip

#: One row of a link: (system, entity, external id, our id, version, read_at, digest).
Row = tuple[int, str, str, int, int, object, bytes | None]


def _key(row: Row) -> tuple[int, str, str]:
    return row[0], row[1], row[2]


def known(system_id: int, entity: str, refs: Iterable[str]) -> dict[str, Known]:
    """External id → what the link knows, locked in a fixed order so that two writers of one subject take turns."""
    rows = sql.fetch(
        "SELECT external_id, our_id, version, read_at, digest FROM canonical_link"
        " WHERE system_id = %s AND entity = %s AND external_id = ANY(%s) ORDER BY id FOR UPDATE",
        (system_id, entity, sorted(refs)),
    )
    return {
        ref: Known(our, version, read_at, bytes(digest) if digest else None)
        for ref, our, version, read_at, digest in rows
    }


def remember(rows: Sequence[Row], recorded: Recorded) -> None:
    """Create links, or update what an existing link of the same external id knows. Never moves a link to another id of ours."""
    ordered = sorted(rows, key=_key)
    fresh = sql.insert(
        "canonical_link",
        _NEW,
        ordered,
        "ON CONFLICT (system_id, entity, external_id) DO UPDATE SET version = excluded.version, read_at = excluded.read_at,"
        " digest = excluded.digest RETURNING system_id, entity, our_id, xmax = 0",
    )
    recorded.appeared.update(key(entity, our, system) for system, entity, our, new in fresh if new)


def claim(rows: Sequence[Row], recorded: Recorded) -> set[tuple[int, str, str]]:
    """Create links where neither side is taken; returns the (system, entity, external id) that could be created."""
    ordered: list[Row] = sorted(rows, key=_key)
    fresh = sql.insert(
        "canonical_link",
        _NEW,
        ordered,
        "ON CONFLICT DO NOTHING RETURNING system_id, entity, external_id, our_id",
    )
    recorded.appeared.update(key(entity, our, system) for system, entity, _, our in fresh)
    return {(system, entity, external) for system, entity, external, _ in fresh}


def key(entity: str, our_id: int, system_id: int) -> str:
    """What somebody waits for when a link is missing."""
    return f"{entity}:{our_id}@{system_id}"
