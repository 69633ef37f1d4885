"""What rules say is what the queues hold, also of studies that grow; on both databases."""

from gateway.deliveries import views
from gateway.routing.rules_file import read_rules
from gateway.routing.service import Router, RouterPorts
from kernel.dicom.dictionary import keywords
from tests.imaging.conftest import desk  # noqa: F401
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct
from yilian.wiring.archive_studies import let_grow, put_where_rules_say
from yilian.wiring.county_priors import CountyPriors
from yilian.wiring.county_routing import study_facts

RULES = """
[[rule]]
name = "CT goes on"
when.Modality = "CT"
to = [{ reading-list = "county" }, { dicom = "PACS2", priority = "emergency" }]
"""


async def test_a_study_joins_by_rule_and_grows_in_its_queue(desk: Desk) -> None:  # noqa: F811
    rules = read_rules(RULES, keywords=keywords())
    ports = RouterPorts(study_facts, put_where_rules_say, let_grow, CountyPriors(lambda: rules))
    router = Router(desk.database, desk.clock, lambda: rules, ports)
    for number, expected in ((1, 1), (2, 2)):
        await desk.file(ct(number))
        while await router.route_new():
            pass
        (line,) = await desk.database.read(views.queue_lines)
        assert (line.destination, line.study_instance_uid) == ("dicom:PACS2", f"{ROOT}.1")
        assert (line.pending, line.priority, line.rule) == (expected, "emergency", "CT goes on")
