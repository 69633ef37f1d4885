"""What an object must be before STOW-RS says that it is kept: walked within bounds, and named."""

import dataclasses
from dataclasses import dataclass
from typing import Final

from kernel.dicom.dataset import DEFAULT, BrokenDataset, Limits, Scan, read_file_meta, scan
from kernel.dicom.part10 import Source
from kernel.errors import Invalid, PlatformError
from kernel.identifiers import InvalidIdentifier, Uid

ON_THE_LOOP: Final = dataclasses.replace(
    DEFAULT,
    elements=4000,
    elements_per_frame=0,
    header_bytes=256 << 10,
    inflated_min_bytes=1 << 20,
    inflated_ratio=1,
)
"""A walk within these takes a few milliseconds at most; beyond them it goes to a thread."""
BEYOND_THE_LOOP: Final = frozenset({"too-many-elements", "too-large-header", "deflate-bomb"})

_MEDIA_DIRECTORY: Final = "1.2.840.10008.1.3.10"
_SOP_CLASS_UID: Final = 0x00080016
_SOP_INSTANCE_UID: Final = 0x00080018
_STUDY_INSTANCE_UID: Final = 0x0020000D
_SERIES_INSTANCE_UID: Final = 0x0020000E


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A walked object, and what it says it is."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    dataset_offset: int
    note: str
    """Code of an oddity that is kept, or empty."""


class ObjectRefused(PlatformError):
    """The part is not kept; ``cause`` says why, the UIDs are as far as they are known."""

    def __init__(
        self, cause: PlatformError, *, sop_class_uid: str = "", sop_instance_uid: str = ""
    ) -> None:
        super().__init__(cause.detail, code=cause.code)
        self.category = cause.category
        self.cause = cause
        self.sop_class_uid = sop_class_uid
        self.sop_instance_uid = sop_instance_uid


def check(source: Source, *, study: Uid | None, limits: Limits = DEFAULT) -> Named:
    """Return the object in *source*, a whole Part 10 file, once it may be kept.

    Args:
        source: the bytes of the part.
        study: the study it must belong to, None for any.
        limits: how much structure is walked.

    Raises:
        ObjectRefused: it is broken, no instance, or of another study (``other-study``).
    """
    try:
        meta = read_file_meta(source)
        if meta.media_storage_sop_class_uid == _MEDIA_DIRECTORY:
            raise Invalid("a media directory is no instance", code="not-an-instance")
        walked = scan(
            source,
            offset=meta.dataset_offset,
            transfer_syntax_uid=meta.transfer_syntax_uid,
            limits=limits,
        )
    except PlatformError as exc:
        raise ObjectRefused(exc) from exc
    named = Named(
        sop_class_uid=walked.text(_SOP_CLASS_UID),
        sop_instance_uid=walked.text(_SOP_INSTANCE_UID),
        study_instance_uid=walked.text(_STUDY_INSTANCE_UID),
        series_instance_uid=walked.text(_SERIES_INSTANCE_UID),
        transfer_syntax_uid=meta.transfer_syntax_uid,
        dataset_offset=meta.dataset_offset,
        note=next(iter((*meta.oddities, *walked.oddities)), ""),
    )
    _check_uids(walked, named, study)
    return named


def _check_uids(walked: Scan, named: Named, study: Uid | None) -> None:
    known: dict[str, str] = {}
    try:
        known["sop_class_uid"] = _uid(named.sop_class_uid)
        known["sop_instance_uid"] = _uid(named.sop_instance_uid)
        # One of neither is kept in a study of its own (``kernel.dicom.place``).
        for uid in filter(None, (named.study_instance_uid, named.series_instance_uid)):
            _uid(uid)
        if study is not None and named.study_instance_uid != study.value:
            raise Invalid("the object is of another study", code="other-study")
    except PlatformError as exc:
        raise ObjectRefused(exc, **known) from exc


def _uid(text: str) -> str:
    if not text:
        raise BrokenDataset("no-sop-uid", "SOP class or SOP instance UID is missing")
    try:
        return Uid.parse(text).value
    except InvalidIdentifier as exc:
        raise BrokenDataset("bad-uid", exc.detail) from exc
