"""Ask a device of the table whether it answers, and say in one word what became of it.

A real association over the network: connection, A-ASSOCIATE, C-ECHO, release (PS3.4 A). What went
wrong is told apart as far as the person at the page can do something else about it.
"""

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from gateway.dimse.associate import ProposedContext
from gateway.dimse.outgoing import Peer, PeerUnavailable
from gateway.dimse.outgoing_association import (
    AssociationRejected,
    AssociationUnanswered,
    CallTimes,
    OutgoingAssociation,
)
from gateway.dimse.requesting import Rejection
from gateway.dimse.sop_classes import VERIFICATION
from gateway.dimse.storing import LineLost
from kernel.errors import Busy, Missing, PlatformError
from kernel.identifiers import AETitle
from kernel.identity import ApplicationEntity, find_ae
from kernel.sql.db import Database

TIMES: Final = CallTimes(connect_s=5, associate_s=5, write_s=5, response_s=5, release_s=2)
"""Somebody waits at the page: at most some twenty seconds in all."""
_AT_ONCE: Final = 4
_IMPLICIT_LE: Final = "1.2.840.10008.1.2"
_EXPLICIT_LE: Final = "1.2.840.10008.1.2.1"
_CONTEXT: Final = ProposedContext(1, VERIFICATION, (_IMPLICIT_LE, _EXPLICIT_LE))
# PS3.8 Table 9-21: the rejecting user's reasons, and the presentation layer as the source.
_USER: Final = 1
_PRESENTATION: Final = 3
_CALLING_UNKNOWN: Final = 3
_CALLED_UNKNOWN: Final = 7


class EchoAnswer(StrEnum):
    """What became of the question."""

    REACHED = "reached"
    NO_ADDRESS = "no-address"
    """The table has no host of its own or no port for it."""
    NO_TLS_HERE = "no-tls-here"
    """It wants TLS, and this node has no certificate."""
    NAME_UNKNOWN = "name-unknown"
    """Nobody knows the host name."""
    NOBODY_LISTENS = "nobody-listens"
    """The machine is there and refuses the port."""
    NO_WAY = "no-way"
    """No connection within its time, or no way there."""
    TLS_FAULT = "tls-fault"
    NOT_DICOM = "not-dicom"
    """Something took the connection and answered what is no DICOM, or closed it."""
    SILENT = "silent"
    """It took the connection and never answered."""
    CALLING_TITLE_REFUSED = "calling-title-refused"
    """It does not know our title."""
    CALLED_TITLE_REFUSED = "called-title-refused"
    """It goes by another title than the table says."""
    BUSY = "busy"
    REFUSED = "refused"
    """The association was rejected for no reason it gives."""
    NO_ECHO = "no-echo"
    """There was an association, and no good answer to the echo on it."""


@dataclass(frozen=True, slots=True)
class Echoed:
    """The answer, how long it took, and one English line for the help desk."""

    answer: EchoAnswer
    took_ms: int
    detail: str = ""


async def echo(peer: Peer, times: CallTimes = TIMES) -> tuple[EchoAnswer, str]:
    """Return what *peer* answered, and one line about it; never raises for what the peer does."""
    try:
        line = await OutgoingAssociation.open(peer, [_CONTEXT], times)
    except PeerUnavailable as error:
        return _judged(error.__cause__, tls=peer.tls is not None), error.detail
    context = next(iter(line.contexts.values()), None)
    if context is None:
        await line.release()
        return EchoAnswer.NO_ECHO, "the verification service was not accepted"
    try:
        status = await line.echo(context)
    except LineLost as error:
        return EchoAnswer.NO_ECHO, error.detail
    await line.release()
    if status != 0:
        return EchoAnswer.NO_ECHO, f"status {'none' if status is None else f'{status:#06x}'}"
    return EchoAnswer.REACHED, ""


class DeviceEcho:
    """Asks devices of the table of peers, and no other address; few at once."""

    def __init__(
        self,
        database: Database,
        our_title: AETitle,
        *,
        tls: Callable[[], ssl.SSLContext] | None = None,
        times: CallTimes = TIMES,
    ) -> None:
        """Ask as *our_title*.

        Args:
            database: with the table of peers, read anew each time.
            our_title: what peers know this node by.
            tls: makes the context for peers that ask for TLS; None where there is none.
            times: how long each step may take.
        """
        self._database = database
        self._our_title = our_title
        self._tls = tls
        self._times = times
        self._now = 0

    @property
    def our_title(self) -> str:
        """What this node calls itself."""
        return self._our_title.value

    async def ask(self, ae_title: str) -> Echoed:
        """Return what the device called *ae_title* answered.

        Raises:
            Missing: the table has none of that title.
            Busy: others are being asked (``echo-busy``).
        """
        found = await self._database.read(partial(find_ae, ae_title=ae_title))
        if found is None:
            raise Missing
        if self._now >= _AT_ONCE:
            raise Busy("other devices are being asked", code="echo-busy")
        self._now += 1
        began = time.monotonic()
        try:
            answer, detail = await self._ask(found)
        finally:
            self._now -= 1
        return Echoed(answer, round((time.monotonic() - began) * 1000), detail)

    async def _ask(self, found: ApplicationEntity) -> tuple[EchoAnswer, str]:
        if not found.port or not found.host or "/" in found.host:
            return EchoAnswer.NO_ADDRESS, ""
        tls = None
        if found.tls_required:
            if self._tls is None:
                return EchoAnswer.NO_TLS_HERE, ""
            try:
                tls = self._tls()
            except (OSError, ValueError, PlatformError) as error:
                return EchoAnswer.NO_TLS_HERE, type(error).__name__
        title = AETitle.parse(found.ae_title)
        return await echo(
            Peer(found.host, found.port, title, self._our_title, tls=tls), self._times
        )


# The first that fits: each of these is an OSError, as a timeout is.
_BELOW: Final[Sequence[tuple[type[OSError], EchoAnswer]]] = (
    (ssl.SSLError, EchoAnswer.TLS_FAULT),
    (socket.gaierror, EchoAnswer.NAME_UNKNOWN),
    (ConnectionRefusedError, EchoAnswer.NOBODY_LISTENS),
    (OSError, EchoAnswer.NO_WAY),
)


def _judged(cause: BaseException | None, *, tls: bool) -> EchoAnswer:
    if isinstance(cause, AssociationRejected):
        return _rejected(cause.rejection)
    if isinstance(cause, AssociationUnanswered):
        return EchoAnswer.SILENT
    if tls and isinstance(cause, ConnectionResetError | ConnectionAbortedError):
        # A door without TLS hangs up in the middle of the greeting.
        return EchoAnswer.TLS_FAULT
    fits = (answer for kind, answer in _BELOW if isinstance(cause, kind))
    return next(fits, EchoAnswer.NOT_DICOM)


def _rejected(rejection: Rejection) -> EchoAnswer:
    if rejection.source == _PRESENTATION:
        return EchoAnswer.BUSY
    if rejection.source == _USER and rejection.reason == _CALLING_UNKNOWN:
        return EchoAnswer.CALLING_TITLE_REFUSED
    if rejection.source == _USER and rejection.reason == _CALLED_UNKNOWN:
        return EchoAnswer.CALLED_TITLE_REFUSED
    return EchoAnswer.REFUSED
