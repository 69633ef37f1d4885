"""What the index keeps no column for, out of the headers of an entity's first instance."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from imaging.archive.correction import Correction, corrected_json
from imaging.archive.series_metadata import instance_json
from imaging.archive.tables import instance, study
from imaging.query.answer import from_instance
from imaging.query.attributes import Level
from imaging.query.model import Query

_IN_MAX: Final = 500
_OWN: Final = {
    Level.PATIENT: instance.c.study,
    Level.STUDY: instance.c.study,
    Level.SERIES: instance.c.series,
}


def add_from_instances(
    conn: sa.Connection, query: Query, ids: Sequence[int], objects: Sequence[dict[str, Any]]
) -> None:
    """Add to each of *objects* what *query* asks and only the first instance of its row can tell.

    Args:
        conn: the connection the rows were read from.
        query: what was asked for.
        ids: numbers of the rows; those of a patient are its study's.
        objects: DICOM JSON, one for each row.
    """
    tags = from_instance(query)
    everything = query.include_all and query.level is Level.INSTANCE
    if not (tags or everything):
        return
    names = {f"{tag:08X}" for tag in tags}
    kept = _first_metadata(conn, query.level, ids)
    for row, each in zip(ids, objects, strict=True):
        if row not in kept:
            continue
        metadata_json, correction = kept[row]
        told = msgspec.json.decode(instance_json(metadata_json), type=dict[str, Any])
        if correction:
            told = corrected_json(msgspec.convert(correction, Correction), told)
        for name, element in told.items():
            if name not in each and (everything or name in names):
                each[name] = element


def _first_metadata(
    conn: sa.Connection, level: Level, ids: Sequence[int]
) -> dict[int, tuple[bytes, Any]]:
    """Return the metadata of the first instance of each entity, and its study's correction."""
    kept: dict[int, tuple[bytes, Any]] = {}
    for at in range(0, len(ids), _IN_MAX):
        part = ids[at : at + _IN_MAX]
        if level is Level.INSTANCE:
            query = sa.select(instance.c.id, instance.c.metadata_json, study.c.correction).where(
                instance.c.id.in_(part)
            )
        else:
            own = _OWN[level]
            first = (
                sa.select(own.label("owner"), sa.func.min(instance.c.id).label("first"))
                .where(own.in_(part))
                .group_by(own)
                .subquery()
            )
            query = sa.select(first.c.owner, instance.c.metadata_json, study.c.correction).join(
                instance, instance.c.id == first.c.first
            )
        query = query.join(study, study.c.id == instance.c.study)
        kept.update((row[0], (row[1], row[2])) for row in conn.execute(query))
    return kept
