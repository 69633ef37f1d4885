"""The upper layer without a network: it follows the table, and noise never gets past it."""

import pytest
from hypothesis import given, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from gateway.dimse.association import EventNotAllowed, State
from gateway.dimse.command_set import Command, response
from gateway.dimse.messages import CommandReceived, DataReceived
from gateway.dimse.negotiate import NegotiationPolicy, negotiate
from gateway.dimse.pdu_stream import AbortReason, PduType, ProtocolFault
from gateway.dimse.reject import CALLED_AE_NOT_RECOGNIZED
from gateway.dimse.upper_layer import (
    AssociationRequested,
    Ended,
    Indication,
    ReleaseRequested,
    UpperLayer,
)
from tests.dimse.wire_bytes import (
    ABORT,
    RELEASE_RP,
    RELEASE_RQ,
    associate_rq,
    echo_command,
    echo_rq,
    p_data,
    pdu,
    pdv,
    store_command,
)

MAX_PDU = 4096
FIRST_PDU = 65536


def fresh() -> UpperLayer:
    return UpperLayer(first_pdu_bytes=FIRST_PDU, max_pdu_bytes=MAX_PDU)


def receive(layer: UpperLayer, data: bytes) -> list[Indication]:
    """Return what *data* brings, accepting the association where it is asked for."""
    got = []
    for indication in layer.receive(memoryview(data)):
        got.append(indication)
        if isinstance(indication, AssociationRequested):
            agreement = negotiate(indication.request, NegotiationPolicy())
            layer.accept(indication.request, agreement)
    return got


def established() -> UpperLayer:
    layer = fresh()
    receive(layer, associate_rq())
    assert state_of(layer) is State.ESTABLISHED
    return layer


def state_of(layer: UpperLayer) -> State:
    """Return where *layer* stands; asked through a call, for its state changes between asserts."""
    return layer.state


def only_end(got: list[Indication]) -> Ended:
    (end,) = got
    assert isinstance(end, Ended)
    return end


def test_a_request_is_indicated_and_its_acceptance_is_an_ac() -> None:
    layer = fresh()
    (requested,) = layer.receive(memoryview(associate_rq()))
    assert isinstance(requested, AssociationRequested)
    assert state_of(layer) is State.AWAITING_ANSWER
    agreement = negotiate(requested.request, NegotiationPolicy())
    raw = layer.accept(requested.request, agreement)
    assert raw[0] == PduType.ASSOCIATE_AC
    assert state_of(layer) is State.ESTABLISHED


def test_a_rejected_peer_has_only_to_close() -> None:
    layer = fresh()
    assert len(list(layer.receive(memoryview(associate_rq())))) == 1
    assert layer.reject(CALLED_AE_NOT_RECOGNIZED) == bytes.fromhex("03000000000400010107")
    assert state_of(layer) is State.CLOSING
    layer.transport_closed()
    assert state_of(layer) is State.IDLE


def test_data_that_comes_with_the_request_waits_for_the_answer() -> None:
    layer = fresh()
    got = receive(layer, associate_rq() + echo_rq())
    assert [type(indication) for indication in got] == [AssociationRequested, CommandReceived]


def test_release_is_answered() -> None:
    layer = established()
    assert receive(layer, RELEASE_RQ) == [ReleaseRequested()]
    assert layer.answer_release() == RELEASE_RP
    assert state_of(layer) is State.CLOSING


def test_our_own_release_ends_when_the_peer_confirms_it() -> None:
    layer = established()
    assert layer.ask_release() == RELEASE_RQ
    end = only_end(receive(layer, RELEASE_RP))
    assert (end.reply, end.fault) == (b"", False)
    assert state_of(layer) is State.IDLE


def test_data_that_crosses_our_release_is_dropped() -> None:
    layer = established()
    layer.ask_release()
    assert receive(layer, echo_rq() + RELEASE_RP)[0].__class__ is Ended
    assert state_of(layer) is State.IDLE


def test_in_a_release_collision_the_peer_answers_first() -> None:
    layer = established()
    layer.ask_release()
    assert receive(layer, RELEASE_RQ) == []
    assert state_of(layer) is State.COLLISION_AWAITING_REPLY
    with pytest.raises(EventNotAllowed):
        layer.answer_release()
    assert receive(layer, RELEASE_RP) == [ReleaseRequested()]
    assert layer.answer_release() == RELEASE_RP
    assert state_of(layer) is State.CLOSING


def test_nothing_is_sent_after_our_own_request_for_release() -> None:
    layer = established()
    layer.ask_release()
    with pytest.raises(EventNotAllowed):
        layer.send(1, response(Command.decode(echo_command()), status=0))


def test_a_response_may_still_go_to_a_peer_that_wants_to_leave() -> None:
    layer = established()
    receive(layer, RELEASE_RQ)
    assert layer.send(1, response(Command.decode(echo_command()), status=0))[0] == 4


