"""The verbs and the global options of `edgesdk`; imports all that they need."""

import sys
from typing import Annotated

import typer

from edgesdk import __version__
from edgesdk.cli import (
    bias,
    board,
    boards,
    compare,
    convert,
    devices,
    doctor,
    emulate,
    flash,
    hil,
    history,
    inspect,
    new,
    rescore,
    run,
    validate,
)
from edgesdk.cli.terminal import Terminal

app = typer.Typer(
    name="edgesdk",
    help="Convert, flash, measure and emulate streaming RNN-T recognisers on microcontrollers.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its help has escape codes even with NO_COLOR
    context_settings={"help_option_names": ["-h", "--help"]},
)
VERBS = (
    *(doctor, boards, devices, convert, inspect, emulate, flash, run),
    *(compare, history, bias, rescore, validate, hil),
)
for verb in VERBS:
    app.command(verb.__name__.rpartition(".")[2])(verb.command)
GROUPS = {"board": board.group, "new": new.group}  # of verbs with a second word
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"edgesdk {__version__}\n")
        raise typer.Exit()


@app.callback()
def _options(
    context: typer.Context,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Errors and results only.")] = False,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Say more on stderr.")
    ] = 0,
    no_color: Annotated[bool, typer.Option("--no-color", help="As NO_COLOR=1.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Options that every verb takes, before or after its name."""
    context.obj = Terminal(quiet=quiet, verbose=verbose, color=not no_color)
