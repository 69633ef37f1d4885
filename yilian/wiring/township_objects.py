"""The township's object files: the archive's store, as the spool asks for it."""

from collections.abc import Iterable, Sequence

from imaging.archive.objects import NewObject, ObjectReader, put_new
from imaging.archive.objects_fs import FileObjectStore


class TownshipObjects:
    """Binds the township's ``ObjectFiles`` to the object store."""

    def __init__(self, store: FileObjectStore) -> None:
        self._store = store

    def put_new(self, objects: Sequence[tuple[str, Iterable[bytes | memoryview]]]) -> None:
        """Make objects durable under their keys; a key that is taken keeps what it has."""
        put_new(self._store, [NewObject(key, chunks) for key, chunks in objects])

    def put_anew(self, key: str, chunks: Iterable[bytes | memoryview]) -> None:
        """Make an object durable in the place of what lies under its key, which is not kept."""
        staged = self._store.stage(NewObject(key, chunks))
        try:
            self._store.flush_staged(staged)
            self._store.replace(staged, keep_old=False)
        finally:
            staged.discard()

    def open(self, key: str) -> ObjectReader:
        """Return the object for reading; raises ``Missing`` or ``Unavailable``."""
        return self._store.open(key)

    def delete(self, key: str) -> bool:
        """Remove the object; returns whether it was there."""
        return self._store.delete(key)
