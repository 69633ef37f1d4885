"""What the township's rooms need from elsewhere."""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Protocol, Self


class OpenObject(Protocol):
    """One open object file; also a ``kernel.dicom.dataset.Source``."""

    size: int

    def read(self, pos: int, n: int) -> bytes:
        """Return the bytes at [pos, pos + n); fewer only where the object ends before."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class ObjectFiles(Protocol):
    """Where instances lie until the county has them. Every call blocks; run it on a thread."""

    def put_new(self, objects: Sequence[tuple[str, Iterable[bytes | memoryview]]]) -> None:
        """Make objects durable under their keys; a key that is taken keeps what it has.

        Raises:
            StorageFull, Unavailable: any of them may be there, whole, or not at all.
        """
        ...

    def open(self, key: str) -> OpenObject:
        """Return the object for reading; raises ``Missing`` or ``Unavailable``."""
        ...

    def delete(self, key: str) -> bool:
        """Remove the object; returns whether it was there."""
        ...
