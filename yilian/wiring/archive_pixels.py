"""Objects of the archive for peers that take data sets: read in threads, transcoded where needed.

Codecs, threads and decoding processes come with the first retrieval: most starts of a door see none
(docs/adr/0023).
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from imaging.archive.objects import ObjectStore
from imaging.query.retrieve import RetrievedInstance
from kernel.errors import Unavailable

if TYPE_CHECKING:
    from imaging.pixels.pool import PixelPool


class ArchivePixels:
    """The objects of one store, in the forms peers take; ``load`` before, ``close`` in the end."""

    def __init__(self, store: ObjectStore) -> None:
        """Read from *store*."""
        self.store = store
        self._held = contextlib.ExitStack()
        self._pool: PixelPool | None = None
        self._loading = asyncio.Lock()

    @property
    def pool(self) -> "PixelPool":
        """The threads; there after ``load``."""
        if self._pool is None:
            raise Unavailable("the codecs are not loaded", code="not-loaded")
        return self._pool

    async def load(self) -> None:
        """Load what reads and transcodes, where that was not done yet."""
        async with self._loading:
            if self._pool is None:
                self._pool = await asyncio.to_thread(self._load)

    def close(self) -> None:
        """End threads and processes; blocks."""
        self._held.close()

    def _load(self) -> "PixelPool":
        from imaging.pixels import forms, pool  # noqa: F401, PLC0415
        from kernel.dicom.decode_pool import DecodePool  # noqa: PLC0415

        decoder = self._held.enter_context(DecodePool())
        return self._held.enter_context(contextlib.closing(pool.PixelPool(decoder)))


class ArchivedObject:
    """One instance of the archive (``gateway.dimse.storing.SendableObject``)."""

    __slots__ = ("_instance", "_pixels")

    def __init__(self, instance: RetrievedInstance, pixels: ArchivePixels) -> None:
        """Give *instance* out of the store of *pixels*, which is loaded."""
        self._instance = instance
        self._pixels = pixels

    @property
    def sop_class_uid(self) -> str:
        """Its SOP class."""
        return self._instance.sop_class_uid

    @property
    def sop_instance_uid(self) -> str:
        """Its SOP instance."""
        return self._instance.sop_instance_uid

    @property
    def forms(self) -> tuple[str, ...]:
        """Transfer syntaxes it can be had in, best first."""
        from imaging.pixels.forms import forms_of  # noqa: PLC0415

        one = self._instance
        native = one.native.transfer_syntax_uid if one.native else ""
        return forms_of(one.transfer_syntax_uid, native, has_pixels=one.has_pixels)

    async def pieces(self, transfer_syntax_uid: str) -> AsyncGenerator[bytes, None]:
        """Yield its data set in one of ``forms``.

        Raises:
            PlatformError: it cannot be read, or not be made so.
        """
        from imaging.pixels.forms import made_pieces, stored_pieces  # noqa: PLC0415
        from imaging.pixels.syntaxes import satisfies  # noqa: PLC0415

        one, pool, store = self._instance, self._pixels.pool, self._pixels.store
        correction = one.study.correction
        if satisfies(one.transfer_syntax_uid, transfer_syntax_uid):
            stored = stored_pieces(store, one.object_key, one.dataset_offset, correction)
            taken = pool.read_pieces(stored)
        else:
            made = made_pieces(
                store,
                one.object_key,
                transfer_syntax_uid,
                one.native,
                correction=correction,
                decoder=pool.decoder,
            )
            taken = pool.worked_pieces(made)
        try:
            async with contextlib.aclosing(taken):
                async for piece in taken:
                    yield piece
        except OSError as error:
            raise Unavailable("cannot read an object", code="object-store-failed") from error
