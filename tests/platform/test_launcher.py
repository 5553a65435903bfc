"""python -m retailsync.platform: exit codes and sentences, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


def launch(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "retailsync.platform", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True)


def test_the_command_gets_addresses_and_its_exit_code_is_ours() -> None:
    done = launch("run", "--", "sh", "-c", 'echo "$DATABASE_URL $REDIS_URL"; exit 7')
    assert done.returncode == 7
    assert done.stdout.split() == [os.environ["DATABASE_URL"], os.environ["REDIS_URL"]]


def test_a_command_ended_by_a_signal_is_told_as_a_shell_would() -> None:
    assert launch("run", "--", "sh", "-c", "kill -TERM $$").returncode == 128 + 15


@pytest.mark.parametrize("environ", [{"DATABASE_URL": "nonsense"}, {"REDIS_URL": "nonsense"}])
def test_a_bad_address_is_one_sentence(environ: dict[str, str]) -> None:
    done = launch("run", "--", "true", **environ)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{next(iter(environ))} must look like ")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_killed_launcher_takes_its_command_along() -> None:
    command = [sys.executable, "-m", "retailsync.platform", "run", "--", "sh", "-c", "echo $$; exec sleep 60"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout
        started = psutil.Process(int(launcher.stdout.readline()))
        launcher.kill()
        started.wait(10)


def test_an_unknown_command_shows_the_usage() -> None:
    done = launch("dance")
    assert (done.returncode, done.stderr.split(" ")[0]) == (2, "usage:")


@pytest.mark.parametrize("program", ["no-such-program", __file__])
def test_a_program_that_cannot_be_run_is_one_sentence(program: str) -> None:
    """A file that is no program was a traceback, and for whoever has a folder on PATH that may not be read, any unknown name."""
    done = launch("run", "--", program)
    assert (done.returncode, done.stderr) == (2, f"{program}: no such program that you may run.\n")


def test_manage_without_addresses_points_to_make() -> None:
    environ = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "REDIS_URL")}
    done = subprocess.run([sys.executable, "manage.py", "check"], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("DATABASE_URL is not set: use make up")
