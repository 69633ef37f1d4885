"""Destinations the rules name, looked for before anything is started."""

from gateway.routing.rules_file import read_rules
from kernel.dicom.dictionary import keywords
from kernel.identity import ae_table
from kernel.settings import Settings, SettingsRefused
from kernel.sql.db import Database
from yilian.wiring.destinations import missing_from
from yilian.wiring.homes import Home


async def check_destinations(home: Home, settings: Settings, database: Database) -> None:
    """Return if every destination the rules send objects to can be called.

    Raises:
        SettingsRefused: names the first that cannot, and what to do.
    """
    if not settings.routing.rules:
        return
    path = home.root / settings.routing.rules
    rules = read_rules(path.read_text("utf-8"), keywords=keywords())
    if why := missing_from(rules, await database.read(ae_table)):
        raise SettingsRefused(f"routing.rules: {path}: {why}")
    for one in rules.sent_to().values():
        for name in filter(None, (one.token_file, one.password_file, one.ca_file)):
            if not (home.root / name).is_file():
                raise SettingsRefused(
                    f"routing.rules: {path}: {one.kind} {one.name!r}: {home.root / name} is no file"
                )
