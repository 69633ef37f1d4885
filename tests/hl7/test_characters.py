"""Which characters a message is in: declared, known of the sender, or plain from its bytes."""

from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from gateway.hl7.characters import UnreadableCharacters, decode, is_charset

# 镼 and 昞 end in 7CH and 5EH in GBK, 誠 in 5CH: bytes that separate fields.
NAMES = ["张伟", "刘小凤", "镼誠", "昞", "王〇"]


def message(name: str, codec: str, said: str) -> bytes:
    header = f"MSH|^~\\&|HIS|卫生院|||20260512||ADT^A08|1|P|2.5||||||{said}"
    return f"{header}\rPID|1||7||{name}^\r".encode(codec)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("codec", "said", "hint"),
    [
        ("utf-8", "UNICODE UTF-8", ""),
        ("gb18030", "GB 18030-2000", ""),
        ("gb18030", "", "GB18030"),
        ("gb18030", "ASCII", "GB18030"),
        ("utf-8", "", ""),
        ("utf-8", "GB 18030-2000", ""),
        ("utf-8", "", "GB18030"),
        ("gb18030", "UNICODE UTF-8", "GB18030"),
        ("utf-8", "8859/1", ""),
    ],
)
def test_reads_a_chinese_message_under_a_right_wrong_or_missing_label(
    name: str, codec: str, said: str, hint: str
) -> None:
    found = decode(message(name, codec, said), hint=hint)
    assert found.text.split("\r")[1].split("|")[5] == f"{name}^"
    assert found.codec == codec


def test_takes_a_byte_order_mark_for_what_it_is() -> None:
    found = decode(b"\xef\xbb\xbf" + message("张伟", "utf-8", "ASCII"))
    assert found.text.startswith("MSH")
    assert "张伟" in found.text


def test_refuses_bytes_that_are_no_text() -> None:
    with pytest.raises(UnreadableCharacters):
        decode(message("张", "utf-8", "UNICODE UTF-8") + b"\xff\xfe\x80")


@given(st.binary(max_size=200))
def test_reads_any_bytes_or_refuses_them(raw: bytes) -> None:
    with suppress(UnreadableCharacters):
        decode(b"MSH|^~\\&|" + raw, hint="GB18030")


def test_knows_the_names_an_administrator_may_give() -> None:
    assert all(map(is_charset, ["GB18030", "GBK", "UNICODE UTF-8", "8859/1", "utf-8"]))
    assert not any(map(is_charset, ["", "KLINGON"]))
