"""The ways to other nodes: those the rules file names, and the peers of the table."""

import asyncio
import base64
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.deliveries.dicom_line import DicomLine
from gateway.deliveries.pace import Pace
from gateway.deliveries.ports import Line
from gateway.dimse.destinations import TableDestinations
from gateway.dimse.outgoing_association import CallTimes
from gateway.routing.engine import RuleSet
from gateway.routing.model import DestinationKind
from gateway.routing.places import Sending
from kernel.clock import Clock
from kernel.errors import Invalid, Unavailable
from kernel.identifiers import AETitle, InvalidIdentifier
from kernel.identity import ApplicationEntity, ae_table
from kernel.sql.db import Database

_OTHERS: Final = 0o077


def is_callable(one: ApplicationEntity) -> bool:
    """Return whether the table says where a peer listens."""
    return bool(one.port and one.host and "/" not in one.host)


def missing_from(rules: RuleSet, table: Collection[ApplicationEntity]) -> str:
    """Return a sentence about the first destination of *rules* nobody could call; or nothing."""
    callable_titles = {one.ae_title for one in table if is_callable(one)}
    known = {one.ae_title for one in table}
    named = {
        one.name: f"destination dicom {one.name!r}"
        for one in rules.sent_to().values()
        if one.kind is DestinationKind.DICOM
    }
    for rule in rules.priors:
        named |= {name: f"archive {name!r} of prior rule {rule.name!r}" for name in rule.archives}
    for name, what in named.items():
        if name not in callable_titles:
            lacks = "has no host and port" if name in known else "is not"
            return (
                f"{what} {lacks} in the table of peers: "
                f"`yilian admin ae add {name} INSTITUTION --host HOST --port PORT`"
                f"{' --change' if name in known else ''}, or take it out of the rules"
            )
    return ""


class KnownDestinations:
    """What objects can be sent to by hand: all the rules name, and every peer of the table."""

    def __init__(self, database: Database, rules: Callable[[], RuleSet]) -> None:
        """Read peers from *database*."""
        self._database = database
        self._rules = rules

    async def __call__(self) -> dict[str, Sending]:
        """Return how each is sent to, by its address."""
        table = await self._database.read(ae_table)
        peers = [Sending(DestinationKind.DICOM, one.ae_title) for one in table if is_callable(one)]
        return {one.address: one for one in peers} | self._rules().sent_to()


@dataclass(frozen=True, slots=True)
class LineParts:
    """What ways are made of.

    Attributes:
        home: folder relative files are in.
        our_title: what peers call us.
        calling_tls: makes the context for peers that want TLS; None where there is none.
        times: the patience with peers.
    """

    home: Path
    our_title: str
    calling_tls: Callable[[], ssl.SSLContext] | None = None
    times: CallTimes = field(default_factory=CallTimes)


class CountyLines:
    """Opens ways (``gateway.deliveries.ports.Lines``); rules and table are read anew each time."""

    def __init__(
        self, database: Database, clock: Clock, known: KnownDestinations, parts: LineParts
    ) -> None:
        """Open ways to *known*, peers by the table in *database*."""
        self._clock = clock
        self._known = known
        self._parts = parts
        self._table = TableDestinations(database, tls=parts.calling_tls)
        # No more than the rules and the table name.
        self._paces: dict[tuple[str, int], Pace] = {}

    async def open(self, destination: str) -> Line:
        """Return the way to *destination*."""
        how = (await self._known()).get(destination)
        if how is None:
            raise Unavailable("neither the rules nor the table of peers name it any more")
        pace = self._paces.setdefault(
            (destination, how.bits_per_s), Pace(how.bits_per_s, self._clock)
        )
        if how.kind is DestinationKind.DICOMWEB:
            return await asyncio.to_thread(self._stow_line, how, pace)
        try:
            titles = AETitle.parse(how.name), AETitle.parse(self._parts.our_title)
        except InvalidIdentifier as error:
            raise Unavailable("its name is no AE title") from error
        found = await self._table.find(*titles)
        if found is None:
            raise Unavailable("the table of peers has no host and port for it")
        return DicomLine(found.peer, how, pace, times=self._parts.times)

    def _stow_line(self, how: Sending, pace: Pace) -> Line:
        # The HTTP client is a few megabytes, which counties without such destinations spare.
        from gateway.deliveries.stow_line import Credentials, StowLine  # noqa: PLC0415

        authorization = ""
        if how.token_file:
            authorization = f"Bearer {self._secret(how.token_file)}"
        elif how.user:
            pair = f"{how.user}:{self._secret(how.password_file)}".encode()
            authorization = f"Basic {base64.b64encode(pair).decode()}"
        tls = None
        if how.url.startswith("https:"):
            ca_file = str(self._parts.home / how.ca_file) if how.ca_file else None
            try:
                tls = ssl.create_default_context(cafile=ca_file)
            except OSError as error:
                raise Unavailable(f"ca-file {how.ca_file}: {error.strerror or error}") from error
        return StowLine(how, Credentials(authorization), pace, tls=tls)

    def _secret(self, name: str) -> str:
        path = self._parts.home / name
        try:
            if path.stat().st_mode & _OTHERS:
                raise Invalid(f"{name} is open to others: chmod 600")
            return path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(f"{name} cannot be read") from error
