"""Entry point of `edgesdk`: one line per error, exit codes (docs/cli.md).

All that takes long to import is imported inside `main`, where Ctrl-C is answered.
"""

import errno
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from edgesdk.cli.standard_output import accept_any_text, cannot_write, drop, write_json
from edgesdk.errors import EdgeError

USAGE, DEFECT, INTERRUPTED = 2, 70, 130
GLOBAL_FLAGS = ("--debug", "--quiet", "-q", "--verbose", "-v", "-vv", "--no-color")


def hoist_global_flags(arguments: Sequence[str]) -> list[str]:
    """The arguments with the global flags first, so that they may stand after the verb too."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    head, tail = arguments[:end], arguments[end:]
    flags = [argument for argument in head if argument in GLOBAL_FLAGS]
    return [*flags, *(argument for argument in head if argument not in GLOBAL_FLAGS), *tail]


def _fail(
    arguments: Sequence[str],
    message: str,
    exit_code: int,
    details: Mapping[str, object] | None = None,
) -> int:
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
            **(details or {}),
        }
        with suppress(OSError):  # a stdout that fails may be what the line is about
            write_json(document)
    return exit_code


def _run(arguments: list[str]) -> int:
    from typer.main import get_command

    from edgesdk.cli.application import app

    code = get_command(app).main(
        args=arguments or ["--help"], prog_name="edgesdk", standalone_mode=False
    )
    return code if isinstance(code, int) else 0


def _report(arguments: Sequence[str], error: Exception) -> int:
    from typer import TyperException

    if "--debug" in arguments:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, EdgeError):
        return _fail(arguments, str(error), error.exit_code, error.details)
    if isinstance(error, TyperException):
        said = error.format_message().replace(": Value error, ", ": ").rstrip(".")
        return _fail(arguments, f"{said}; see --help", USAGE)
    return _fail(
        arguments,
        f"defect in edgesdk: {type(error).__name__}: {error}; please report it with the "
        "traceback that --debug shows",
        DEFECT,
    )


def _finish(arguments: Sequence[str], code: int) -> int:
    """Write out what stdout still holds; a reader that has gone is no error."""
    try:
        sys.stdout.flush()
    except OSError as error:
        drop()
        if code == 0 and not isinstance(error, BrokenPipeError):
            return _fail(arguments, str(cannot_write(error)), USAGE)
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    arguments = hoist_global_flags(list(sys.argv[1:] if argv is None else argv))
    accept_any_text()
    try:
        code = _run(arguments)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = 0
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            error = EdgeError(
                f"{error.filename or 'standard output or a file'}: cannot be written "
                f"({error.strerror}); free space or write elsewhere"
            )
        code = _report(arguments, error)
    if code == INTERRUPTED:
        _fail(arguments, "interrupted", code)
    return _finish(arguments, code)


if __name__ == "__main__":
    sys.exit(main())
