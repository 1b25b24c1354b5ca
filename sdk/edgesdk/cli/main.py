"""Entry point of `edgesdk`: global options, one line per error, exit codes (docs/cli.md)."""

import json
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

from edgesdk import __version__
from edgesdk.cli import boards, convert, devices, doctor, emulate, flash, inspect, run, validate
from edgesdk.cli.terminal import Terminal
from edgesdk.errors import EdgeError

USAGE, DEFECT, INTERRUPTED = 2, 70, 130
GLOBAL_FLAGS = ("--debug", "--quiet", "-q", "--verbose", "-v", "-vv", "--no-color")

app = typer.Typer(
    name="edgesdk",
    help="Convert, flash, measure and emulate streaming RNN-T recognisers on microcontrollers.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
VERBS = (doctor, boards, devices, convert, inspect, emulate, flash, run, validate)
for verb in VERBS:
    app.command(verb.__name__.rpartition(".")[2])(verb.command)


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


def hoist_global_flags(arguments: Sequence[str]) -> list[str]:
    """The arguments with the global flags first, so that they may stand after the verb too."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    head, tail = arguments[:end], arguments[end:]
    flags = [argument for argument in head if argument in GLOBAL_FLAGS]
    return [*flags, *(argument for argument in head if argument not in GLOBAL_FLAGS), *tail]


def _fail(arguments: Sequence[str], message: str, exit_code: int) -> int:
    """Report an error: one line on stderr, and the one JSON object where --json asked for it."""
    verb = next((argument for argument in arguments if not argument.startswith("-")), "")
    line = " ".join(message.split())
    sys.stderr.write(f"{f'edgesdk {verb}'.strip()}: {line}\n")
    if "--json" in arguments:
        document = {
            "schema": "edgesdk.error",
            "version": 1,
            "verb": verb,
            "error": line,
            "exit_code": exit_code,
        }
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    return exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    arguments = hoist_global_flags(list(sys.argv[1:] if argv is None else argv))
    try:
        code = get_command(app).main(
            args=arguments or ["--help"], prog_name="edgesdk", standalone_mode=False
        )
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; do not complain about it at exit either
        return 0
    except Exception as error:
        if "--debug" in arguments:
            traceback.print_exc()
        if isinstance(error, EdgeError):
            return _fail(arguments, str(error), error.exit_code)
        if isinstance(error, typer.TyperException):
            return _fail(arguments, f"{error.format_message().rstrip('.')}; see --help", USAGE)
        return _fail(
            arguments,
            f"defect in edgesdk: {type(error).__name__}: {error}; please report it with the "
            "traceback that --debug shows",
            DEFECT,
        )


if __name__ == "__main__":
    sys.exit(main())
