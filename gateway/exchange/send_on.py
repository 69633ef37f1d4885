"""Sends what came from the county on to a DICOM node of the house, for as long as it takes.

Objects leave as their device made them: what was compressed for the line is given back in its own
transfer syntax, for few devices know the one of the line.
"""

import asyncio
import logging
import random
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from gateway.dimse.outgoing import Answered, Outgoing, Peer, PeerUnavailable, context_groups
from gateway.exchange import returns, sendings
from gateway.exchange.returns import ReturnedObject
from gateway.exchange.sender import BACKOFF, Hint
from gateway.exchange.sendings import SendJob, SendState
from gateway.township.backoff import Backoff
from gateway.township.ports import ObjectFiles
from gateway.uploads.threads import finish_in_thread
from kernel.clock import Clock
from kernel.dicom.codecs import FrameDecoder
from kernel.dicom.dataset import read_file_meta, scan
from kernel.dicom.restore import restore_native
from kernel.errors import Missing, PlatformError
from kernel.identifiers import AETitle
from kernel.identity import ae_table
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_LOOK_S: Final = 5.0
_PIECE_BYTES: Final = 1 << 20
_AT_ONCE: Final = 20
"""Objects made ready at a time; that many files lie beside the store for a moment."""


@dataclass(frozen=True, slots=True)
class SendOnSettings:
    """As whom to send, and how."""

    ae_title: AETitle
    scratch: Path
    backoff: Backoff = BACKOFF
    chance: Callable[[], float] = random.random


class SendOn:
    """The one sender of a node to its own house."""

    def __init__(
        self,
        database: Database,
        objects: ObjectFiles,
        decoder: FrameDecoder,
        *,
        clock: Clock,
        settings: SendOnSettings,
    ) -> None:
        self._database = database
        self._objects = objects
        self._decoder = decoder
        self._clock = clock
        self._settings = settings

    async def run(self, hint: Hint) -> None:
        """Send until cancelled; a peer that does not answer is tried again without end."""
        failures = 0
        while True:
            jobs = await self._database.read(sendings.waiting_sends)
            later = 0
            for job in jobs:
                try:
                    await self.send_job(job)
                except Missing:
                    _LOG.warning("send-on.object-missing")
                    await self._note(job, SendState.FAILED, 0, "object-missing")
                except (PlatformError, OSError) as exc:
                    later += 1
                    code = exc.code if isinstance(exc, PlatformError) else "disk"
                    _LOG.info("send-on.later", extra={"code": code})
                    await self._note(job, SendState.WAITING, 0, code)
            failures = failures + 1 if later else 0
            if failures:
                chance = self._settings.chance()
                await asyncio.sleep(self._settings.backoff.delay_s(failures, chance))
            else:
                await hint.wait(_LOOK_S)

    async def send_job(self, job: SendJob) -> None:
        """Send one study.

        Raises:
            PeerUnavailable: later.
            Missing: an object's file is gone, and will not come back by waiting.
            OSError: the disk has no room, or fails.
        """
        peer = await self._peer(job.ae_title)
        found = await self._database.read(partial(returns.objects_of, study=job.study_instance_uid))
        here = [one for one in found if one.state is returns.ObjectState.HERE]
        answers: list[Answered] = []
        for begin in range(0, len(here), _AT_ONCE):
            part = here[begin : begin + _AT_ONCE]
            await finish_in_thread(partial(self._send, peer, part, answers.append))
        unsure = [each for each in answers if each.worth_retrying and not each.accepted]
        if unsure:
            raise PeerUnavailable("the peer has no room or lost the line")
        refused = [each for each in answers if not each.accepted]
        sent = len(answers) - len(refused)
        state = SendState.FAILED if refused else SendState.DONE
        code = f"status-{refused[0].status:04x}" if refused else ""
        await self._note(job, state, sent, code)

    async def _note(self, job: SendJob, state: SendState, sent: int, code: str) -> None:
        at = self._clock.now()
        await self._database.write(
            partial(sendings.note_send, job=job, state=state, sent=sent, code=code, at=at)
        )

    async def _peer(self, title: str) -> Peer:
        for known in await self._database.read(ae_table):
            if known.ae_title == title and known.port:
                return Peer(
                    known.host or "127.0.0.1",
                    known.port,
                    AETitle(title),
                    self._settings.ae_title,
                )
        raise PeerUnavailable("the table of peers has no host and port for it", code="no-ae")

    def _send(
        self, peer: Peer, part: Sequence[ReturnedObject], answered: Callable[[Answered], None]
    ) -> None:
        # Most nodes never send on, and this takes as long to load as all the rest of a role.
        from gateway.dimse.scu import send  # noqa: PLC0415

        self._settings.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._settings.scratch) as folder:
            files = [self._ready(one, Path(folder) / str(n)) for n, one in enumerate(part)]
            for group in context_groups(files):
                send(peer, group, answered)

    def _ready(self, one: ReturnedObject, path: Path) -> Outgoing:
        """Write the object as its device made it to *path*."""
        syntax = one.transfer_syntax_uid
        with self._objects.open(one.object_key) as source, path.open("wb") as file:
            chunks: Iterable[bytes]
            if one.native is None:
                chunks = (
                    source.read(at, _PIECE_BYTES) for at in range(0, source.size, _PIECE_BYTES)
                )
            else:
                syntax = one.native.transfer_syntax_uid
                meta = read_file_meta(source)
                walked = scan(
                    source,
                    offset=meta.dataset_offset,
                    transfer_syntax_uid=meta.transfer_syntax_uid,
                )
                chunks = restore_native(source, meta, walked, one.native, decoder=self._decoder)
            for chunk in chunks:
                file.write(chunk)
        return Outgoing(path, one.sop_class_uid, one.sop_instance_uid, syntax)
