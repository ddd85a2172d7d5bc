"""docs/format.md names every finding that `memshim check` can print, and no other."""

import ast
import re
from pathlib import Path

from memshim.store import check

FORMAT = Path(__file__).resolve().parents[2] / "docs" / "format.md"


def test_the_documented_names_are_those_of_the_findings():
    calls = [node for node in ast.walk(ast.parse(Path(check.__file__).read_text())) if isinstance(node, ast.Call)]
    made = {ast.literal_eval(call.args[1]) for call in calls if getattr(call.func, "id", "") == "Finding"}
    invariants = FORMAT.read_text().split("## Invariants")[1].split("\n## ")[0]
    documented = {name for names in re.findall(r"\[([a-z, -]+)\]", invariants) for name in names.split(", ")}
    assert documented == made
