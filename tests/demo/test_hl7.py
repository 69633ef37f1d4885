"""A HIS on the demo's own machine: a GB18030 order over HL7, and the device that finds it."""

import hl7
import hl7.client
import pydicom
import pytest
from pynetdicom import AE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made when it is loaded
    ModalityWorklistInformationFind,
)

from tests.demo.running import RunningDemo

pytestmark = pytest.mark.timeout(240)
NAME = "镼誠昞"
"""Each has a second byte that separates fields, components or values."""


def order(control: str, placer: str) -> bytes:
    lines = [
        f"MSH|^~\\&|HIS|县医院|YILIAN||2026||{control}|{placer}|P|2.5||||||GB 18030-2000",
        f"PID|1||HL7-1^^^H^MR||{NAME}||19700101|M",
        "PV1|1|E",
        f"ORC|NW|{placer}||||||||||D1^李^静",
        f"OBR|1|{placer}||EX-CT-HEAD^头颅CT平扫（示例）^L|||||||||头痛",
        "",
    ]
    return "\r".join(lines).encode("gb18030")


def scheduled(demo: RunningDemo) -> list[pydicom.Dataset]:
    """What a device of the county finds of that patient on its worklist."""
    door = demo.ready["county"]["dicom"]
    asked = pydicom.Dataset()
    asked.SpecificCharacterSet = "GB18030"
    asked.PatientID = "HL7-1"
    asked.PatientName = asked.AccessionNumber = ""
    device = AE("HL7CT")
    device.add_requested_context(ModalityWorklistInformationFind)
    line = device.associate(door["host"], door["port"], ae_title=door["ae_title"])
    assert line.is_established
    answers = line.send_c_find(asked, ModalityWorklistInformationFind)
    found = [item for status, item in answers if item is not None and status.Status & 0xFF00]
    line.release()
    return found


def test_an_order_of_the_his_stands_on_the_worklist(demo: RunningDemo) -> None:
    door = demo.ready["county"]["hl7"]
    with hl7.client.MLLPClient(door["host"], door["port"], encoding="gb18030") as his:
        told = [his.send_message(order("ORM^O01", "PL-1")).decode("gb18030") for _ in range(2)]
        refused = his.send_message(order("ORU^R01", "PL-2")).decode("gb18030")
    assert told[0] == told[1]
    answer = hl7.parse(told[0].strip("\x0b\x1c\r") + "\r")
    assert str(answer.segment("MSA")[1]) == "AA"
    number = str(answer.segment("ORC")[3])
    assert "MSA|AR|PL-2" in refused
    (item,) = scheduled(demo)
    assert (str(item.PatientName).split("=")[1], item.AccessionNumber) == (NAME, number)
