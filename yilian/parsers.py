"""What is alike in every parser: an example in each help, ``--home`` before or after the act."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, str]] = {
    "admin institution": "institution list",
    "admin institution add": "institution add qingshan 青山卫生院 --kind township",
    "admin institution list": "institution list",
    "admin user": "user list",
    "admin user add": "user add lijing 李静 --institution qingshan --role technician",
    "admin user list": "user list",
    "admin user roles": "user roles lijing --role technician --role doctor",
    "admin user password": "user password lijing",
    "admin user disable": "user disable lijing",
    "admin user enable": "user enable lijing",
    "admin user unlock": "user unlock lijing",
    "admin ae": "ae list",
    "admin ae add": "ae add CT_QS qingshan --host 10.1.2.3 --charset GB18030",
    "admin ae list": "ae list",
    "admin ae remove": "ae remove CT_QS",
    "admin hl7": "hl7 list",
    "admin hl7 add": "hl7 add HIS qingshan --facility QSWSY --from 10.1.2.3 --charset GB18030",
    "admin hl7 list": "hl7 list",
    "admin hl7 remove": "hl7 remove HIS --facility QSWSY",
    "admin hl7 waiting": "hl7 waiting",
    "admin hl7 send": "hl7 send adt.hl7 10.1.2.3 2575",
    "admin token": "token list",
    "admin token add": "token add qingshan-node --label forwarder --days 365",
    "admin token list": "token list",
    "admin token revoke": "token revoke 4f1c",
    "admin examinations": "examinations list --institution qingshan",
    "admin examinations list": "examinations list --institution qingshan",
    "admin routes": "routes check",
    "admin routes check": "routes check --rules new.toml",
    "admin township": "township invite qingshan",
    "admin township invite": "township invite qingshan",
    "admin township list": "township list --invitations",
    "admin township withdraw": "township withdraw ad088d959ecaa3b3",
    "admin township revoke": "township revoke 7f3a",
    "admin key": "key",
    "audit": "verify",
    "spool": "list",
}
"""Of parsers that bring none themselves: what is typed after the verb."""
_SHARED: Final = ("--home", "--json")


def finish(whole: argparse.ArgumentParser) -> None:
    """Give every parser below *whole* its example, and its verb's shared options."""
    for words, parser in walk(whole):
        if not parser.epilog and (example := EXAMPLES.get(" ".join(words))):
            home = " --home /srv/yilian" if words[0] in ("admin", "audit", "spool") else ""
            parser.epilog = f"example: yilian {words[0]}{home} {example}"
        if len(words) == 1:
            for name in _SHARED:
                _share(parser, name)


def walk(
    parser: argparse.ArgumentParser, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Yield every parser below *parser* with the words that lead to it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield (*words, name), below
                yield from walk(below, (*words, name))


def _share(verb: argparse.ArgumentParser, name: str) -> None:
    """Let *name* stand before and after each act of *verb*, where any of them knows it.

    Below the verb it has no default: one would undo what was said before the act.
    """
    below = [parser for _, parser in walk(verb)]
    known = [action for each in (verb, *below) if (action := _action(each, name)) is not None]
    if not known or not below:
        return
    first = known[0]
    for each in (verb, *below):
        if _action(each, name) is None:
            each.add_argument(
                name,
                **({"action": "store_true"} if first.nargs == 0 else {"type": first.type}),
                default=first.default,
                help=first.help,
                **({} if first.nargs == 0 else {"metavar": first.metavar}),  # type: ignore[arg-type]
            )
    for each in below:
        action = _action(each, name)
        if action is not None:
            action.default = argparse.SUPPRESS


def _action(parser: argparse.ArgumentParser, name: str) -> argparse.Action | None:
    return parser._option_string_actions.get(name)
