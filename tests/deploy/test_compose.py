"""deploy/compose.yaml against what the code knows: its queues, its commands, the variables it reads."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import load_command_class

from connectors.registry import CONNECTORS
from retailsync.celery import app
from retailsync.platform import health
from retailsync.platform.management.commands import run
from retailsync.sync import polling
from tests.deploy.plain_yaml import NotPlain, read

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "compose.yaml").read_text()
FILE = read(TEXT)
SERVICES: dict[str, Any] = FILE["services"]
OURS = {name: service for name, service in SERVICES.items() if "RETAILSYNC_ENV" in service["environment"]}
QUEUES = {route["queue"] for route in app.conf.task_routes.values()}
WORKERS = {name: service for name, service in OURS.items() if "worker" in service["command"]}


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_its_services_are_these() -> None:
    assert set(SERVICES) == {"postgres", "redis", "migrate", "web", "beat", *QUEUES}


def test_each_queue_has_a_worker_of_its_own() -> None:
    served = {name: service["command"][service["command"].index("--queues") + 1] for name, service in WORKERS.items()}
    assert served == {queue: queue for queue in QUEUES}


@pytest.mark.parametrize("name", sorted(set(OURS) - {"migrate"}))
def test_each_command_is_one_the_program_knows(name: str) -> None:
    python, manage, command, *words = OURS[name]["command"]
    assert (python, manage, command) == ("python", "manage.py", "run")
    parser = load_command_class("retailsync.platform", command).create_parser("manage.py", command)
    assert run.program_of(vars(parser.parse_args(words)), {"RETAILSYNC_BIND": "127.0.0.1:0"}).name == name


def test_all_but_the_migration_wait_for_it_and_it_waits_for_the_database() -> None:
    waits = {name: service["depends_on"] for name, service in OURS.items()}
    assert waits.pop("migrate") == {"postgres": {"condition": "service_healthy"}}
    ready = {"migrate": {"condition": "service_completed_successfully"}, "redis": {"condition": "service_healthy"}}
    assert waits == dict.fromkeys(set(OURS) - {"migrate"}, ready)


def test_a_worker_may_finish_the_longest_request() -> None:
    longest = max([polling.DEADLINE, *(send.deadline for c in CONNECTORS.values() for send in c.sends.values())])
    assert min(seconds(service["stop_grace_period"]) for service in WORKERS.values()) >= longest + 15


def test_every_service_restarts_and_says_how_it_is() -> None:
    assert {service["restart"] for name, service in SERVICES.items() if name != "migrate"} == {"unless-stopped"}
    silent = {name for name, service in SERVICES.items() if service["healthcheck"].get("disable")}
    assert silent == {"migrate", "beat"}
    assert [service.get("mem_limit") for service in OURS.values()].count(None) == 1  # the migration is short
    asked = re.search(r"/health/(\w+)'", " ".join(SERVICES["web"]["healthcheck"]["test"]))
    assert asked and asked[1] in health.QUESTIONS


def test_every_variable_handed_over_is_read() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "retailsync").rglob("*.py"))
    handed = {name for service in OURS.values() for name in service["environment"]}
    assert [name for name in sorted(handed) if f'"{name}"' not in sources] == []
    read_there = set(
        re.findall(r'"((?:DATABASE|REDIS)_URL|RETAILSYNC_[A-Z_]+)"', (ROOT / "retailsync" / "settings.py").read_text())
    )
    assert read_there - handed == {
        "RETAILSYNC_LOCAL",
        "RETAILSYNC_DEBUG",
    }  # the image's own folder; never in production
    assert {"RETAILSYNC_SECRET_KEY", "RETAILSYNC_KEYS"} <= handed


def test_the_example_names_every_variable_and_holds_no_secret() -> None:
    lines = (ROOT / "deploy" / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    uncommented = "\n".join(line for line in TEXT.splitlines() if not line.lstrip().startswith("#"))
    assert set(given) == set(re.findall(r"\$\{(\w+)", uncommented))
    required = set(re.findall(r"\$\{(\w+):\?\}", uncommented))
    assert {name for name, value in given.items() if not value} == required - {"RETAILSYNC_HOSTS"}


def test_volumes_are_declared_and_only_the_web_is_published() -> None:
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert used == set(FILE["volumes"])
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "web": ["${RETAILSYNC_PORT:-127.0.0.1:8000}:8000"]
    }


@pytest.mark.parametrize("text", ["a:\n  - 1", "a: |\n  b", "a: 1\na: 2", "a: b: c", "a:\n   b: 1", "a: *b"])
def test_what_the_reader_does_not_know_is_an_error(text: str) -> None:
    with pytest.raises(NotPlain):
        read(text)
