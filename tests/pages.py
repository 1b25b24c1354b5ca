"""HTML pages as a reader takes them: every tag closed in order, and the cells of tables."""

from html.parser import HTMLParser


class _Balance(HTMLParser):
    """Fails on tags that are not closed in order; collects the text of table rows."""

    VOID = ("meta", "br", "hr", "use")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


def table_rows(page: str) -> list[list[str]]:
    """Cells of every row of every table."""
    parser = _Balance()
    parser.feed(page)
    assert parser.open == []
    return parser.rows
