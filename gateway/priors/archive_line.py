"""Asking an archive as SCU, over pynetdicom in the calling thread (PS3.4 C.4.1, C.4.2)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from pydicom.dataset import Dataset
from pynetdicom.association import Association

from gateway.dimse import scu
from gateway.dimse.outgoing import Peer, PeerUnavailable
from gateway.dimse.sop_classes import STUDY_ROOT_FIND, STUDY_ROOT_MOVE
from gateway.priors.model import Asked, OldSeries, OldStudy

_PENDING: Final = frozenset({0xFF00, 0xFF01})
_ANSWERS_MAX: Final = 10_000


def find_studies(peer: Peer, asked: Asked) -> list[OldStudy]:
    """Return the patient's studies at *peer*, at most 10,000.

    Raises:
        PeerUnavailable: it cannot be asked, or does not answer to the end.
    """
    keys = _keys("STUDY")
    keys.PatientID = asked.patient_id
    keys.IssuerOfPatientID = keys.PatientBirthDate = keys.PatientSex = ""
    keys.StudyDate = f"-{asked.study_date}" if asked.study_date else ""
    keys.ModalitiesInStudy = keys.StudyInstanceUID = ""
    return [
        OldStudy(
            study_instance_uid=_text(one, "StudyInstanceUID"),
            patient_id=_text(one, "PatientID"),
            issuer=_text(one, "IssuerOfPatientID"),
            birth_date=_text(one, "PatientBirthDate"),
            sex=_text(one, "PatientSex"),
            study_date=_text(one, "StudyDate"),
            modalities=_texts(one, "ModalitiesInStudy"),
        )
        for one in _found(peer, keys)
    ]


def find_series(peer: Peer, study: str) -> list[OldSeries]:
    """Return the series of *study* at *peer*; raises as ``find_studies``."""
    keys = _keys("SERIES")
    keys.StudyInstanceUID = study
    keys.SeriesInstanceUID = keys.Modality = keys.BodyPartExamined = ""
    keys.NumberOfSeriesRelatedInstances = ""
    made = []
    for one in _found(peer, keys):
        count = _text(one, "NumberOfSeriesRelatedInstances")
        made.append(
            OldSeries(
                series_instance_uid=_text(one, "SeriesInstanceUID"),
                modality=_text(one, "Modality"),
                body_part=_text(one, "BodyPartExamined"),
                instances=int(count) if count.isdecimal() else None,
            )
        )
    return made


def counted(peer: Peer, study: str, series: OldSeries) -> OldSeries:
    """Return *series* with how many images it has, which some archives tell only one by one.

    Raises as ``find_studies``; one of more than 10,000 images counts as 10,000.
    """
    if series.instances is not None:
        return series
    keys = _keys("IMAGE")
    keys.StudyInstanceUID, keys.SeriesInstanceUID = study, series.series_instance_uid
    keys.SOPInstanceUID = ""
    return replace(series, instances=len(_found(peer, keys)))


def move_series(peer: Peer, study: str, series: str) -> None:
    """Have *peer* send the series to us; returns when it says that all of it was taken.

    Raises:
        PeerUnavailable: it cannot be asked, or not all was sent.
    """
    keys = _keys("SERIES")
    keys.StudyInstanceUID, keys.SeriesInstanceUID = study, series
    last = None
    with _associated(peer, STUDY_ROOT_MOVE) as assoc:
        to = peer.calling_ae_title.value
        for status, _ in assoc.send_c_move(keys, to, STUDY_ROOT_MOVE):
            last = getattr(status, "Status", None)
    if last != 0:
        said = "no answer" if last is None else f"{last:04X}"
        raise PeerUnavailable(f"the archive could not send a series: {said}")


def _keys(level: str) -> Any:
    keys = Dataset()
    keys.QueryRetrieveLevel = level
    return keys


def _found(peer: Peer, keys: Dataset) -> list[Dataset]:
    found: list[Dataset] = []
    last = None
    with _associated(peer, STUDY_ROOT_FIND) as assoc:
        for status, entry in assoc.send_c_find(keys, STUDY_ROOT_FIND):
            last = getattr(status, "Status", None)
            if last in _PENDING and entry is not None and len(found) < _ANSWERS_MAX:
                found.append(entry)
    if last != 0:
        said = "no answer" if last is None else f"{last:04X}"
        raise PeerUnavailable(f"the archive could not search: {said}")
    return found


@contextmanager
def _associated(peer: Peer, sop_class: str) -> Iterator[Association]:
    ae = scu.entity(peer)
    ae.add_requested_context(sop_class)
    assoc = scu.associate(ae, peer)
    try:
        yield assoc
    except (ValueError, RuntimeError, OSError) as error:
        raise PeerUnavailable(f"cannot ask: {error}") from error
    finally:
        scu.end(assoc)


def _text(one: Dataset, keyword: str) -> str:
    return str(getattr(one, keyword, "") or "").strip()


def _texts(one: Dataset, keyword: str) -> tuple[str, ...]:
    value = getattr(one, keyword, None)
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(str(each) for each in value)
