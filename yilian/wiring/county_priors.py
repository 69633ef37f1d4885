"""Earlier studies at the county: what is asked for, who may see what comes, what asks."""

import datetime as dt
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import sqlalchemy as sa

from gateway.dimse.destinations import TableDestinations
from gateway.dimse.outgoing import Peer
from gateway.priors import store
from gateway.priors.fetcher import PriorFetcher
from gateway.priors.model import Asked
from gateway.routing.engine import RuleSet
from gateway.routing.model import Facts
from imaging.archive.reach import give_to
from imaging.archive.tables import series, study, study_reach
from kernel.errors import Unavailable
from kernel.identifiers import AETitle
from yilian.wiring.calling_tls import calling_tls
from yilian.wiring.context import Context

_RULE: Final = "prior"
_PATIENCE_S: Final = 300.0
"""How long an archive may be silent while it sends a series."""


class CountyPriors:
    """Binds ``gateway.routing.service.Priors`` to the archive."""

    def __init__(self, rules: Callable[[], RuleSet]) -> None:
        """Ask as *rules* say."""
        self._rules = rules

    def came(self, conn: sa.Connection, study_instance_uid: str, at: dt.datetime) -> bool:
        """Give an earlier study to whose the study it is for is, and where that was routed."""
        asked_for = store.expected_for(conn, study_instance_uid)
        if not asked_for:
            return False
        may = study_reach.c
        # What was granted to somebody for a time stays that study's alone.
        lasting = (
            sa.select(may.institution)
            .join(study, study.c.id == may.study)
            .where(study.c.study_instance_uid.in_(asked_for), may.reason == "")
        )
        institutions = set(conn.scalars(lasting))
        give_to(conn, study_instance_uid, institutions, rule=_RULE, priority=None, at=at)
        return True

    def ask(
        self, conn: sa.Connection, study_instance_uid: str, facts: Facts, at: dt.datetime
    ) -> None:
        """Write down a question for each archive of each rule that wants earlier studies."""
        for rule in self._rules().priors:
            if not rule.wants(facts):
                continue
            asked = Asked(
                study_instance_uid=study_instance_uid,
                patient_id=_one(facts, "PatientID"),
                issuer=_one(facts, "IssuerOfPatientID"),
                birth_date=_one(facts, "PatientBirthDate"),
                sex=_one(facts, "PatientSex"),
                study_date=_one(facts, "StudyDate"),
                body_part=_one(facts, "BodyPartExamined") if rule.same_body_part else "",
                modalities=rule.modalities,
                last=rule.last,
                days=rule.days,
                hours=rule.hours,
            )
            for archive in rule.archives:
                store.ask(conn, archive, asked, rule=rule.name, at=at)


def _one(facts: Facts, keyword: str) -> str:
    return (facts.of(keyword) or ("",))[0]


def series_here(conn: sa.Connection, study_instance_uid: str) -> Mapping[str, int]:
    """Return the instances of each series of a study (``gateway.priors.fetcher.Here``)."""
    rows = conn.execute(
        sa.select(series.c.series_instance_uid, series.c.instance_count)
        .join(study, study.c.id == series.c.study)
        .where(study.c.study_instance_uid == study_instance_uid)
    )
    return {row.series_instance_uid: row.instance_count for row in rows}


class ArchivePeers:
    """Where archives are: the table of peers (``gateway.priors.fetcher.Peers``)."""

    def __init__(self, table: TableDestinations, our_title: str) -> None:
        """Find in *table*; archives send to *our_title*."""
        self._table = table
        self._our_title = AETitle.parse(our_title)

    async def __call__(self, title: str) -> Peer:
        """Return how the archive called *title* is called."""
        found = await self._table.find(AETitle.parse(title), self._our_title)
        if found is None:
            raise Unavailable("the table of peers has no host and port for it")
        return replace(found.peer, timeout_s=_PATIENCE_S)


def keep_priors(context: Context) -> None:
    """Keep asking in this role."""
    database = context.database
    table = TableDestinations(database, tls=calling_tls(context.settings))
    peers = ArchivePeers(table, context.settings.dicom.ae_title)
    fetcher = PriorFetcher(database, context.clock, peers, series_here, chance=random.random)
    context.owner.keep("priors", fetcher.run)
