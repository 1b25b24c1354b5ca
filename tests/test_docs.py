"""Generated pages are up to date, and no page leads nowhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from edgesdk.board import TIERS, load_boards

REPOSITORY = Path(__file__).resolve().parents[1]
ROOMS = (
    *("benchmarks", "boards", "converters", "docs", "examples"),
    *("firmware_templates", "sdk", "tests", "tools"),
)
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def test_operators_page_is_up_to_date() -> None:
    command = [sys.executable, str(REPOSITORY / "tools" / "operators.py"), "--check"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_pages_name_exist(page: Path) -> None:
    """Paths in code quotes that begin with a folder of the repository; NAME stands for any."""
    named = re.findall(rf"`((?:{'|'.join(ROOMS)})/[\w./-]+)`", page.read_text(encoding="utf-8"))
    missing = [name for name in named if not any(REPOSITORY.glob(name.replace("NAME", "*")))]
    assert not missing


def test_index_names_every_page() -> None:
    index = (REPOSITORY / "docs" / "index.md").read_text(encoding="utf-8")
    unnamed = [page.name for page in PAGES[1:] if f"({page.name})" not in index]
    assert [name for name in unnamed if name != "index.md"] == []


def test_readme_lists_every_board_at_its_tier() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    rows = {tier: re.findall(rf"^\| `{tier}`[^|]*\|(.*)\|$", text, re.MULTILINE) for tier in TIERS}
    listed = {tier: set(re.findall(r"`([^`]+)`", "".join(rows[tier]))) for tier in TIERS}
    boards = load_boards()
    assert listed == {tier: {it.name for it in boards if it.tier == tier} for tier in TIERS}
