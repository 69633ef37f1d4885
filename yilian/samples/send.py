"""Send the sample studies through the doors a modality would use, once for each home."""

import datetime as dt
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.dimse.outgoing import Answered, Outgoing, Peer, PeerUnavailable, context_groups
from gateway.dimse.scu import send
from kernel.dicom.part10 import FileSource, read_file_meta
from kernel.identifiers import AETitle
from yilian.samples.studies import STUDIES, files_of

_CALLING: Final = AETitle("DEMO-MODALITY")


def send_samples(ready: Mapping[str, Any], root: Path, now: dt.datetime) -> None:
    """Send every sample study to its institution's DICOM door.

    Done once: afterwards a mark stands in *root*. A start that was interrupted sends them all
    again, dated as the first time, which changes nothing at the receiver. None is of a time that
    is still to come at *now*, which is in legal time.

    Raises:
        PeerUnavailable: a door does not answer or refuses; the next start sends them again.
    """
    done, day = root / ".samples-sent", root / ".samples-day"
    if done.exists():
        return
    if day.exists():
        last = dt.datetime.fromisoformat(day.read_text("ascii"))
    else:
        last = last_taken(now)
        day.write_text(last.isoformat(), "ascii")
    doors = {t["institution"]: t["dicom"] for t in ready["townships"]}
    with tempfile.TemporaryDirectory(prefix="yilian-samples-") as scratch:
        outgoing: dict[str, list[Outgoing]] = {}
        for study in STUDIES:
            for number, file in enumerate(files_of(study, today=last.date(), taken_at=last.time())):
                path = Path(scratch, f"{study.key}-{number}.dcm")
                path.write_bytes(file)
                outgoing.setdefault(study.institution, []).append(_outgoing(path))
        for institution, files in outgoing.items():
            door = doors.get(institution, ready["county"]["dicom"])
            peer = Peer(door["host"], door["port"], AETitle(door["ae_title"]), _CALLING)
            for group in context_groups(files):
                send(peer, group, _must_be_taken)
    done.touch()


def last_taken(now: dt.datetime) -> dt.datetime:
    """Return when the newest samples were taken: in the morning of *now*'s day, never later."""
    morning = now.replace(hour=10, minute=21, second=0, microsecond=0, tzinfo=None)
    return min(morning, now.replace(second=0, microsecond=0, tzinfo=None))


def _outgoing(path: Path) -> Outgoing:
    with FileSource(path) as source:
        meta = read_file_meta(source)
    return Outgoing(
        path,
        meta.media_storage_sop_class_uid,
        meta.media_storage_sop_instance_uid,
        meta.transfer_syntax_uid,
    )


def _must_be_taken(answer: Answered) -> None:
    if not answer.accepted:
        raise PeerUnavailable(f"a sample was refused: {answer.status} {answer.comment}")
