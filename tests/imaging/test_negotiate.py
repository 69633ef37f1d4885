"""Accept values as real viewers send them."""

import pytest

from imaging.dicomweb.negotiate import DICOM, JSON, OCTETS, NotAcceptable, accepted, choose


@pytest.mark.parametrize(
    ("header", "essence", "multipart", "syntax"),
    [
        pytest.param(
            'multipart/related; type="application/octet-stream"; transfer-syntax="*"',
            OCTETS,
            True,
            "*",
            id="ohif",
        ),
        pytest.param(
            "multipart/related; type=application/octet-stream; transfer-syntax=*",
            OCTETS,
            True,
            "*",
            id="ohif-without-quotes",
        ),
        pytest.param('multipart/related; type="*/*"', "*/*", True, "", id="dicomweb-client"),
        pytest.param("multipart/related", "*/*", True, "", id="no-type"),
        pytest.param("*/*", "*/*", False, "", id="anything"),
        pytest.param("", "*/*", False, "", id="absent"),
        pytest.param(
            'multipart/related;type="application/dicom";transfer-syntax=1.2.840.10008.1.2.1',
            DICOM,
            True,
            "1.2.840.10008.1.2.1",
            id="uid",
        ),
    ],
)
def test_one_alternative(header: str, essence: str, multipart: bool, syntax: str) -> None:
    (only,) = accepted(header)
    assert (only.essence, only.multipart, only.transfer_syntax) == (essence, multipart, syntax)


def test_quality_orders_and_the_clients_order_breaks_ties() -> None:
    ranges = accepted('image/png;q=0.5, image/jpeg, a/b;q=0, multipart/related;type="x/y"')
    assert [r.essence for r in ranges] == ["image/jpeg", "x/y", "image/png"]


def test_the_query_parameter_wins() -> None:
    assert [r.essence for r in accepted("application/json", "image/jpeg")] == ["image/jpeg"]


def test_a_comma_in_quotes_does_not_split() -> None:
    (only,) = accepted('multipart/related; type="a/b"; boundary="x,y"')
    assert only.parameters["boundary"] == "x,y"


def test_the_best_range_chooses_the_offer() -> None:
    offer, _ = choose(accepted("application/json;q=0.9, application/dicom+json"), [JSON])
    assert offer == JSON
    offer, _ = choose(accepted("image/*"), ["application/pdf", "image/jpeg"])
    assert offer == "image/jpeg"


def test_nothing_fits() -> None:
    with pytest.raises(NotAcceptable):
        choose(accepted("text/html"), [JSON])


@pytest.mark.parametrize("header", [",,,", ";;", '"', "a" * 5000, "multipart/related; type="])
def test_nonsense_never_raises(header: str) -> None:
    accepted(header)
