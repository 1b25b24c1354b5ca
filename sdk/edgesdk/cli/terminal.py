"""Where a verb's words go: the result on stdout, everything else on stderr."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Timer
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from edgesdk.cli.standard_output import cannot_write, write_json

PATIENCE_S = 1.0  # without a spinner, what takes longer than this is named
RESULT_WIDTH = 110  # columns of a table where stdout is not a terminal


@dataclass
class Terminal:
    """The user's choices about output, and the two streams made from them."""

    as_json: bool = False
    quiet: bool = False
    verbose: int = 0
    color: bool = True
    out: Console = field(init=False)
    err: Console = field(init=False)

    def __post_init__(self) -> None:
        width = None if sys.stdout.isatty() else RESULT_WIDTH
        self.out = self._console(stderr=False, width=width)
        self.err = self._console(stderr=True, width=None)

    def _console(self, *, stderr: bool, width: int | None) -> Console:
        """A console; without any escape sequence where it is no terminal or is to be plain."""
        stream = sys.stderr if stderr else sys.stdout
        plain = not self.color or bool(os.environ.get("NO_COLOR")) or not stream.isatty()
        return Console(
            stderr=stderr,
            width=width,
            color_system=None if plain else "auto",
            force_terminal=False if plain else None,
            highlight=False,
            markup=False,
            soft_wrap=stderr,
        )

    def result(self, document: Mapping[str, Any], *views: RenderableType) -> None:
        """Print the verb's result: one JSON object with --json, else the views for people."""
        try:
            if self.as_json:
                write_json(document)
            else:
                for view in views:
                    # Text stays on its line, so that commands can be copied; tables are fitted.
                    self.out.print(view, soft_wrap=isinstance(view, str))
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise cannot_write(error) from error

    def note(self, text: str) -> None:
        """A line on stderr that matters to the result; nothing with -q."""
        if not self.quiet:
            self.err.print(text)

    def note_if(self, text: str | None) -> None:
        """The same where there is something to say."""
        if text is not None:
            self.note(f"note: {text}")

    def live(self, text: str, *, end: str = "\n") -> None:
        """Words as they are recognised, on stderr; nothing with -q."""
        if not self.quiet:
            self.err.print(text, end=end)

    @contextmanager
    def bar(self, text: str) -> Iterator[Callable[[str, float | None], None]]:
        """Like `progress`, with a bar; yields a function that says what is done, and how much."""
        if not self.err.is_terminal or self.quiet:
            with self.progress(text):
                yield lambda _, __: None
            return
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=self.err,
            transient=True,
        ) as shown:
            task = shown.add_task(text, total=None)

            def show(what: str, fraction: float | None) -> None:
                total = None if fraction is None else 1.0
                shown.update(task, description=what, total=total, completed=fraction or 0.0)

            yield show

    @contextmanager
    def progress(self, text: str) -> Iterator[Callable[[str], None]]:
        """Say on stderr what is being waited for; yields a function that says it anew.

        A spinner on a terminal; else one line, at once with -v, and after a while without.
        """
        if self.err.is_terminal and not self.quiet:
            with self.err.status(text, spinner="dots") as status:
                yield status.update
            return
        timer = Timer(0.0 if self.verbose else PATIENCE_S, self.note, (f"{text} ...",))
        timer.daemon = True
        timer.start()
        try:
            yield lambda _: None
        finally:
            timer.cancel()
