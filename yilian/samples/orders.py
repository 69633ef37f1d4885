"""The demo's catalogue, registrations and orders. Names are invented, resident numbers nobody's.

Every row of the catalogue is called an example: it stands for no official item and bears no mark.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from kernel.arrival import Priority
from referrals.orders.asked import NewOrder, NewPatient
from referrals.orders.machine import Act
from referrals.orders.model import PatientClass, Sex, Temporary
from yilian.samples.studies import resident_id

_TITLE: Final = "version = 1\n"
_ROWS: Final = (
    ("EX-CT-HEAD", "头颅CT平扫（示例）", "CT", "HEAD"),
    ("EX-CT-CHEST", "胸部CT平扫（示例）", "CT", "CHEST"),
    ("EX-CT-ABDOMEN", "腹部CT平扫（示例）", "CT", "ABDOMEN"),
    ("EX-DX-CHEST", "胸部正位（示例）", "DX", "CHEST"),
    ("EX-DX-KNEE", "膝关节正侧位（示例）", "DX", "KNEE"),
    ("EX-DX-LSPINE", "腰椎正侧位（示例）", "DX", "LSPINE"),
    ("EX-US-HEART", "心脏彩超（示例）", "US", "HEART"),
    ("EX-US-ABDOMEN", "腹部彩超（示例）", "US", "ABDOMEN"),
    ("EX-ECG", "十二导联心电图（示例）", "ECG", ""),
)
CATALOGUE: Final = _TITLE + "".join(
    f"""
[[examination]]
code = "{code}"
name = "{name}"
modality = "{modality}"
body_part = "{body_part}"
example = true
"""
    for code, name, modality, body_part in _ROWS
)
"""As ``yilian admin examinations import`` reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOrder:
    """One order of the demo's first day."""

    patient: NewPatient
    order: NewOrder
    minutes: int
    """After the demo is made; negative for before."""
    acts: tuple[tuple[Act, str], ...] = ()
    """What became of it since, each with its reason."""


def _person(name: str, born: dt.date, sequence: int, sex: Sex, patient_id: str) -> NewPatient:
    number = resident_id(born, sequence, male=sex is Sex.MALE)
    return NewPatient(
        name=name, sex=sex, resident_id=number, patient_id=patient_id, phone="13900000000"
    )


def _order(
    examination: str,
    question: str,
    priority: Priority = Priority.ROUTINE,
    patient_class: PatientClass = PatientClass.OUTPATIENT,
) -> NewOrder:
    return NewOrder(
        examination=examination,
        clinical_question=question,
        priority=priority,
        patient_class=patient_class,
    )


_BEGUN: Final = ((Act.BEGIN, ""),)
_DONE: Final = ((Act.BEGIN, ""), (Act.COMPLETE, ""))

ORDERS: Final[dict[str, tuple[SampleOrder, ...]]] = {
    "qingshan": (
        SampleOrder(
            patient=_person("赵秀兰", dt.date(1958, 4, 12), 21, Sex.FEMALE, "QS0040011"),
            order=_order("EX-DX-CHEST", "咳嗽两周, 排除肺炎"),
            minutes=-90,
            acts=_DONE,
        ),
        SampleOrder(
            patient=_person("孙德胜", dt.date(1949, 9, 3), 22, Sex.MALE, "QS0040012"),
            order=_order("EX-DX-LSPINE", "腰痛, 跌倒后三天"),
            minutes=-40,
            acts=_BEGUN,
        ),
        SampleOrder(
            patient=NewPatient(
                sex=Sex.MALE,
                temporary=Temporary(estimated_age_years=45, marks="灰色工装, 左臂纹身; 路边发现"),
            ),
            order=_order(
                "EX-CT-HEAD", "意识不清, 头部外伤", Priority.EMERGENCY, PatientClass.EMERGENCY
            ),
            minutes=-10,
        ),
        SampleOrder(
            patient=_person("吴桂芳", dt.date(1966, 1, 27), 23, Sex.FEMALE, "QS0040013"),
            order=_order("EX-DX-KNEE", "左膝痛半年"),
            minutes=15,
        ),
        SampleOrder(
            patient=_person("周立新", dt.date(1971, 7, 19), 24, Sex.MALE, "QS0040014"),
            order=_order("EX-CT-CHEST", "体检胸片示右肺结节", Priority.URGENT),
            minutes=30,
        ),
        SampleOrder(
            patient=_person("郑玉梅", dt.date(1990, 11, 6), 25, Sex.FEMALE, "QS0040015"),
            order=_order("EX-US-ABDOMEN", "右上腹不适"),
            minutes=45,
            acts=((Act.CANCEL, "患者改约明天"),),
        ),
    ),
    "dahe": (
        SampleOrder(
            patient=_person("黄建军", dt.date(1963, 2, 14), 31, Sex.MALE, "DH0010021"),
            order=_order("EX-CT-HEAD", "突发言语不清一小时", Priority.EMERGENCY),
            minutes=-20,
            acts=_BEGUN,
        ),
        SampleOrder(
            patient=_person("何春燕", dt.date(1984, 3, 8), 32, Sex.FEMALE, "DH0010022"),
            order=_order("EX-US-HEART", "活动后气短"),
            minutes=20,
        ),
        SampleOrder(
            patient=_person("林小东", dt.date(2019, 6, 1), 33, Sex.MALE, "DH0010023"),
            order=_order("EX-DX-CHEST", "发热三天, 咳嗽"),
            minutes=40,
        ),
    ),
    "county-hospital": (
        SampleOrder(
            patient=_person("吴芳", dt.date(1960, 4, 25), 41, Sex.FEMALE, "CH0098123"),
            order=_order("EX-CT-CHEST", "复查右肺结节", patient_class=PatientClass.INPATIENT),
            minutes=-30,
            acts=_BEGUN,
        ),
        SampleOrder(
            patient=_person("邓国强", dt.date(1955, 12, 30), 42, Sex.MALE, "CH0098124"),
            order=_order("EX-ECG", "胸闷", Priority.URGENT, PatientClass.EMERGENCY),
            minutes=25,
        ),
    ),
}
"""By institution."""
