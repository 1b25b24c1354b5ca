"""Results of desks as JUnit XML, in which only a wrong result is a failure."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from edgesdk.bench.examine import DeskResult
from edgesdk.bench.verdict import Verdict
from edgesdk.errors import EdgeError


def junit(results: Sequence[DeskResult], name: str) -> ElementTree.ElementTree:
    """One test case per desk; `type` is the verdict, `message` its cause in one line."""
    suite = ElementTree.Element("testsuite", name=name)
    for result in results:
        suite.append(_case(result))
    counts = {kind: len(suite.findall(f"testcase/{kind}")) for kind in ("failure", "error")}
    spent = sum(attempt.seconds for result in results for attempt in result.attempts)
    suite.set("tests", str(len(results)))
    suite.set("failures", str(counts["failure"]))
    suite.set("errors", str(counts["error"]))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    suite.set("time", f"{spent:.3f}")
    root = ElementTree.Element("testsuites")
    root.append(suite)
    return ElementTree.ElementTree(root)


def _case(result: DeskResult) -> ElementTree.Element:
    spent = sum(attempt.seconds for attempt in result.attempts)
    case = ElementTree.Element(
        "testcase", classname=f"hil.{result.board}", name=result.desk, time=f"{spent:.3f}"
    )
    properties = ElementTree.SubElement(case, "properties")
    facts: dict[str, object] = {"board": result.board, "tries": len(result.attempts)}
    for first in result.attempts[:-1]:
        facts["first_try"] = f"{first.verdict}: {first.cause}"
    for key, value in {**facts, **result.figures}.items():
        ElementTree.SubElement(properties, "property", name=key, value=str(value))
    last = result.last
    if last is None:
        ElementTree.SubElement(case, "skipped", message=result.disabled or "")
    elif last.verdict is not Verdict.PASSED:
        kind = "error" if last.verdict.is_error else "failure"
        message = f"{last.verdict}: {last.cause}"
        fault = ElementTree.SubElement(case, kind, type=last.verdict.value, message=message)
        fault.text = message
    return case


def write_junit(results: Sequence[DeskResult], name: str, path: Path) -> None:
    """Write the file.

    Raises:
        EdgeError: it cannot be written.
    """
    tree = junit(results, name)
    ElementTree.indent(tree)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tree.write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise EdgeError(f"{path}: cannot be written ({error.strerror}); check the path") from error
