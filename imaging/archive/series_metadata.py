"""The metadata of a series as one JSON array, made before it is asked for and kept compressed.

A viewer asks for all series of a study at once and waits for the answer, so it is written when a
series has been quiet for a while, or at the first request. What is kept says how many instances it
holds; with more in the series it is made anew.
"""

import gzip
import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
import sqlalchemy as sa
import zstandard

from imaging.archive.blame import cause
from imaging.archive.correction import Correction, corrected_json
from imaging.archive.tables import instance, series, series_metadata, study
from kernel.clock import Clock
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)

QUIET_S: Final = 2.0
_LEVEL: Final = 4
_MADE_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class SeriesMetadata:
    """A series' metadata, ready to send."""

    gzip: bytes
    """The JSON array, compressed as ``Content-Encoding: gzip`` has it."""
    etag: str
    """Changes with the bytes; without quotes."""
    instance_count: int
    revision: int
    """``series.revision`` it was made at."""

    def plain(self) -> bytes:
        """Return the JSON array in UTF-8."""
        return gzip.decompress(self.gzip)


def instance_json(metadata_json: bytes) -> bytes:
    """Return the DICOM JSON object kept in ``instance.metadata_json``."""
    return zstandard.ZstdDecompressor().decompress(metadata_json)


def as_corrected(dicom_json: bytes, correction: Correction) -> bytes:
    """Return the DICOM JSON object *dicom_json* as it is read since *correction*."""
    data_set = msgspec.json.decode(dicom_json, type=dict[str, Any])
    return msgspec.json.encode(corrected_json(correction, data_set))


def kept(conn: sa.Connection, series_row: int) -> SeriesMetadata | None:
    """Return what is kept for the series, None where it must be made anew."""
    columns = series_metadata.c
    found = conn.execute(
        sa.select(columns.gzip, columns.etag, columns.instance_count, series.c.revision)
        .join(series, series.c.id == columns.series)
        .where(columns.series == series_row, columns.instance_count == series.c.instance_count)
    ).one_or_none()
    return None if found is None else SeriesMetadata(*found)


def make(conn: sa.Connection, series_row: int) -> SeriesMetadata:
    """Return the series' metadata, made from its instances in the order of their numbers."""
    query = (
        sa.select(instance.c.metadata_json)
        .where(instance.c.series == series_row)
        .order_by(instance.c.instance_number, instance.c.id)
    )
    read = zstandard.ZstdDecompressor().decompress
    parts = [read(row.metadata_json) for row in conn.execute(query)]
    corrected = sa.select(study.c.correction, series.c.revision).join(
        study, study.c.id == series.c.study
    )
    told = conn.execute(corrected.where(series.c.id == series_row)).one_or_none()
    if told is not None and told.correction:
        correction = msgspec.convert(told.correction, Correction)
        parts = [as_corrected(part, correction) for part in parts]
    whole = b"[" + b",".join(parts) + b"]"
    # No time in the header: the same metadata is the same bytes.
    packed = gzip.compress(whole, _LEVEL, mtime=0)
    etag = hashlib.sha256(whole).hexdigest()[:32]
    return SeriesMetadata(packed, etag, len(parts), told.revision if told else 0)


def keep(conn: sa.Connection, series_row: int, made: SeriesMetadata) -> None:
    """Keep *made* for the next who asks, unless the series is gone or was changed meanwhile."""
    if conn.scalar(sa.select(series.c.revision).where(series.c.id == series_row)) != made.revision:
        return
    values = {"gzip": made.gzip, "etag": made.etag, "instance_count": made.instance_count}
    columns = series_metadata.c
    again = conn.execute(
        sa.update(series_metadata).where(columns.series == series_row).values(values)
    )
    if not again.rowcount:
        conn.execute(sa.insert(series_metadata).values(series=series_row, **values))


def changed(conn: sa.Connection, series_rows: Sequence[int]) -> None:
    """Take down that what these series' metadata say has changed, in *conn*'s transaction."""
    rows = list(series_rows)
    conn.execute(sa.delete(series_metadata).where(series_metadata.c.series.in_(rows)))
    conn.execute(
        sa.update(series).where(series.c.id.in_(rows)).values(revision=series.c.revision + 1)
    )


class MetadataKeeper:
    """Makes the metadata of series that have grown and are quiet now."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._grown: dict[int, float] = {}

    def grown(self, series_rows: Iterable[int]) -> None:
        """Take down that these series have new instances."""
        now_s = self._clock.monotonic_s()
        for row in series_rows:
            self._grown[row] = now_s

    async def make_quiet(self) -> int:
        """Make the metadata of a few series that are quiet; returns how many are still to do.

        What cannot be made now is left to the first request.
        """
        before_s = self._clock.monotonic_s() - QUIET_S
        quiet = [row for row, grown_s in self._grown.items() if grown_s <= before_s]
        for row in quiet[:_MADE_AT_ONCE]:
            del self._grown[row]
            try:
                made = await self._database.read(partial(make, series_row=row))
                await self._database.write(partial(keep, series_row=row, made=made))
            except Exception as exc:  # noqa: BLE001  # the filing goes on without it
                _LOG.warning("metadata.later", extra={"reason": cause(exc)})
        return len(self._grown)
