"""Foreign peers of retrievals: pynetdicom as asker, and as a destination that can be awkward."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.presentation import build_role

from kernel.arrival import ContentDigest
from kernel.dicom.codecs import FrameDecoder
from kernel.dicom.content import content_digest
from kernel.dicom.dataset import scan
from kernel.dicom.part10 import BytesSource, read_file_meta
from tests.dimse.doors import OUR_TITLE
from tests.dimse.wire_bytes import EXPLICIT_LE, IMPLICIT_LE
from tests.imaging.desk import HereDecoder
from tests.imaging.sample import CT
from tests.query_retrieve.pacs import GETS, MOVES, Pacs

NATIVE = (EXPLICIT_LE, IMPLICIT_LE)
PATIENCE_S = 20


@dataclass
class Received:
    """What a peer was sent."""

    files: list[bytes] = field(default_factory=list)
    syntaxes: list[str] = field(default_factory=list)
    originators: list[tuple[str, int]] = field(default_factory=list)

    @property
    def uids(self) -> list[str]:
        found = []
        for file in self.files:
            source = BytesSource(file)
            found.append(read_file_meta(source).media_storage_sop_instance_uid)
        return found

    def take(self, event: evt.Event) -> None:
        request: Any = event.request
        title = request.MoveOriginatorApplicationEntityTitle
        if title is not None:
            self.originators.append((str(title), int(request.MoveOriginatorMessageID)))
        self.syntaxes.append(str(event.context.transfer_syntax))
        self.files.append(event.encoded_dataset())


@dataclass
class Heard:
    """The responses to one retrieval."""

    statuses: list[int] = field(default_factory=list)
    counts: list[tuple[int | None, int, int, int]] = field(default_factory=list)
    """Remaining, completed, failed, warning."""
    failed: list[str] = field(default_factory=list)
    comment: str = ""
    offending: int | None = None

    @property
    def last(self) -> int:
        return self.statuses[-1]

    def take(self, status: Dataset, identifier: Dataset | None) -> None:
        if "Status" not in status:
            self.statuses.append(-1)
            return
        self.statuses.append(status.Status)
        self.comment = str(status.get("ErrorComment", ""))
        self.offending = status.get("OffendingElement")
        remaining = status.get("NumberOfRemainingSuboperations")
        done = [
            int(status.get(f"NumberOf{word}Suboperations") or 0)
            for word in ("Completed", "Failed", "Warning")
        ]
        self.counts.append((remaining, *done))
        if identifier is not None:
            uids = identifier.get("FailedSOPInstanceUIDList") or []
            self.failed = [uids] if isinstance(uids, str) else list(uids)


def identifier(level: str, **keys: Any) -> Dataset:
    ds = Dataset()
    if level:
        ds.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(ds, keyword, value)
    return ds


@contextlib.contextmanager
def destination(
    pacs: Pacs,
    title: str,
    *,
    contexts: Sequence[tuple[str, Sequence[str]]] = ((CT, NATIVE),),
    institution: str = "qingshan",
    answer: Callable[[Received], int] = lambda _: 0,
    max_pdu: int = 16382,
) -> Iterator[Received]:
    """Listen as *title*, which the archive's table knows; *answer* gives the status of each."""
    received = Received()

    def store(event: evt.Event) -> int:
        received.take(event)
        status = answer(received)
        if status < 0:
            event.assoc.abort()
            return 0
        return status

    ae = AE(ae_title=title)
    ae.maximum_pdu_size = max_pdu
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = PATIENCE_S
    for sop_class, syntaxes in contexts:
        ae.add_supported_context(sop_class, list(syntaxes))
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    assert server is not None
    try:
        pacs.knows(title, server.server_address[1], institution=institution)
        yield received
    finally:
        server.shutdown()


def moved(
    pacs: Pacs,
    to: str,
    ds: Dataset,
    *,
    model: str = "S",
    title: str = "VIEWER",
    extended: bytes = b"",
    after: Callable[[Association, Heard], bool] = lambda _, __: True,
) -> Heard:
    """C-MOVE as pynetdicom does; *after* tells, of what was heard so far, whether to go on."""
    sop_class = MOVES[model]
    ae = _asker(title)
    ae.add_requested_context(sop_class)
    assoc = ae.associate(
        *pacs.address, ae_title=OUR_TITLE.value, ext_neg=_extended(sop_class, extended)
    )
    assert assoc.is_established
    heard = Heard()
    try:
        for status, found in assoc.send_c_move(ds, to, sop_class, msg_id=7):
            heard.take(status, found)
            if not after(assoc, heard):
                break
    finally:
        if assoc.is_established:
            assoc.release()
    return heard


def got(
    pacs: Pacs,
    ds: Dataset,
    *,
    model: str = "S",
    title: str = "VIEWER",
    contexts: Sequence[tuple[str, Sequence[str]]] = ((CT, NATIVE),),
    extended: bytes = b"",
    answer: Callable[[Association, Received], int] = lambda _, __: 0,
    roles: bool = True,
) -> tuple[Heard, Received]:
    """C-GET as pynetdicom does; *answer* gives the status of each object, or acts."""
    sop_class = GETS[model]
    ae = _asker(title)
    ae.add_requested_context(sop_class)
    for storage, syntaxes in contexts:
        ae.add_requested_context(storage, list(syntaxes))
    received, heard = Received(), Heard()

    def store(event: evt.Event) -> int:
        received.take(event)
        return answer(event.assoc, received)

    classes = dict.fromkeys(storage for storage, _ in contexts)
    items = [build_role(one, scp_role=True) for one in classes] if roles else []
    assoc = ae.associate(
        *pacs.address,
        ae_title=OUR_TITLE.value,
        ext_neg=[*items, *_extended(sop_class, extended)],
        evt_handlers=[(evt.EVT_C_STORE, store)],
    )
    assert assoc.is_established
    try:
        for status, found in assoc.send_c_get(ds, sop_class, msg_id=7):
            heard.take(status, found)
    finally:
        if assoc.is_established:
            assoc.release()
    return heard, received


def _asker(title: str) -> AE:
    ae = AE(ae_title=title)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = PATIENCE_S
    return ae


def _extended(sop_class: str, information: bytes) -> list[Any]:
    if not information:
        return []
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = sop_class
    item.service_class_application_information = information
    return [item]


def content(file: bytes, decoder: FrameDecoder | None = None) -> ContentDigest:
    """Return what the Part 10 *file* says, whatever its encoding."""
    source = BytesSource(file)
    meta = read_file_meta(source)
    found = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid)
    return content_digest(found, decoder=decoder or HereDecoder())


class Gate:
    """Holds a peer's answers until it is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.reached = threading.Event()

    def __call__(self, _: object) -> int:
        self.reached.set()
        assert self._open.wait(PATIENCE_S)
        return 0

    def open(self) -> None:
        self._open.set()
