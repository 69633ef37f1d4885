"""``yilian county``, ``yilian township`` and ``yilian demo``."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, NoReturn

from kernel.errors import Invalid
from kernel.process.child import Inherited
from kernel.settings import NodeKind, Settings
from yilian.commands import township
from yilian.wiring.files_named import with_absolute_files
from yilian.wiring.homes import Home
from yilian.wiring.pairing import paired_settings

_DEFAULT_HOME: Final = "yilian-home"
_ROLES: Final = {
    NodeKind.COUNTY: ("gateway", "dicom", "worker"),
    NodeKind.TOWNSHIP: ("gateway", "dicom"),
}
_EXAMPLES: Final = {
    "county": "example: yilian county --home /srv/yilian",
    "township": "example: yilian township --home /srv/yilian --port-offset 100",
    "demo": "example: yilian demo --home ./demo --port-offset 1000 --ready-file ready.json",
}


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the three verbs."""
    for kind in NodeKind:
        verb = verbs.add_parser(
            kind.value, help=f"run a {kind} node until SIGTERM", epilog=_EXAMPLES[kind]
        )
        _node_arguments(verb)
        verb.add_argument(
            "--role", choices=_ROLES[kind], help="run this one process of the node, supervised"
        )
        verb.add_argument(
            "--prepare",
            action="store_true",
            help="make home, database and first administrator, and end",
        )
        verb.set_defaults(run=_run_node, kind=kind)
        if kind is NodeKind.TOWNSHIP:
            township.add_enrol(verb)
    demo = verbs.add_parser(
        "demo",
        help="a county with two townships and sample data, in one command",
        epilog=_EXAMPLES["demo"],
    )
    _node_arguments(demo)
    demo.add_argument("--no-samples", action="store_true", help="begin without sample studies")
    demo.set_defaults(run=_run_demo)


def _node_arguments(verb: argparse.ArgumentParser) -> None:
    add_home(verb)
    verb.add_argument("--port-offset", type=int, default=0, metavar="N", help="added to every port")
    verb.add_argument(
        "--ready-file", type=Path, metavar="F", help="written (JSON) once all doors answer"
    )


def add_home(verb: argparse.ArgumentParser) -> None:
    """Declare ``--home``."""
    verb.add_argument(
        "--home",
        type=Path,
        default=Path(_DEFAULT_HOME),
        metavar="DIR",
        help=f"folder that holds all of the node's state (default ./{_DEFAULT_HOME})",
    )


def kind_of(arguments: argparse.Namespace) -> NodeKind:
    """Return the kind of the node whose home the arguments name.

    Raises:
        Invalid: there is no node there (``no-such-home``).
    """
    home = Home(arguments.home.resolve())
    kind = home.kind()
    if kind is None:
        raise Invalid(f"{home.root} is no node's home", code="no-such-home")
    return kind


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Return the settings of the node whose home the arguments name.

    Raises:
        Invalid: there is no node there (``no-such-home``).
    """
    home = Home(arguments.home.resolve())
    loaded = Settings.load(kind_of(arguments), file=home.settings_file)
    return with_absolute_files(home, paired_settings(home, loaded))


def _run_node(arguments: argparse.Namespace) -> NoReturn:
    inherited = Inherited.enter()
    # Imported here, after the child has bound itself to its supervisor.
    from yilian.wiring import nodes, roles  # noqa: PLC0415

    home = Home.prepare(arguments.home, NodeKind(arguments.kind))
    loaded = Settings.load(
        NodeKind(arguments.kind), file=home.settings_file, port_offset=arguments.port_offset
    )
    settings = with_absolute_files(home, paired_settings(home, loaded))
    if arguments.prepare:
        _in_loop(nodes.prepare(NodeKind(arguments.kind), home, settings))
    if inherited is not None and arguments.role:
        _in_loop(roles.run(arguments.kind, arguments.role, home, settings, inherited))
    _in_loop(
        nodes.supervise(
            NodeKind(arguments.kind),
            home,
            settings,
            only=arguments.role,
            port_offset=arguments.port_offset,
            ready_file=arguments.ready_file,
            inherited=inherited,
        )
    )


def _run_demo(arguments: argparse.Namespace) -> NoReturn:
    from yilian.wiring import demo  # noqa: PLC0415

    _in_loop(
        demo.run(
            arguments.home,
            port_offset=arguments.port_offset,
            ready_file=arguments.ready_file,
            samples=not arguments.no_samples,
        )
    )


def _in_loop(work: Coroutine[Any, Any, int]) -> NoReturn:
    import uvloop  # noqa: PLC0415

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(work)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # All that matters is on disk; taking the interpreter apart costs seconds on a busy machine.
    os._exit(code)
