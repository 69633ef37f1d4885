"""Makes pynetdicom's own reader of messages stop where its callers take it to have stopped.

Around each request pynetdicom closes a checkpoint and looks at a flag to see that its reader waits
there. The reader may just have passed the checkpoint with the flag not yet taken down; then it
takes the answer away, and the request waits for its whole time-out: on a busy machine one in a few
thousand. A foreign client of ours that loses an answer would be told as our loss.

And it leaves a socket open whose other side was the first to close it, which some later test would
be blamed for.
"""

import contextlib
import socket
import threading
from typing import Any, Final

from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

_LOOK_S: Final = 0.01


class Checkpoint(threading.Event):
    """An event whose ``clear`` comes back only when the reader of *assoc* is held by it."""

    def __init__(self, assoc: Association) -> None:
        super().__init__()
        self._assoc = assoc
        self._change = threading.Condition()
        self._held = False

    def wait(self, timeout: float | None = None) -> bool:
        """Hold the reader; it is no longer held before it is let through."""
        with self._change:
            self._held = True
            self._change.notify_all()
        while True:
            super().wait(timeout)
            with self._change:
                if self.is_set() or timeout is not None:
                    self._held = False
                    return self.is_set()

    def clear(self) -> None:
        """Close the checkpoint, and wait for the reader to come to it if it still reads."""
        with self._change:
            super().clear()
            while not self._held and self._reads():
                self._change.wait(_LOOK_S)

    def _reads(self) -> bool:
        reader = self._assoc
        return reader.is_alive() and not reader._kill and threading.current_thread() is not reader


def _shutdown_socket(held: AssociationSocket) -> None:
    """Close the socket also where the other side has closed it."""
    if held.socket is not None:
        with contextlib.suppress(OSError):
            held.socket.shutdown(socket.SHUT_RDWR)
        held.socket.close()


def mend() -> None:
    """Give every association made from now on such a checkpoint, and an end to its socket."""
    AssociationSocket._shutdown_socket = _shutdown_socket  # type: ignore[assignment]
    begin = Association.__init__

    def begin_held(self: Association, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        self._reactor_checkpoint = Checkpoint(self)
        self._reactor_checkpoint.set()

    Association.__init__ = begin_held  # type: ignore[method-assign]  # the library has no other way in