def test_an_abort_of_the_peer_needs_no_answer() -> None:
    layer = established()
    end = only_end(receive(layer, ABORT))
    assert (end.reply, end.fault) == (b"", False)
    assert state_of(layer) is State.IDLE


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        pytest.param("0100ffffffff", "07000000000400000000", id="request-of-4-gib"),
        pytest.param("010000010001", "07000000000400000000", id="one-byte-over-64-kib"),
        pytest.param("04000000000a", "07000000000400000000", id="data-before-association"),
        pytest.param("050000000004", "07000000000400000000", id="release-before-association"),
        pytest.param("020000000004", "07000000000400000000", id="acceptance-to-an-acceptor"),
        pytest.param("474554202f20", "07000000000400000000", id="a-web-client"),
    ],
)
def test_a_first_pdu_that_is_no_request_is_aborted_at_its_header(sent: str, reply: str) -> None:
    layer = fresh()
    end = only_end(receive(layer, bytes.fromhex(sent)))
    assert end.reply == bytes.fromhex(reply)
    assert end.fault
    assert state_of(layer) is State.CLOSING


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        pytest.param(pdu(4, b"", length=MAX_PDU + 1), 6, id="data-one-byte-over-the-maximum"),
        pytest.param(pdu(4, b"", length=0xFFFFFFFF), 6, id="data-of-4-gib"),
        pytest.param(pdu(1, b"", length=200), 2, id="a-second-request"),
        pytest.param(pdu(2, b"", length=200), 2, id="an-acceptance"),
        pytest.param(pdu(6, bytes(4)), 2, id="a-release-reply-nobody-asked-for"),
        pytest.param(pdu(5, bytes(5)), 6, id="a-release-request-of-five-bytes"),
        pytest.param(pdu(9, b""), 1, id="a-pdu-nobody-knows"),
        pytest.param(p_data(pdv(1, 3, b"x", length=1)), 6, id="pdv-length-1"),
        pytest.param(p_data(pdv(1, 3, b"x", length=0)), 6, id="pdv-length-0"),
        pytest.param(echo_rq(context_id=99), 6, id="a-context-never-negotiated"),
        pytest.param(p_data(pdv(1, 3, b"")), 6, id="an-empty-command"),
    ],
)
def test_a_fault_in_an_association_is_aborted_as_provider(sent: bytes, reason: int) -> None:
    layer = established()
    end = only_end(receive(layer, sent))
    assert end.reply == bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, reason))
    assert end.fault
    assert state_of(layer) is State.CLOSING


def test_nothing_is_heard_after_a_fault() -> None:
    layer = established()
    receive(layer, pdu(9, b""))
    assert receive(layer, associate_rq() + echo_rq() + ABORT) == []
    assert state_of(layer) is State.CLOSING


def test_a_peer_that_was_answered_release_may_still_abort() -> None:
    layer = established()
    receive(layer, RELEASE_RQ)
    layer.answer_release()
    assert only_end(receive(layer, ABORT)).reply == b""
    assert state_of(layer) is State.IDLE


def test_a_new_request_after_release_is_aborted() -> None:
    layer = established()
    receive(layer, RELEASE_RQ)
    layer.answer_release()
    assert only_end(receive(layer, associate_rq())).reply[0] == PduType.ABORT


@given(st.data())
def test_noise_before_and_after_association_ends_in_an_abort_and_nothing_else(
    data: st.DataObject,
) -> None:
    sent = bytearray(
        associate_rq()
        + echo_rq()
        + p_data(pdv(3, 3, store_command()))
        + p_data(pdv(3, 0, b"some"), pdv(3, 2, b"thing"))
        + RELEASE_RQ
    )
    for _ in range(data.draw(st.integers(0, 5))):
        at = data.draw(st.integers(0, len(sent) - 1))
        match data.draw(st.sampled_from(["replace", "delete", "insert"])):
            case "replace":
                sent[at] = data.draw(st.integers(0, 255))
            case "delete":
                del sent[at : at + data.draw(st.integers(1, 8))]
            case _:
                sent[at:at] = data.draw(st.binary(min_size=1, max_size=8))
    layer = fresh()
    cut = data.draw(st.integers(0, len(sent)))
    for part in (bytes(sent[:cut]), bytes(sent[cut:])):
        for indication in receive(layer, part):
            if isinstance(indication, Ended):
                assert len(indication.reply) in {0, 10}
            elif isinstance(indication, CommandReceived):
                response(indication.command, status=0).encode()
            elif isinstance(indication, ReleaseRequested):
                layer.answer_release()
    layer.transport_closed()
    assert state_of(layer) is State.IDLE


class Life(RuleBasedStateMachine):
    """Any order of what the peer and we can do keeps to the table and ends."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = fresh()

    def hear(self, data: bytes) -> None:
        before = self.layer.state
        for indication in receive(self.layer, data):
            assert isinstance(
                indication,
                AssociationRequested | CommandReceived | DataReceived | ReleaseRequested | Ended,
            )
        assert before is not State.IDLE or self.layer.state is State.IDLE

    @precondition(lambda self: self.layer.state is not State.IDLE)
    @rule(
        sent=st.sampled_from(
            [
                associate_rq(),
                echo_rq(),
                p_data(pdv(3, 3, store_command())),
                p_data(pdv(3, 2, b"data")),
                RELEASE_RQ,
                RELEASE_RP,
                ABORT,
                pdu(9, b"x"),
            ]
        )
    )
    def peer_sends(self, sent: bytes) -> None:
        self.hear(sent)

    @rule()
    def we_abort(self) -> None:
        before = self.layer.state
        said = self.layer.abort()
        quiet = {State.IDLE, State.AWAITING_REQUEST, State.CLOSING}
        assert bool(said) is (before not in quiet)

    @precondition(lambda self: self.layer.state is State.ESTABLISHED)
    @rule()
    def we_ask_for_release(self) -> None:
        assert self.layer.ask_release() == RELEASE_RQ

    @precondition(lambda self: self.layer.state in {State.RELEASE_ASKED, State.COLLISION_ANSWERING})
    @rule()
    def we_answer_release(self) -> None:
        assert self.layer.answer_release() == RELEASE_RP
        assert self.layer.state is State.CLOSING

    @rule()
    def somebody_finds_a_fault(self) -> None:
        end = self.layer.fault(ProtocolFault(AbortReason.NOT_SPECIFIED, "x"))
        assert self.layer.state in {State.CLOSING, State.IDLE}
        assert end.fault

    @rule()
    def the_line_goes(self) -> None:
        self.layer.transport_closed()
        assert self.layer.state is State.IDLE


TestLife = Life.TestCase
