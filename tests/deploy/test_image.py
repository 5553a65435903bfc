"""The Dockerfile, read with care: there is no container engine where the tests run."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """(INSTRUCTION, the rest on one line), comments left out."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in joined.splitlines() if line.strip()]


def stages() -> list[list[Instruction]]:
    """The instructions of each stage, its FROM first."""
    found: list[list[Instruction]] = []
    for name, rest in instructions():
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


def test_everything_copied_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    copied = [shlex.split(rest) for name, rest in instructions() if name == "COPY" and "--from=" not in rest]
    sources = [source for words in copied for source in words[:-1]]
    assert sources == ["requirements.txt", "manage.py", "canonical", "connectors", "retailsync", "templates"]
    assert [source for source in sources if not (ROOT / source).exists() or source in ignored] == []


def test_every_package_of_ours_is_in_the_image() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    copied = {shlex.split(rest)[0] for name, rest in instructions() if name == "COPY"}
    assert packages <= copied


def test_base_images_and_requirements_are_pinned() -> None:
    bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", bases[0])
    wanted = [line.partition(";")[0] for line in (ROOT / "requirements.txt").read_text().splitlines()]
    assert [
        line for line in wanted if line and not line.startswith("#") and not re.match(r"[\w\[\]-]+==[\w.]+\s*$", line)
    ] == []


def test_the_last_stage_installs_nothing_and_runs_as_nobody_special() -> None:
    last = stages()[-1]
    runs = " ".join(rest for name, rest in last if name == "RUN")
    assert not re.search(r"\b(apt-get|apk|pip|gcc|curl)\b", runs)
    assert [rest for name, rest in last if name == "USER"] == ["retailsync"]
    user = next(i for i, (name, _) in enumerate(last) if name == "USER")
    assert {name for name, _ in last[user:]} == {"USER", "ENV", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "CMD"}


def test_keys_made_up_for_the_build_do_not_leave_it() -> None:
    build, last = stages()
    assert any("RETAILSYNC_LOCAL=/build " in rest for name, rest in build if name == "RUN")
    assert [shlex.split(rest)[-2:] for name, rest in last if name == "COPY" and "/build" in rest] == [
        ["/build/static", "/app/.local/static"]
    ]


@pytest.mark.parametrize("name", ["CMD", "HEALTHCHECK"])
def test_commands_are_run_without_a_shell(name: str) -> None:
    (said,) = (rest for instruction, rest in stages()[-1] if instruction == name)
    assert said.partition("CMD")[2].strip().startswith("[") or said.startswith("[")


def test_what_runs_says_its_words_at_once_and_stops_when_asked() -> None:
    last = stages()[-1]
    assert any(
        "PYTHONUNBUFFERED=1" in rest and "RETAILSYNC_ENV=production" in rest for name, rest in last if name == "ENV"
    )
    assert ("STOPSIGNAL", "SIGTERM") in last
    assert any("/health/live" in rest for name, rest in last if name == "HEALTHCHECK")
