"""Ask a peer which images it really has: Study Root C-FIND at IMAGE level (PS3.4 C.4.1, C.6.2)."""

from collections.abc import Iterable
from typing import Final

from pydicom.dataset import Dataset
from pynetdicom.association import Association

from gateway.dimse.outgoing import Peer, PeerUnavailable
from gateway.dimse.scu import associate, end, entity
from yilian.sending.greeting import STUDY_ROOT_FIND
from yilian.sending.survey import Found

_PENDING: Final = (0xFF00, 0xFF01)


def held_by(peer: Peer, files: Iterable[Found]) -> set[str]:
    """Return the SOP Instance UIDs *peer* lists in the series of *files*.

    What it does not answer about counts as not there: sending it again does no harm.
    """
    series = {(found.study_instance_uid, found.series_instance_uid) for found in files}
    there: set[str] = set()
    if not series:
        return there
    ae = entity(peer)
    ae.add_requested_context(STUDY_ROOT_FIND)
    try:
        assoc = associate(ae, peer)
    except PeerUnavailable:
        return there
    try:
        for study_uid, series_uid in sorted(series):
            if not assoc.is_established:
                break
            there |= _listed(assoc, study_uid, series_uid)
    finally:
        end(assoc)
    return there


def _listed(assoc: Association, study_uid: str, series_uid: str) -> set[str]:
    if not (study_uid and series_uid):
        return set()
    asked = Dataset()
    asked.QueryRetrieveLevel = "IMAGE"
    asked.StudyInstanceUID = study_uid
    asked.SeriesInstanceUID = series_uid
    asked.SOPInstanceUID = ""
    found: set[str] = set()
    status = None
    for answer, identifier in assoc.send_c_find(asked, STUDY_ROOT_FIND):
        status = getattr(answer, "Status", None)
        if status in _PENDING and identifier is not None:
            found.add(str(identifier.get("SOPInstanceUID", "")))
    # A query that ended in anything but success listed we do not know what.
    return found if status == 0 else set()
