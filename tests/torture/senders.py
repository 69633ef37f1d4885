"""Eight modalities that send at once, and know exactly what they were told is safe."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from tests.dimse.peers import associated
from tests.torture.hops import Image, image_of
from tests.uploads.dicom_files import CT, ct_slice

SENDERS: Final = 8
_SIDE: Final = 64
_STUDY_OF: Final = 40
"""Images; a study that grows for ever is slow to read."""


def image_from(sender: int, number: int) -> bytes:
    """Return an image that only *sender* has, as a Part 10 file."""
    study = 1 + sender + SENDERS * (number // _STUDY_OF)
    return ct_slice(number, study=study, side=_SIDE, noise=30_000)


@dataclass
class _Modality:
    number: int
    made: int = 0
    waiting: list[Image] = field(default_factory=list)
    """Not acknowledged; sent again wherever the door is next."""


class Senders:
    """All of them. An image is acknowledged once its sender has read C-STORE 0000H, not before."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}
        """Content by UID of everything that was acknowledged."""
        self._modalities = [_Modality(number) for number in range(SENDERS)]
        self._enough = asyncio.Event()
        self._left = 0

    @property
    def made(self) -> int:
        """Images that were ever sent, acknowledged or not."""
        return sum(each.made for each in self._modalities)

    def expect(self, count: int) -> asyncio.Event:
        """Return what is set after *count* more acknowledgements, or when nothing more is sent."""
        self._left = count
        self._enough = asyncio.Event()
        return self._enough

    async def send(self, port: int, each: int) -> None:
        """Send what waits, and as much more as makes *each* for every modality, to a door.

        Returns once everything is acknowledged or the door has gone.
        """
        await asyncio.to_thread(self._make, each)
        async with asyncio.TaskGroup() as group:
            for modality in self._modalities:
                group.create_task(self._send(modality, port))
        self._enough.set()

    def _make(self, each: int) -> None:
        for modality in self._modalities:
            while len(modality.waiting) < each:
                modality.waiting.append(image_of(image_from(modality.number, modality.made)))
                modality.made += 1

    async def _send(self, modality: _Modality, port: int) -> None:
        try:
            async with associated(
                ("127.0.0.1", port), CT, calling=f"MODALITY{modality.number}"
            ) as scu:
                while modality.waiting:
                    image = modality.waiting[0]
                    answer = await scu.store(image.dataset, sop_class=CT, instance=image.uid)
                    if answer.status:
                        return
                    self.told[image.uid] = image.content
                    del modality.waiting[0]
                    self._left -= 1
                    if self._left <= 0:
                        self._enough.set()
        except (OSError, TimeoutError, AssertionError):
            # What the end of a door does to an association, and what its peer says of it.
            return
