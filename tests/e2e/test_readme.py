"""What README.md tells a newcomer to type works as it stands there."""

import re
import shlex
from pathlib import Path

import pytest
from command_line import CommandLine

pytestmark = pytest.mark.needs_cc


def _commands(readme: str) -> list[list[str]]:
    """The edgesdk command lines of all sh blocks, in order."""
    blocks = re.findall(r"^```sh\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("edgesdk ")]


def test_commands_of_the_readme_work(
    repository: Path, edgesdk: CommandLine, tmp_path: Path
) -> None:
    commands = _commands((repository / "README.md").read_text(encoding="utf-8"))
    verbs = [command[0] for command in commands]
    assert set(verbs) == {
        *("doctor", "boards", "convert", "inspect", "emulate"),
        *("flash", "devices", "run", "validate"),
    }
    (tmp_path / "examples").symlink_to(repository / "examples")
    for command in commands:
        edgesdk.ok(*command, cwd=tmp_path)
    assert (tmp_path / "out" / "report" / "report.html").is_file()


def test_make_targets_of_the_readme_exist(repository: Path) -> None:
    wanted = set(re.findall(r"`?make (\w+)", (repository / "README.md").read_text("utf-8")))
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    assert {"demo", "test", "fix", "bench"} <= wanted
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in wanted)
