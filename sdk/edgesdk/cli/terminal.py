"""Where a verb's words go: the result on stdout, everything else on stderr."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, RenderableType

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
        plain = not self.color or bool(os.environ.get("NO_COLOR"))
        width = None if sys.stdout.isatty() else RESULT_WIDTH
        self.out = Console(no_color=plain, highlight=False, markup=False, width=width)
        self.err = Console(
            stderr=True, no_color=plain, highlight=False, markup=False, soft_wrap=True
        )

    def result(self, document: Mapping[str, Any], *views: RenderableType) -> None:
        """Print the verb's result: one JSON object with --json, else the views for people."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
            sys.stdout.flush()
            return
        for view in views:
            # Text stays on its line, so that commands and paths can be copied; tables are fitted.
            self.out.print(view, soft_wrap=isinstance(view, str))

    def detail(self, text: str) -> None:
        """A line of log on stderr, with -v only."""
        if self.verbose:
            self.err.print(text, style="dim")

    def note(self, text: str) -> None:
        """A line on stderr that matters to the result; nothing with -q."""
        if not self.quiet:
            self.err.print(text)

    def live(self, text: str, *, end: str = "\n") -> None:
        """Words as they are recognised, on stderr; nothing with -q."""
        if not self.quiet:
            self.err.print(text, end=end)

    @contextmanager
    def progress(self, text: str) -> Iterator[None]:
        """Say on stderr what is being waited for: a spinner on a terminal, else a line with -v."""
        if self.quiet or not self.err.is_terminal:
            self.detail(text)
            yield
            return
        with self.err.status(text, spinner="dots"):
            yield
