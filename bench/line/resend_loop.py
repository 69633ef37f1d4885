"""What a clinic does today: storescu in a loop that sends again what was not acknowledged."""

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.running import LOOPBACK

_SENDING: Final = re.compile(rb"^I: Sending file: (.+)$")
_STORED: Final = b"I: Received Store Response (Success)"
_AGAIN_S: Final = 0.5
_SILENT_S: Final = 30
_PDU_BYTES: Final = 131072
_FILES_AT_ONCE: Final = 200


@dataclass
class ResendLoop:
    """Sends *files* to a DICOM door until each was acknowledged, or it is cancelled."""

    files: Sequence[Path]
    port: int
    called: str
    propose: Sequence[str] = ()
    """Options of storescu for the transfer syntax of the files."""
    acknowledged: set[Path] = field(default_factory=set)
    starts: int = 0

    async def run(self) -> None:
        """Return once everything was acknowledged."""
        while left := [path for path in self.files if path not in self.acknowledged]:
            self.starts += 1
            before = len(self.acknowledged)
            await self._send(left[:_FILES_AT_ONCE])
            if len(self.acknowledged) == before:
                await asyncio.sleep(_AGAIN_S)

    async def _send(self, files: Sequence[Path]) -> None:
        process = await asyncio.create_subprocess_exec(
            *("storescu", "-v", "-R", "-aet", "BENCH", "-aec", self.called),
            *("-pdu", str(_PDU_BYTES), "-to", "10", "-ts", str(_SILENT_S), "-td", str(_SILENT_S)),
            *(*self.propose, LOOPBACK, str(self.port), *map(str, files)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "TCP_NODELAY": "1"},
        )
        try:
            await self._listen(process)
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            raise RuntimeError("storescu has no output")
        current: Path | None = None
        while line := await process.stdout.readline():
            if sending := _SENDING.match(line.rstrip()):
                current = Path(os.fsdecode(sending[1]))
            elif line.startswith(_STORED) and current is not None:
                self.acknowledged.add(current)
