"""Every way to a study's data over HTTP begins here: found, allowed, and in the audit trail."""

from functools import partial

from aiohttp import web

from imaging.archive.locate import Elsewhere, StudyRef, absence, find_study, nowhere
from imaging.archive.model import StudyMissing
from kernel.audit.access_log import Access
from kernel.audit.trail import AuditEvent
from kernel.identifiers import InvalidIdentifier, Uid
from kernel.policy import Act, require
from kernel.web import ACCESS_LOG, ADDRESS, DATABASE, PRINCIPAL, SIGN_IN_ID, asked_reach


async def look_at_study(
    request: web.Request,
    study_instance_uid: str,
    act: Act = Act.READ_LIST,
    *,
    elsewhere: Elsewhere = nowhere,
    event: AuditEvent = AuditEvent.STUDY_SEEN,
    field: str = "",
) -> StudyRef:
    """Return the study once the asker may do *act* to it and the look is written down.

    Args:
        request: who looks.
        study_instance_uid: what at.
        act: what they want to do.
        elsewhere: knows what is at another node.
        event: what kind of look.
        field: the one field of it that is shown, where it is no more than that.

    Raises:
        StudyMissing: not there, not in the asker's reach, or no UID; all look alike. As
            ``StudyElsewhere`` where *elsewhere* knows that the asker's own house had it here.
        Forbidden: *act* is not the asker's role.
    """
    principal = request[PRINCIPAL]
    try:
        uid = Uid.parse(study_instance_uid)
    except InvalidIdentifier as exc:
        raise StudyMissing from exc
    found = await request.app[DATABASE].read(
        partial(find_study, study_instance_uid=uid.value, reach=asked_reach(request))
    )
    if found is None:
        raise await request.app[DATABASE].read(
            lambda conn: absence(conn, uid.value, principal.institution, elsewhere=elsewhere)
        )
    decision = require(principal, act, found.subject)
    await request.app[ACCESS_LOG].saw(
        Access(
            principal,
            subject_of(found.study_instance_uid, field),
            found.patient_id,
            decision.reason,
            address=request.get(ADDRESS, ""),
            sign_in=request.get(SIGN_IN_ID, ""),
            event=event,
        )
    )
    return found


def subject_of(study_instance_uid: str, field: str = "") -> str:
    """Return by what the trail names a study, or one masked field of it."""
    return f"study:{study_instance_uid}:{field}" if field else f"study:{study_instance_uid}"


async def look_at_list(request: web.Request, subject: str) -> None:
    """Write down that the asker searched *subject*; lists show whose images there are."""
    await request.app[ACCESS_LOG].saw(
        Access(
            request[PRINCIPAL],
            subject,
            "",
            "",
            address=request.get(ADDRESS, ""),
            sign_in=request.get(SIGN_IN_ID, ""),
            event=AuditEvent.QUERIED,
        )
    )
