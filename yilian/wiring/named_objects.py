"""The archive's objects as the county names them to a node: as they are handed out."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from gateway.exchange.report_classes import REPORT_CLASSES
from gateway.exchange.return_letters import NamedObject, StudyReports
from imaging.archive.corrected_object import handed_out_content
from imaging.archive.locate import find_study
from imaging.archive.model import InstanceLocation
from imaging.archive.objects import ObjectStore
from imaging.archive.tables import study as studies
from imaging.dicomweb.locate import Shelf, instances, report_objects
from kernel.arrival import ContentDigest
from kernel.errors import PlatformError
from kernel.policy import Reach


@dataclass(frozen=True, slots=True)
class NamedArchive:
    """Knows what of the archive a node gets, byte by byte."""

    objects: ObjectStore

    def of_study(
        self, conn: sa.Connection, study: str, institution: str, /
    ) -> Sequence[NamedObject]:
        """Return the objects of a study (``gateway.exchange.return_letters.StudyObjects``)."""
        ref = find_study(conn, study, Reach(institution))
        if ref is None:
            return []
        shelf = Shelf(ref.id, None, ref.subject, ref.patient_id)
        return [self._named(each) for each in instances(conn, shelf)]

    def reports(self, conn: sa.Connection, study: str, /) -> StudyReports | None:
        """Return the reports others filed of it (``gateway.exchange.return_letters.ReportsOf``)."""
        found = report_objects(conn, study, REPORT_CLASSES)
        if found is None:
            return None
        institution, reports = found
        named = [self._named(each) for each in reports if each.institution != institution]
        return StudyReports(institution, named)

    def _named(self, each: InstanceLocation) -> NamedObject:
        size, dataset = each.size_bytes, each.dataset_digest
        with contextlib.suppress(PlatformError):
            # What cannot be read is named as it was filed; whoever fetches it is told why not.
            size, dataset = handed_out_content(self.objects, each)
        return NamedObject(
            series_instance_uid=each.series_instance_uid,
            sop_instance_uid=each.sop_instance_uid,
            sop_class_uid=each.sop_class_uid,
            transfer_syntax_uid=each.transfer_syntax_uid,
            size_bytes=size,
            digest=ContentDigest(dataset=dataset, pixels=each.pixels_digest),
            native=each.native,
        )


def put_right(conn: sa.Connection, asked: Sequence[str], /) -> Sequence[str]:
    """Return those of *asked* a correction stands on (``gateway.exchange.reports_down``)."""
    columns = studies.c
    query = sa.select(columns.study_instance_uid, columns.correction).where(
        columns.study_instance_uid.in_(list(asked))
    )
    return [row.study_instance_uid for row in conn.execute(query) if row.correction]
