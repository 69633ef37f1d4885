"""One status and one sentence for every kind of trouble."""

import pytest
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS, code_to_category

from kernel.dicom.dataset import BrokenDataset
from kernel.dicom.status import (
    COMMENT_MAX,
    COMMENTS,
    OF_CATEGORY,
    OF_CATEGORY_COMMENT,
    OF_CODE,
    Status,
    comment_of,
    status_of,
)
from kernel.errors import Busy, Category, Invalid, PlatformError, StorageFull
from kernel.journal.writer import JournalFailed, JournalFull


def test_every_category_has_a_status_and_a_sentence() -> None:
    assert set(OF_CATEGORY) == set(Category)
    assert set(OF_CATEGORY_COMMENT) == set(Category)


_CATEGORY = {
    Status.SUCCESS: "Success",
    Status.PENDING: "Pending",
    Status.PENDING_KEYS_NOT_MATCHED: "Pending",
    Status.CANCELLED: "Cancel",
    # PS3.7 C.4.3.1: the attributes that were understood are kept.
    Status.ATTRIBUTE_LIST_ERROR: "Warning",
    # PS3.4 C.4.2.1.5: everything was tried, and something failed.
    Status.SUBOPERATIONS_WITH_FAILURES: "Warning",
    # PS3.4 J.3.2.1.4, later than the oracle's table.
    Status.DUPLICATE_TRANSACTION_UID: "Unknown",
}


@pytest.mark.parametrize("status", list(Status))
def test_each_status_is_of_its_category(status: Status) -> None:
    assert code_to_category(status) == _CATEGORY.get(status, "Failure")


def test_no_trouble_looks_like_success_or_a_warning() -> None:
    for status in (*OF_CATEGORY.values(), *OF_CODE.values()):
        assert code_to_category(status) == "Failure"


def test_store_statuses_are_those_of_the_storage_service() -> None:
    for status in (
        Status.OUT_OF_RESOURCES,
        Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
        Status.CANNOT_UNDERSTAND,
        Status.SOP_CLASS_NOT_SUPPORTED,
        Status.NOT_AUTHORIZED,
        Status.UNRECOGNIZED_OPERATION,
    ):
        assert status in STORAGE_SERVICE_CLASS_STATUS


@pytest.mark.parametrize(
    "comment", [*COMMENTS.values(), *OF_CATEGORY_COMMENT.values()], ids=lambda comment: comment
)
def test_a_sentence_fits_its_element_and_is_plain_ascii(comment: str) -> None:
    assert 0 < len(comment) <= COMMENT_MAX
    assert comment.isascii()
    assert "\\" not in comment


@pytest.mark.parametrize("code", OF_CODE)
def test_a_code_with_a_status_of_its_own_has_a_sentence_too(code: str) -> None:
    assert code in COMMENTS


@pytest.mark.parametrize(
    "code",
    [
        "empty-file",
        "not-dicom",
        "truncated",
        "wrong-length",
        "too-deep",
        "too-many-elements",
        "too-large-header",
        "deflate-bomb",
        "deflate-broken",
        "bad-vr",
        "no-sop-uid",
        "bad-uid",
    ],
)
def test_every_way_an_object_can_be_broken_has_its_own_sentence(code: str) -> None:
    error = BrokenDataset(code, "detail")
    assert status_of(error) == Status.CANNOT_UNDERSTAND
    assert comment_of(error) == COMMENTS[code]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(StorageFull(), 0xA700, id="disk-full"),
        pytest.param(JournalFull("x"), 0xA700, id="below-the-reserve"),
        pytest.param(JournalFailed("x"), 0xA700, id="disk-broken"),
        pytest.param(Busy(), 0xA700, id="busy"),
        pytest.param(PlatformError("our fault"), 0xA700, id="our-own-fault"),
        pytest.param(Invalid("x"), 0xC000, id="broken"),
        pytest.param(Invalid("x", code="sop-instance-mismatch"), 0xA900, id="another-object"),
    ],
)
def test_what_a_sender_should_send_again_is_told_apart_from_what_it_should_not(
    error: PlatformError, status: int
) -> None:
    assert status_of(error) == status
    assert error.detail not in comment_of(error) or not error.detail
