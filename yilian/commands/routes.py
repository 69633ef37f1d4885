"""``yilian admin routes``: read the rules file, or say why a file would go where it goes."""

import argparse
import json
from pathlib import Path

import msgspec

from gateway.routing.engine import route
from gateway.routing.model import Field, RuleTrace
from gateway.routing.rules_file import read_rules
from gateway.routing.toml_lines import RulesFileError
from imaging.archive.reach import FirstInstance
from imaging.dicomweb.dicom_json import DatasetEncoder
from kernel.dicom.dataset import scan
from kernel.dicom.dictionary import keywords
from kernel.dicom.header import read_header
from kernel.dicom.part10 import FileSource, read_file_meta
from kernel.errors import Invalid
from yilian.commands import deliveries
from yilian.commands.nodes import settings_of
from yilian.wiring.county_routing import facts_of, rules_in_force


def add(verb: argparse.ArgumentParser) -> None:
    """Declare the acts below ``yilian admin routes``."""
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)
    check = acts.add_parser("check", help="read the rules and name every fault's line")
    check.add_argument("--rules", type=Path, help="another file than the settings name")
    check.set_defaults(run=_check)
    deliveries.add_acts(acts)
    explain = acts.add_parser(
        "explain",
        help="say which rule matches a DICOM file, and why",
        epilog="example: yilian admin --home H routes explain ct.dcm --institution qingshan",
    )
    explain.add_argument("file", type=Path)
    explain.add_argument("--rules", type=Path, help="another file than the settings name")
    explain.add_argument("--institution", default="", help="as if it came from there")
    explain.add_argument("--ae-title", default="", help="as if this AE had sent it")
    explain.add_argument("--address", default="")
    explain.add_argument("--door", default="c-store")
    explain.set_defaults(run=_explain)


def _path(arguments: argparse.Namespace) -> Path | None:
    if arguments.rules is not None:
        return Path(arguments.rules)
    named = settings_of(arguments).routing.rules
    return Path(arguments.home, named) if named else None


def _check(arguments: argparse.Namespace) -> int:
    path = _path(arguments)
    if path is None:
        print("no rules file: everything goes to the centre's reading list")
        return 0
    try:
        rules = read_rules(path.read_text("utf-8"), keywords=keywords())
    except RulesFileError as exc:
        for line in exc.detail.splitlines():
            print(f"{path}: {line}")
        return 1
    print(f"{path}: {len(rules.rules)} rules, matching {rules.matching}")
    return 0


def _explain(arguments: argparse.Namespace) -> int:
    if not arguments.file.is_file():
        raise Invalid(f"{arguments.file} is no file", code="no-such-file")
    facts = facts_of(_first(arguments))
    rules = rules_in_force(_path(arguments), settings_of(arguments).node.institution)()
    routed = route(rules, facts)
    asks = [rule for rule in rules.priors if rule.wants(facts)]
    if arguments.json:
        asked = [{"rule": rule.name, "from": list(rule.archives)} for rule in asks]
        told = {**msgspec.to_builtins(routed), "priors": asked}
        print(json.dumps(told, ensure_ascii=False))
        return 0
    senders = (facts.of(Field.INSTITUTION), facts.of(Field.AE_TITLE))
    print(f"sender: {' '.join(v for found in senders for v in found or () if v) or 'not given'}")
    for trace in routed.trace:
        _print_trace(trace)
    places = ", ".join(f"{d.kind} {d.name} {d.priority or ''}".strip() for d in routed.destinations)
    why = ", ".join(routed.rules) or "no rule matched: fallback"
    print(f"goes to: {places or 'the archive only'}  ({why})")
    for rule in asks:
        print(f"asks for earlier studies: {', '.join(rule.archives)}  ({rule.name})")
    return 0


def _print_trace(trace: RuleTrace) -> None:
    state = "MATCHES" if trace.matched else ("does not match" if trace.reached else "not asked")
    print(f"rule {trace.rule!r} (line {trace.line}): {state}")
    for answer in trace.answers:
        mark = "yes" if answer.holds else "no "
        print(f"    {mark}  {answer.condition}   found: {answer.found}")


def _first(arguments: argparse.Namespace) -> FirstInstance:
    with FileSource(arguments.file) as source:
        meta = read_file_meta(source)
        walked = scan(
            source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid
        )
        header = read_header(walked.source, walked)
        encoded = DatasetEncoder().encode(
            walked,
            charsets=tuple(header.text_character_set.split("\\")),
            bulk_address=lambda path: path,
        )
    return FirstInstance(
        dicom_json=msgspec.json.decode(encoded),
        institution=arguments.institution,
        ae_title=arguments.ae_title,
        address=arguments.address,
        door=arguments.door,
    )
