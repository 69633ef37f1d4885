"""The parts of retrieval by themselves: counts, PDUs in pieces, contexts, the request for them."""

from collections.abc import AsyncGenerator

import pytest
from hypothesis import given, strategies as st
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, MaximumLengthNotification

from gateway.dimse.associate import ProposedContext
from gateway.dimse.attributes import read_message
from gateway.dimse.command_set import Element
from gateway.dimse.negotiate import EXPLICIT_LE, IMPLICIT_LE
from gateway.dimse.outgoing import MAX_CONTEXTS
from gateway.dimse.pdu_stream import DataSetPdus, ProtocolFault, data_pdus
from gateway.dimse.requesting import parse_accept, request_pdu
from gateway.dimse.retrieving import Tally
from gateway.dimse.store_client import plans
from gateway.dimse.storing import Outcome
from imaging.pixels.forms import forms_of
from kernel.dicom.status import Status
from tests.dimse.wire_bytes import CT, context

HTJ2K_RPCL = "1.2.840.10008.1.2.4.202"
JPEG_LS = "1.2.840.10008.1.2.4.80"
BASELINE = "1.2.840.10008.1.2.4.50"
MPEG = "1.2.840.10008.1.2.4.102"


class Thing:
    """Something to send, of which only the class and the forms matter."""

    def __init__(self, sop_class_uid: str, *forms: str) -> None:
        self.sop_class_uid, self.forms = sop_class_uid, forms
        self.sop_instance_uid = "1.2.3"

    async def pieces(self, transfer_syntax_uid: str) -> AsyncGenerator[bytes, None]:
        yield transfer_syntax_uid.encode()


@pytest.mark.parametrize(
    ("outcomes", "cancelled", "status"),
    [
        pytest.param([0, 0, 0], False, Status.SUCCESS, id="all"),
        pytest.param([0, 0xB000, 0], False, Status.SUBOPERATIONS_WITH_FAILURES, id="a-warning"),
        pytest.param([0, 0xA700, 0], False, Status.SUBOPERATIONS_WITH_FAILURES, id="a-failure"),
        pytest.param([0xB007, None, 0xC000], False, Status.SUBOPERATIONS_WITH_FAILURES, id="mixed"),
        pytest.param([None, 0xA700, 0x0122], False, Status.CANNOT_PERFORM_SUBOPERATIONS, id="none"),
        pytest.param([0, None], True, Status.CANCELLED, id="cancelled"),
        pytest.param([0, 0, 0], True, Status.SUCCESS, id="cancelled-too-late"),
    ],
)
def test_the_last_status_says_how_many_came_through(
    outcomes: list[int | None], cancelled: bool, status: Status
) -> None:
    tally = Tally(3)
    for number, outcome in enumerate(outcomes):
        tally.count(f"1.2.{number}", Outcome(outcome, "why" if outcome else ""))
    last = tally.final(EXPLICIT_LE, cancelled=cancelled)
    assert last.status == status
    has_remaining = Element.NUMBER_OF_REMAINING_SUBOPERATIONS in last.more
    assert has_remaining is (status is Status.CANCELLED)
    failed = [f"1.2.{n}" for n, one in enumerate(outcomes) if one not in {0, 0xB000, 0xB007}]
    if not failed:
        assert last.data_set is None
        return
    assert last.data_set is not None
    told = read_message(last.data_set, EXPLICIT_LE).attributes
    assert told == {"FailedSOPInstanceUIDList": "\\".join(failed)}


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE])
def test_a_list_of_failures_is_as_long_as_an_element_may_be(syntax: str) -> None:
    tally = Tally(20_000)
    for number in range(20_000):
        tally.count(f"1.2.826.0.1.3680043.10.1462.{number}", Outcome(None, "no line"))
    last = tally.final(syntax)
    assert last.data_set is not None
    assert 65_000 < len(last.data_set) <= 65_550
    assert last.more[Element.NUMBER_OF_FAILED_SUBOPERATIONS] == (20_000).to_bytes(2, "little")


@given(
    st.lists(st.binary(max_size=300), max_size=8),
    st.sampled_from([8, 9, 16, 128, 16_384]),
)
def test_pieces_make_the_pdus_the_whole_would_make(pieces: list[bytes], most: int) -> None:
    cut = DataSetPdus(context_id=5, peer_max_pdu_bytes=most)
    said = b"".join([*(cut.more(piece) for piece in pieces), cut.end()])
    whole = b"".join(pieces)
    assert said == data_pdus(whole, context_id=5, is_command=False, peer_max_pdu_bytes=most)


