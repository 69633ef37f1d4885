"""Any bytes and any fields: an answer or a refusal with a code, never another error."""

from contextlib import suppress

from hypothesis import given, settings, strategies as st

from gateway.hl7.ack import Answering, Code, answer, fault_of
from gateway.hl7.codec import Message, composed, parse, segment_line
from gateway.hl7.model import Handled, PeerTable, Sender
from gateway.hl7.reading import read, read_header
from kernel.errors import PlatformError
from referrals.hl7.asked_orders import groups, new_order
from referrals.hl7.datatypes import day, moment
from referrals.hl7.patients import told_by
from tests.hl7.door import HERE, LIU, written
from tests.orders.desk import AT

PEERS = PeerTable([], loopback="qingshan")
ORDER = written(
    "ORM^O01", LIU, "PV1|1|I", "ORC|NW|P1|||||^^^202605131000^^S", "OBR|1|P1||EX-CT-HEAD"
)
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=24)
BY = Answering(application="YILIAN", facility="c", control_id="1", at=AT)


def nothing(_conn: object, _message: Message, _sender: Sender, /) -> Handled:
    return Handled()


@settings(max_examples=200)
@given(st.data())
def test_reads_a_damaged_message_or_refuses_it_and_answers_in_one_line_each(
    data: st.DataObject,
) -> None:
    raw = bytearray(ORDER)
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.integers(0, len(raw)))
        length = data.draw(st.integers(0, 8))
        raw[place : place + length] = data.draw(st.binary(max_size=8))
    header = read_header(bytes(raw))
    try:
        found = read(bytes(raw), HERE, header, peers=PEERS, known={"ORM^O01": nothing})
    except PlatformError as refused:
        told = answer(header.segment, Code.AR, BY, fault=fault_of(refused), codec=header.codec)
        names = [line[:3] for line in told.decode(header.codec).split("\r")]
        assert names == ["MSH", "MSA", "ERR", ""]
    else:
        for group in groups(found.message):
            with suppress(PlatformError):
                new_order(group, "EX")


@given(st.lists(TEXT, min_size=20, max_size=20))
def test_reads_any_patient_or_says_which_field_it_is(fields: list[str]) -> None:
    line = segment_line("PID", [composed(*field.split(" ")) for field in fields])
    pid = parse(f"MSH|^~\\&|A\r{line}").segments[1]
    refused: PlatformError | None = None
    try:
        told_by(pid)
    except PlatformError as error:
        refused = error
    assert refused is None or fault_of(refused).location is not None


@given(st.text(alphabet='0123456789.+-"x', max_size=26))
def test_reads_any_time_or_refuses_it(text: str) -> None:
    for reader in (day, moment):
        with suppress(PlatformError):
            reader(text)
