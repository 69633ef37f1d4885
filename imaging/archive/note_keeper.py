"""A rejection made here goes the way of every object: its note, into the journal, then the filer.

So the note is durable like any image, and can be handed to other systems that hide what it names.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass

import sqlalchemy as sa

from imaging.archive.amendment_tables import rejected_contents, rejections
from imaging.archive.rejected_rows import Kind
from imaging.archive.rejection_note import (
    KEY_OBJECTS,
    Reference,
    RejectionNote,
    Title,
)
from kernel.arrival import Arrival, Door, Sender, encode_arrival
from kernel.dicom.part10 import EXPLICIT_LE, BytesSource, read_file_meta
from kernel.idempotency import Ask
from kernel.journal.writer import JournalWriter


def note_uid(ask: Ask) -> str:
    """Return the UID of the note made for *ask*: the same each time it is asked (PS3.5 B.2)."""
    told = f"{ask.owner}\0{ask.key}".encode()
    return f"2.25.{int.from_bytes(hashlib.sha256(told).digest()[:16])}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnkeptNote:
    """A rejection whose note is not in the archive yet."""

    uid: str
    institution: str
    note: RejectionNote
    patient: dict[str, str]
    made_at: dt.datetime


def unkept_note(conn: sa.Connection, rejection: int) -> UnkeptNote | None:
    """Return what the note of *rejection* must say; None where it is kept already."""
    columns, contents = rejections.c, rejected_contents.c
    made = conn.execute(
        sa.select(
            columns.study_instance_uid,
            columns.institution,
            columns.title,
            columns.reason,
            columns.note,
            columns.made_at,
            columns.shelf,
        ).where(columns.id == rejection)
    ).one()
    rows = conn.execute(
        sa.select(
            contents.kind, contents.series_instance_uid, contents.sop_instance_uid, contents.row
        ).where(contents.rejection == rejection)
    ).all()
    if any(row.kind == Kind.NOTE for row in rows):
        return None
    told = made.shelf["study"]
    return UnkeptNote(
        uid=made.note,
        institution=made.institution,
        note=RejectionNote(
            study_instance_uid=made.study_instance_uid,
            title=Title(made.title),
            description=made.reason,
            references=sorted(
                Reference(row.series_instance_uid, row.sop_instance_uid, row.row["sop_class_uid"])
                for row in rows
                if row.kind == Kind.ANSWERS
            ),
        ),
        patient={
            "PatientName": told["patient_name"],
            "PatientID": told["patient_id"],
            "IssuerOfPatientID": told["issuer_of_patient_id"],
            "PatientBirthDate": told["patient_birth_date"],
            "PatientSex": told["patient_sex"],
            "StudyDate": told["study_date"],
            "StudyTime": told["study_time"],
            "AccessionNumber": told["accession_number"],
            "StudyID": told["study_id"],
            "ReferringPhysicianName": told["referring_physician_name"],
        },
        made_at=made.made_at,
    )


@dataclass(frozen=True, slots=True)
class NoteJournal:
    """Where notes are made durable."""

    writer: JournalWriter

    async def keep(self, unkept: UnkeptNote, username: str) -> None:
        """Return once the note is on disk; the filer hides it beside what it names."""
        from imaging.archive.note_writing import write_note  # noqa: PLC0415  # pydicom is slow

        series_uid = f"{unkept.uid[:60]}.1"
        file = write_note(
            unkept.note,
            unkept.patient,
            uid=unkept.uid,
            series_uid=series_uid,
            at=unkept.made_at,
        )
        arrival = Arrival(
            door=Door.STOW,
            received_at=unkept.made_at,
            sender=Sender(institution=unkept.institution, username=username),
            transfer_syntax_uid=EXPLICIT_LE,
            sop_class_uid=KEY_OBJECTS,
            sop_instance_uid=unkept.uid,
            study_instance_uid=unkept.note.study_instance_uid,
            series_instance_uid=series_uid,
            dataset_offset=read_file_meta(BytesSource(file)).dataset_offset,
            size_bytes=len(file),
        )
        draft = self.writer.begin()
        await draft.write(file)
        await self.writer.commit([(draft, encode_arrival(arrival))])