def test_each_form_of_a_class_has_a_context_best_first() -> None:
    dense = Thing(CT, HTJ2K_RPCL, EXPLICIT_LE, IMPLICIT_LE)
    native = Thing(CT, EXPLICIT_LE, IMPLICIT_LE, JPEG_LS)
    (plan,) = plans([dense, native, dense])
    assert [one.transfer_syntaxes for one in plan.contexts][:2] in (
        [(HTJ2K_RPCL,), (EXPLICIT_LE,)],
        [(EXPLICIT_LE,), (HTJ2K_RPCL,)],
    )
    assert len(plan.contexts) == 4
    assert [one.id for one in plan.contexts] == [1, 3, 5, 7]
    assert len(plan.objects) == 3


def test_more_contexts_than_an_association_has_make_another() -> None:
    things = [Thing(f"1.2.840.10008.5.1.4.1.1.{n % 50}", *map(str, range(9))) for n in range(200)]
    made = plans(things)
    assert len(made) == 4
    assert sum(len(plan.objects) for plan in made) == 200
    for plan in made:
        assert len(plan.contexts) <= MAX_CONTEXTS
        assert max(one.id for one in plan.contexts) <= 255
        classes = {one.sop_class_uid for one in plan.objects}
        assert classes == {one.abstract_syntax for one in plan.contexts}


@pytest.mark.parametrize(
    ("stored", "native", "pixels", "forms"),
    [
        pytest.param(HTJ2K_RPCL, IMPLICIT_LE, True, 9, id="compressed-here"),
        pytest.param(EXPLICIT_LE, "", True, 7, id="native"),
        pytest.param(EXPLICIT_LE, "", False, 2, id="report"),
        pytest.param(BASELINE, "", True, 8, id="lossy"),
        pytest.param(MPEG, "", True, 1, id="video"),
        pytest.param("1.2.3.4", "", True, 1, id="private"),
    ],
)
def test_an_object_can_be_had_in_so_many_forms(
    stored: str, native: str, pixels: bool, forms: int
) -> None:
    found = forms_of(stored, native, has_pixels=pixels)
    assert found[0] == stored
    assert len(found) == len(set(found)) == forms


def test_the_request_is_read_by_another_implementation() -> None:
    proposed = [ProposedContext(1, CT, (EXPLICIT_LE,)), ProposedContext(3, CT, (IMPLICIT_LE,))]
    raw = request_pdu(
        called="THERE",
        calling="YILIAN",
        contexts=proposed,
        max_pdu_bytes=16_384,
        implementation=("1.2.3", "YILIAN_TEST"),
    )
    read = A_ASSOCIATE_RQ()
    read.decode(raw)
    asked = read.to_primitive()
    assert (asked.called_ae_title.strip(), asked.calling_ae_title.strip()) == ("THERE", "YILIAN")
    found = asked.presentation_context_definition_list
    assert [(one.context_id, str(one.transfer_syntax[0])) for one in found] == [
        (1, EXPLICIT_LE),
        (3, IMPLICIT_LE),
    ]
    assert asked.maximum_length_received == 16_384


def accepted_by_pynetdicom() -> bytes:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "YILIAN", "THERE"
    taken, refused = context(1, CT, [IMPLICIT_LE]), context(3, CT, [EXPLICIT_LE])
    taken.result, refused.result = 0, 4
    length = MaximumLengthNotification()
    length.maximum_length_received = 32_000
    primitive.user_information = [length]
    primitive.presentation_context_definition_results_list = [taken, refused]
    primitive.result = 0
    pdu = A_ASSOCIATE_AC()
    pdu.from_primitive(primitive)
    return bytes(pdu.encode())


def test_the_answer_of_another_implementation_is_read() -> None:
    accepted = parse_accept(accepted_by_pynetdicom()[6:])
    assert (dict(accepted.contexts), accepted.max_pdu_bytes) == ({1: IMPLICIT_LE}, 32_000)


@given(st.data())
def test_a_broken_answer_is_a_fault_or_less_than_was_said(data: st.DataObject) -> None:
    raw = bytearray(accepted_by_pynetdicom()[6:])
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    try:
        parse_accept(bytes(raw[:cut]))
    except ProtocolFault:
        return
