"""The query door against an index that fails, is slow, or is left before its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from gateway.dimse.acceptor import Door
from gateway.dimse.access import PeerTable
from gateway.dimse.attributes import Attributes, write_attributes
from gateway.dimse.command_set import Command, CommandField, Element, uid_bytes, us_bytes
from gateway.dimse.find_scp import IDENTIFIER_MAX_BYTES, FindScp
from gateway.dimse.ports import ArchiveFound, ArchiveQuestion, Peer
from gateway.dimse.query_options import QueryOptions
from gateway.dimse.sop_classes import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from kernel.errors import Busy, Conflict, Invalid, PlatformError, Unavailable
from kernel.identity import ApplicationEntity
from tests.dimse.doors import HERE, OUR_TITLE, MemorySink, open_door, until
from tests.dimse.peers import Answer, Scu, associated
from tests.dimse.wire_bytes import EXPLICIT_LE, p_data, pdv

KEYS: Attributes = {"QueryRetrieveLevel": "STUDY", "PatientName": ""}


class Shelf:
    """An index in memory that does as it is told."""

    def __init__(self, entries: int = 3) -> None:
        self.asked: list[tuple[ArchiveQuestion, Peer]] = []
        self.refuses: PlatformError | None = None
        self.breaks: PlatformError | None = None
        self.begins: asyncio.Event | None = None
        self.hold: asyncio.Event | None = None
        self.all_keys = True
        self.most = 500
        self.closed = 0
        self._entries = entries

    async def find(self, question: ArchiveQuestion, peer: Peer) -> ArchiveFound:
        self.asked.append((question, peer))
        if self.refuses is not None:
            raise self.refuses
        if self.begins is not None:
            await self.begins.wait()
        return ArchiveFound(self._each(), self.all_keys, self.most)

    async def _each(self) -> AsyncIterator[Attributes]:
        try:
            for number in range(self._entries):
                if self.breaks is not None and number:
                    raise self.breaks
                if self.hold is not None and number:
                    await self.hold.wait()
                yield {"PatientName": f"N{number}"}
        finally:
            self.closed += 1


@contextlib.asynccontextmanager
async def archive(
    shelf: Shelf, *, peers: PeerTable | None = None, find_s: float = 5.0
) -> AsyncIterator[Door]:
    scp = FindScp(shelf, find_s=find_s)
    services = {PATIENT_ROOT_FIND: scp, STUDY_ROOT_FIND: scp}
    async with open_door(MemorySink(), peers=peers, services=services) as door:
        yield door


def request(field: CommandField = CommandField.C_FIND_RQ) -> bytes:
    return Command(
        field,
        {
            Element.AFFECTED_SOP_CLASS_UID: uid_bytes(STUDY_ROOT_FIND),
            Element.MESSAGE_ID: us_bytes(3),
            Element.PRIORITY: us_bytes(0),
            Element.COMMAND_DATA_SET_TYPE: us_bytes(1),
        },
    ).encode()


async def ask(scu: Scu, keys: Attributes = KEYS) -> None:
    identifier = write_attributes(keys, EXPLICIT_LE)
    await scu.send(p_data(pdv(1, 3, request())) + p_data(pdv(1, 2, identifier)))


async def heard(scu: Scu) -> list[Answer]:
    """Return the answers to the question asked, the last one with them."""
    answers: list[Answer] = []
    while not answers or answers[-1].status in {0xFF00, 0xFF01}:
        kind, body = await scu.pdu()
        assert kind == 4, (kind, body)
        if body[5] & 1:
            command = Command.decode(body[6:])
            status = command.us(Element.STATUS)
            assert status is not None
            answers.append(Answer(status, command.text(Element.ERROR_COMMENT)))
    return answers


async def answered(shelf: Shelf, *, find_s: float = 5.0) -> list[Answer]:
    async with (
        archive(shelf, find_s=find_s) as door,
        associated(door.addresses[0], STUDY_ROOT_FIND) as scu,
    ):
        await ask(scu)
        return await heard(scu)


async def test_each_match_is_pending_and_the_last_word_is_success() -> None:
    shelf = Shelf()
    assert [one.status for one in await answered(shelf)] == [0xFF00, 0xFF00, 0xFF00, 0x0000]
    question, peer = shelf.asked[0]
    assert not question.patient_root
    assert question.options == QueryOptions()
    assert question.keys == KEYS
    assert peer.institution == HERE
    assert shelf.closed == 1


async def test_a_key_passed_over_is_told_with_every_match() -> None:
    shelf = Shelf()
    shelf.all_keys = False
    assert [one.status for one in await answered(shelf)] == [0xFF01, 0xFF01, 0xFF01, 0x0000]


@pytest.mark.parametrize("most", [1, 2, 3])
async def test_over_the_bound_is_said_and_at_the_bound_is_success(most: int) -> None:
    shelf = Shelf()
    shelf.most = most
    answers = await answered(shelf)
    assert [one.status for one in answers[:-1]] == [0xFF00] * most
    expected = Answer(0x0000, "") if most == 3 else Answer(0xA700, answers[-1].comment)
    assert answers[-1] == expected
    assert most == 3 or answers[-1].comment == f"Over {most} entries match: ask for fewer."
    assert shelf.closed == 1


@pytest.mark.parametrize(
    ("error", "status", "comment"),
    [
        pytest.param(Invalid("A sentence."), 0xA900, "A sentence.", id="cannot-be-asked"),
        pytest.param(
            Unavailable("x"), 0xA700, "The archive is not available; ask again later.", id="away"
        ),
        pytest.param(
            Busy("x"), 0xA700, "The archive takes too long to search: ask for fewer.", id="slow"
        ),
        pytest.param(Conflict("x"), 0xC001, "The archive cannot be read.", id="broken"),
    ],
)
async def test_an_index_that_cannot_answer_is_told_apart(
    error: PlatformError, status: int, comment: str
) -> None:
    shelf = Shelf()
    shelf.refuses = error
    assert await answered(shelf) == [Answer(status, comment)]
    if status != 0xA900:
        breaking = Shelf()
        breaking.breaks = error
        assert await answered(breaking) == [Answer(0xFF00, ""), Answer(status, comment)]
        assert breaking.closed == 1


async def test_an_index_that_says_nothing_is_waited_for_so_long_and_no_longer() -> None:
    shelf = Shelf()
    shelf.hold = asyncio.Event()
    answers = await answered(shelf, find_s=0.05)
    assert [one.status for one in answers] == [0xFF00, 0xA700]
    assert shelf.closed == 1


async def test_an_index_that_does_not_begin_is_away() -> None:
    shelf = Shelf()
    shelf.begins = asyncio.Event()
    answers = await answered(shelf, find_s=0.05)
    assert answers == [Answer(0xA700, "The archive is not available; ask again later.")]


async def test_a_peer_that_leaves_closes_its_search() -> None:
    shelf = Shelf()
    shelf.hold = asyncio.Event()
    async with archive(shelf) as door:
        async with associated(door.addresses[0], STUDY_ROOT_FIND) as scu:
            await ask(scu)
            await scu.pdu()
        shelf.hold.set()
        await until(lambda: shelf.closed == 1)


async def test_an_identifier_over_the_bound_is_refused_and_the_next_is_answered() -> None:
    shelf = Shelf()
    async with (
        archive(shelf) as door,
        associated(door.addresses[0], STUDY_ROOT_FIND) as scu,
    ):
        await scu.send(p_data(pdv(1, 3, request())))
        piece = bytes(64 << 10)
        for _ in range(IDENTIFIER_MAX_BYTES // len(piece)):
            await scu.send(p_data(pdv(1, 0, piece)))
        await scu.send(p_data(pdv(1, 2, piece)))
        assert (await heard(scu))[0].status == 0xA900
        assert shelf.asked == []
        await ask(scu)
        assert (await heard(scu))[-1].status == 0x0000


async def test_another_command_on_its_context_is_refused() -> None:
    shelf = Shelf()
    async with (
        archive(shelf) as door,
        associated(door.addresses[0], STUDY_ROOT_FIND) as scu,
    ):
        identifier = write_attributes(KEYS, EXPLICIT_LE)
        move = p_data(pdv(1, 3, request(CommandField.C_MOVE_RQ)))
        await scu.send(move + p_data(pdv(1, 2, identifier)))
        assert (await heard(scu))[0].status == 0x0211
    assert shelf.asked == []


@pytest.mark.parametrize(("may_query", "results"), [(True, []), (False, [3, 3])])
async def test_only_who_may_query_is_served(may_query: bool, results: list[int]) -> None:
    peers = PeerTable(OUR_TITLE, [ApplicationEntity("VIEWER", HERE.value, may_query=may_query)])

    def associate(address: tuple[str, int]) -> list[int]:
        ae = AE(ae_title="VIEWER")
        ae.acse_timeout = ae.network_timeout = 15
        ae.add_requested_context(PATIENT_ROOT_FIND)
        ae.add_requested_context(STUDY_ROOT_FIND)
        assoc = ae.associate(*address, ae_title=OUR_TITLE.value)
        try:
            return [int(context.result or 0) for context in assoc.rejected_contexts]
        finally:
            if assoc.is_established:
                assoc.release()

    async with archive(Shelf(), peers=peers) as door:
        assert await asyncio.to_thread(associate, door.addresses[0]) == results


async def test_the_models_are_told_apart() -> None:
    shelf = Shelf()

    def find(address: tuple[str, int]) -> None:
        ae = AE(ae_title="VIEWER")
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 15
        ae.add_requested_context(PATIENT_ROOT_FIND)
        assoc = ae.associate(*address, ae_title=OUR_TITLE.value)
        ds = Dataset()
        ds.QueryRetrieveLevel = "PATIENT"
        list(assoc.send_c_find(ds, PATIENT_ROOT_FIND))
        assoc.release()

    async with archive(shelf) as door:
        await asyncio.to_thread(find, door.addresses[0])
    assert shelf.asked[0][0].patient_root
