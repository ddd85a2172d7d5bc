"""The order of the layers, kept from one list; and what the path of `memshim append` may import."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "memshim"

# THE list, lowest first: a module imports from its own layer and from earlier ones, never from later ones.
# Names on one line stand side by side and do not import each other.
LAYERS = [
    ["errors"],
    ["text"],
    ["disk"],
    ["store"],
    ["agents"],
    ["daemon"],
    ["hook", "cli"],
    ["__init__", "__main__"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

# What reaches the outside world. `text` is a function of its arguments.
IMPURE = {
    "os",
    "posix",
    "io",
    "time",
    "random",
    "secrets",
    "uuid",
    "socket",
    "_socket",
    "select",
    "subprocess",
}
IMPURE |= {"pathlib", "shutil", "tempfile", "fcntl", "mmap", "threading", "asyncio", "multiprocessing"}
IMPURE_CALLS = {"open", "print", "input"}

# `hook` uses these before it has imported anything.
STANDARD_LIBRARY_ONLY = {"memshim.daemon.protocol", "memshim.daemon.client"}

# What an import of each costs is more than the whole of `memshim append` may cost.
NOT_ON_THE_HOT_PATH = {"click", "filelock", "portalocker", "watchdog", "json", "re", "typing", "dataclasses"}
NOT_ON_THE_HOT_PATH |= {"pathlib", "subprocess", "logging", "tempfile", "importlib.metadata"}

# To read, records are read and nothing is merged; click and its like cost more than all the rest.
NOT_TO_READ = NOT_ON_THE_HOT_PATH | {"shutil", "inspect", "memshim.text.merge.threeway"}

STANDARD = sys.stdlib_module_names | {"_sha2", "_sha256"}  # each of these two is only in some of the versions

LONGEST_FILE = 330
LONGEST_TEST = 400


def modules(package: Path) -> dict[str, Path]:
    """All modules of a folder named memshim, by their full names; a package goes by its own name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: set[str]) -> Iterator[tuple[int, str]]:
    """Every module that this one imports, with the line: lazily, for types only or by a constant name too.

    `from x import y` means x.y if that is a module of ours, else x.
    """
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                if (base, alias.name) == ("memshim", "__version__"):
                    continue  # a plain constant, for every layer
                yield node.lineno, f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            target = node.args[0]
            if called in ("import_module", "__import__") and isinstance(target, ast.Constant):
                yield node.lineno, str(target.value)


def layer(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def faults(package: Path) -> list[str]:
    """What is wrong with the imports below this folder, one sentence each."""
    found = []
    homes: dict[str, set[str]] = defaultdict(set)
    all_modules = modules(package)
    for name, path in all_modules.items():
        own = layer(name)
        if own not in RANK:
            found.append(f"{name} belongs to no layer; add {own} to LAYERS.")
            continue
        for line, target in imports(name, path, set(all_modules)):
            top = target.partition(".")[0]
            where = f"{name}, line {line}, imports {target}"
            if top == "memshim":
                theirs = layer(target)
                same_package = own == theirs and own not in ("__init__", "__main__")
                if theirs not in RANK:
                    found.append(f"{where}, which belongs to no layer.")
                elif not same_package and RANK[theirs] >= RANK[own]:
                    found.append(f"{where}, which is not below it.")
            elif top not in STANDARD:
                homes[top].add("memshim.cli" if top == "click" and own == "cli" else name)
                if name in STANDARD_LIBRARY_ONLY:
                    found.append(f"{where}, and may use the standard library only.")
            if own == "text" and (top in IMPURE or (top not in STANDARD and top != "memshim")):
                found.append(f"{where}, and text is pure.")
        if own == "text":
            found += [
                f"{name}, line {node.lineno}, calls {node.func.id}, and text is pure."
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS
            ]
    for top, importers in homes.items():
        if len(importers) > 1:
            found.append(f"{top} has several importers: {', '.join(sorted(importers))}.")
        if top == "click" and importers != {"memshim.cli"}:
            found.append(f"click is imported outside cli: {', '.join(sorted(importers))}.")
    return found


def test_imports_point_downwards_and_each_dependency_has_one_home() -> None:
    assert faults(PACKAGE) == []


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"text/a.py": "import re, zlib\nfrom memshim.errors import E\nfrom . import b"}, None),
        ({"text/a.py": "from memshim.disk import files"}, "not below"),
        ({"text/a.py": "def f():\n    from memshim.disk import files"}, "not below"),
        ({"text/a.py": "if TYPE_CHECKING:\n    from memshim.store.store import Store"}, "not below"),
        ({"text/a.py": "from ..disk import files"}, "not below"),
        ({"text/a.py": "from .. import disk", "disk/__init__.py": ""}, "not below"),
        ({"text/a.py": "import importlib\nimportlib.import_module('memshim.cli.main')"}, "not below"),
        ({"errors.py": "from memshim.text import entry"}, "not below"),
        ({"disk/a.py": "from memshim import Store"}, "not below"),
        ({"disk/a.py": "from memshim import __version__"}, None),
        ({"disk/a.py": "import memshim"}, "not below"),
        ({"hook.py": "from memshim.cli import main"}, "not below"),
        ({"cli/a.py": "from memshim.hook import main"}, "not below"),
        ({"cli/a.py": "from memshim.store import store\nfrom memshim.daemon import client"}, None),
        ({"__main__.py": "from memshim.cli import main\nfrom memshim import hook", "hook.py": ""}, None),
        ({"elsewhere.py": ""}, "no layer"),
        ({"text/a.py": "import os.path"}, "pure"),
        ({"text/a.py": "def f():\n    from time import monotonic"}, "pure"),
        ({"text/a.py": "import click"}, "pure"),
        ({"text/a.py": "open('x')"}, "pure"),
        (
            {"disk/a.py": "import filelock", "store/a.py": "from filelock import FileLock"},
            "several importers",
        ),
        ({"disk/a.py": "import filelock, portalocker"}, None),
        ({"cli/a.py": "import click", "cli/b.py": "from click import echo"}, None),
        ({"hook.py": "import click"}, "outside cli"),
        ({"cli/a.py": "import click", "__main__.py": "import click"}, "several importers"),
        ({"daemon/client.py": "import watchdog"}, "standard library only"),
    ],
)
def test_the_check_sees_what_it_is_there_to_see(tmp_path: Path, files: dict[str, str], fault: str | None) -> None:
    for name, text in files.items():
        path = tmp_path / "memshim" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = faults(tmp_path / "memshim")
    assert (found == []) if fault is None else any(fault in sentence for sentence in found), found


