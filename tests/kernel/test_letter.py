"""What a letter may be."""

from typing import Any

import pytest

from kernel.letter import InvalidLetter, Letter


def test_a_letter_of_its_shape_is_taken_as_it_is() -> None:
    assert Letter.parse("accession-block", "qingshan/1", 0, {"a": 1}) == Letter(
        "accession-block", "qingshan/1", 0, {"a": 1}
    )


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(("Order", "k", 1, {}), id="capital"),
        pytest.param(("order-", "k", 1, {}), id="hyphen-at-the-end"),
        pytest.param(("o" * 33, "k", 1, {}), id="kind-too-long"),
        pytest.param(("order", "", 1, {}), id="no-key"),
        pytest.param(("order", "k" * 201, 1, {}), id="key-too-long"),
        pytest.param(("order", "a\nb", 1, {}), id="line-in-key"),
        pytest.param(("order", "k", -1, {}), id="negative-version"),
        pytest.param(("order", "k", 2**53, {}), id="version-beyond-json"),
    ],
)
def test_anything_else_is_refused(parts: Any) -> None:
    with pytest.raises(InvalidLetter):
        Letter.parse(*parts)
