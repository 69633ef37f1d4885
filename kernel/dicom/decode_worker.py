"""The process that decodes what others sent; ``kernel.dicom.decode_pool`` starts it, nobody else.

It holds nothing worth taking: no open file, no secret in its environment, one frame at a time. It
ends when its parent does, because the pipe it reads from then hangs up.
"""

import os
import resource
import select
import signal
import struct
import sys
import threading
from typing import Final

import msgspec
import numpy as np

from kernel.dicom.codecs import DecodeFailed, decode_frame
from kernel.dicom.frames import FrameLayout

REQUEST: Final = struct.Struct("<LQ")
"""Length of the question (JSON) and of the code stream that follows it."""
REPLY: Final = struct.Struct("<BQ")
"""1 and the length of the cells, or 0 and the length of the reason (a code)."""


class Question(msgspec.Struct, frozen=True):
    """What is to be decoded."""

    transfer_syntax_uid: str
    layout: FrameLayout


def _read(fd: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = os.read(fd, min(size - len(data), 1 << 20))
        if not piece:
            raise SystemExit(0)
        data += piece
    return bytes(data)


def _write(fd: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _end_with_parent(fd: int) -> None:
    waiting = select.poll()
    waiting.register(fd, select.POLLHUP | select.POLLERR)
    waiting.poll()
    os._exit(0)


def _allow_cpu(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + seconds + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def answer(question: Question, stream: bytes) -> tuple[int, bytes | memoryview]:
    """Return 1 and the cells, or 0 and the code of the reason there are none."""
    try:
        cells = decode_frame(stream, question.transfer_syntax_uid, question.layout)
    except DecodeFailed as exc:
        return 0, exc.code.encode()
    return 1, cells.reshape(-1).view(np.uint8).data


def main() -> None:
    """Answer questions on standard input until it ends. Arguments: memory bytes, CPU seconds."""
    memory, cpu_s = int(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    # A library that prints must not be able to speak for us.
    out = os.dup(1)
    os.dup2(2, 1)
    threading.Thread(target=_end_with_parent, args=(0,), daemon=True).start()
    while True:
        asked, length = REQUEST.unpack(_read(0, REQUEST.size))
        question = msgspec.json.decode(_read(0, asked), type=Question)
        _allow_cpu(cpu_s)
        status, payload = answer(question, _read(0, length))
        _write(out, REPLY.pack(status, len(payload)))
        _write(out, payload)


if __name__ == "__main__":
    main()