def test_every_third_party_import_is_declared() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = [line for name, lines in project["optional-dependencies"].items() if name != "dev" for line in lines]
    declared = {re.split(r"[^A-Za-z0-9_.-]", line)[0] for line in [*project["dependencies"], *extras]}
    all_modules = modules(PACKAGE)
    imported = {
        target.partition(".")[0]
        for name, path in all_modules.items()
        for _, target in imports(name, path, set(all_modules))
    }
    assert imported - STANDARD - {"memshim"} <= declared


def test_every_package_says_what_it_is_for() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    without = [
        str(folder.relative_to(REPOSITORY))
        for folder in sorted(folders)
        if not (folder / "__init__.py").is_file()
        or not ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    ]
    assert without == []


def test_no_file_is_too_long_and_none_is_a_drawer_for_everything() -> None:
    files = [path for folder in (PACKAGE, REPOSITORY / "tests") for path in folder.rglob("*.py")]
    lengths = {str(path.relative_to(REPOSITORY)): len(path.read_text().splitlines()) for path in files}
    assert {
        name: length
        for name, length in lengths.items()
        if length > (LONGEST_TEST if name.startswith("tests/") else LONGEST_FILE)
    } == {}
    assert [name for name in lengths if name.endswith("/utils.py")] == []


def loaded_modules(code: str) -> set[str]:
    """The modules that are loaded at the end of this code, in a process of its own."""
    # json is what must not be loaded, so the list is printed plainly, after the code is done.
    code += "\nimport sys\nsys.stderr.write('\\nmodules: ' + ' '.join(sys.modules) + '\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("modules: ")[2].split())


def loaded_by(*words: str) -> set[str]:
    """The modules that a command loads."""
    code = f"""
import sys
sys.argv = {json.dumps(["memshim", *words])}
from memshim.__main__ import main
try:
    answer = main()
except SystemExit as end:
    answer = end.code
if answer:
    raise RuntimeError(f"it ended with {{answer}}")
"""
    loaded_modules(code)  # the first append makes the store, and may take longer
    # What the environment itself loads at start (.pth files, a coverage tool) is not ours.
    return loaded_modules(code) - loaded_modules("")


@pytest.mark.skipif(not (PACKAGE / "__main__.py").exists(), reason="there is no command line yet")
def test_append_imports_nothing_that_costs(store_dir: Path) -> None:
    assert loaded_by("append", "--store", str(store_dir), "--no-publish", "- use uv") & NOT_ON_THE_HOT_PATH == set()


@pytest.mark.parametrize("words", [["log", "-n", "20"], ["blame"], ["show"]])
def test_reading_imports_nothing_that_costs_and_is_not_needed(store_dir: Path, words: list[str]) -> None:
    (store_dir / "MEMORY.md").write_text("- one\n")
    assert loaded_by(*words, "--store", str(store_dir)) & NOT_TO_READ == set()
