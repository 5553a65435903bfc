"""The demo: that each of its counts can fail, that a second start finds its world, and that it stops without a trace."""

import io
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from canonical.models import Location, Secret, System
from retailsync.partners.models import PartnerKey
from retailsync.platform.demo import places, table, unclean, world
from retailsync.platform.demo.background import running
from retailsync.platform.demo.screen import Screen
from retailsync.platform.demo.shopping import Basket, Line
from retailsync.platform.demo.watching import ErpLine, ErpOrder, ErpPicking, Request, Seen, ShopOrder, Stock
from retailsync.platform.processes import Program
from retailsync.platform.trouble import Trouble

ROOT = Path(__file__).parents[2]
URLS = {name: f"http://127.0.0.1:{8000 + n}" for n, name in enumerate(places.NAMES)}


# ---- the table --------------------------------------------------------------------------------------------------------------
def arrived() -> Seen:
    """A split order that went all the way: one unit from each warehouse."""
    basket = Basket(7, "7", Decimal("24.20"), [Line("W1-BOWL", 1), Line("W2-SOAP", 1)])
    shop = ShopOrder(7, "completed", "24.20", "split", {"W1-BOWL": 1, "W2-SOAP": 1}, [], 0, 100.0, ["A", "B"], 2, 104.0)
    pickings = [ErpPicking("outgoing", "done"), ErpPicking("outgoing", "done")]
    lines = [ErpLine("W1-BOWL", 1.0, 1.0), ErpLine("W2-SOAP", 1.0, 1.0)]
    erp = ErpOrder("WEB-7", "sale", Decimal("24.20"), 101.0, lines, pickings)
    requests = [Request("WEB-7", 100.5, True, False, 1, [f"S{n}"]) for n in (1, 2)]
    return Seen(basket, shop=shop, erp=[erp], requests=requests)


def judged(seen: list[Seen], complaints: dict[str, list[str]], *wrong: str) -> tuple[str, bool]:
    """The table of these orders, in a shop whose stock is as it should be but for these words."""
    return table.result(seen, complaints, Stock(2, list(wrong), 1))


def test_what_arrived_lacks_nothing() -> None:
    text, fine = judged([arrived()], {})
    assert fine
    assert re.findall(r"1 of 1", text) == ["1 of 1"] * len(table.CHECKS)
    assert "1.00 / 1.00" in text
    assert "0.50 / 0.50" in text


@pytest.mark.parametrize(
    ("where", "change", "lacking"),
    [
        (lambda seen: seen, {"erp": []}, ["in the ERP", "ERP total = shop total", "confirmed in the ERP", "goods issue in the ERP"]),
        (lambda seen: seen.erp[0], {"amount_total": Decimal("24.19")}, ["ERP total = shop total"]),
        (lambda seen: seen.erp[0], {"state": "draft"}, ["confirmed in the ERP"]),
        (lambda seen: seen.requests[0], {"accepted": False}, ["acknowledged by the warehouse"]),  # and not rejected either
        (lambda seen: seen.requests[0], {"shipped_units": 0}, ["shipped"]),
        (lambda seen: seen.erp[0].lines[0], {"delivered": 0.0}, ["goods issue in the ERP"]),
        (lambda seen: seen.erp[0].pickings[0], {"state": "assigned"}, ["goods issue in the ERP"]),
        (lambda seen: seen.shop, {"status": "processing"}, ["completed in the shop, tracking shown"]),
        (lambda seen: seen.shop, {"tracking": ["A"]}, ["completed in the shop, tracking shown"]),
    ],
)  # fmt: skip
def test_each_count_can_fail(where: Any, change: dict[str, Any], lacking: list[str]) -> None:
    seen = arrived()
    for name, value in change.items():
        setattr(where(seen), name, value)
    assert table.lacks(seen) == lacking
    text, fine = judged([seen], {"WEB-7": ["The ERP does not know W1-BOWL."]})
    assert not fine
    assert "WEB-7: not" in text
    assert "The ERP does not know W1-BOWL." in text


def test_one_warehouse_that_has_all_of_it_is_enough_and_none_is_not() -> None:
    seen = arrived()
    del seen.requests[1]
    seen.requests[0].shipped_units = 2
    assert table.lacks(seen) == []
    seen.requests[0].accepted, seen.requests[0].rejected = False, True
    assert "acknowledged by the warehouse" in table.lacks(seen)


def test_a_wrong_figure_in_the_shop_is_no_success() -> None:
    text, fine = judged([arrived()], {}, "W1-BOWL: the shop shows 3, 2 may be sold")
    assert not fine
    assert "1 of 2" in text
    assert "the shop shows 3, 2 may be sold" in text


@pytest.mark.parametrize(
    ("where", "change", "words"),
    [
        (lambda seen: seen, {"erp": arrived().erp * 2}, "2 orders in the ERP"),
        (lambda seen: seen.erp[0], {"pickings": [ErpPicking("outgoing", "done")] * 3}, "3 deliveries in the ERP for 2 shipments"),
        (lambda seen: seen.erp[0].lines[0], {"delivered": 2.0}, "more delivered in the ERP than ordered"),
        (lambda seen: seen.requests[0], {"doubled": True}, "requested twice of one warehouse"),
        (lambda seen: seen.requests[0], {"shipped_units": 2}, "3 units shipped of 2 ordered"),
        (lambda seen: seen.shop, {"fulfillments": 3}, "3 fulfilments in the shop for 2 shipments"),
        (lambda seen: seen.shop, {"tracking": ["A", "A"]}, "one tracking number shown twice in the shop"),
    ],
)  # fmt: skip
def test_whatever_exists_twice_is_told(where: Any, change: dict[str, Any], words: str) -> None:
    seen = arrived()
    for name, value in change.items():
        setattr(where(seen), name, value)
    assert words in list(table.doubles(seen))
    assert not judged([seen], {})[1]


def test_an_exception_of_no_order_is_told_too() -> None:
    text, fine = judged([arrived()], {"": ["This message was not understood."]})
    assert not fine
    assert text.endswith("exception: This message was not understood.")


def test_equal_exceptions_are_told_once_and_briefly() -> None:
    text, _ = judged([arrived()], {"": ["No such column.\nLINE 1", "No such column.\nLINE 2"]})
    assert text.endswith("exception: No such column. (2 times)")


def test_no_orders_are_no_success() -> None:
    assert not judged([], {})[1]


# ---- ports and screen -------------------------------------------------------------------------------------------------------
def test_free_ports_are_chosen_where_nobody_set_one() -> None:
    with socket.create_server(("127.0.0.1", places.FIRST)) if _is_free(places.FIRST) else socket.socket():
        chosen = places.choose({}, places.FIRST + 1)
    numbers = [int(url.rpartition(":")[2]) for url in chosen.values()]
    assert list(chosen) == ["shop", "erp", "w1", "w2"]
    assert len({*numbers, places.FIRST, places.FIRST + 1}) == 6


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_busy_port_names_the_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Trouble, match=f"^Port {port} is in use: choose another RETAILSYNC_DEMO_PORT"):
            places.choose({"RETAILSYNC_DEMO_PORT": str(port)}, 1)


@pytest.mark.parametrize("text", ["http", "0", "65533", "-1"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(Trouble, match=r"^RETAILSYNC_DEMO_PORT must be a port number"):
        places.choose({"RETAILSYNC_DEMO_PORT": text}, 1)


def test_without_a_terminal_a_line_comes_every_few_seconds() -> None:
    out = io.StringIO()
    screen = Screen(out)
    for count in range(3):
        screen.show(f"placed {count}")
    screen.say("done")
    assert out.getvalue() == "placed 0\ndone\n"


# ---- programs ---------------------------------------------------------------------------------------------------------------
def test_programs_behind_us_end_with_the_block(tmp_path: Path) -> None:
    with running([Program("sleeper", ["sleep", "61.5"])], tmp_path / "log") as programs:
        programs.check()
        _until(lambda: _sleepers() == 1)
    assert _sleepers() == 0


def test_a_program_that_ends_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    short = Program("short", [sys.executable, "-c", "raise SystemExit('no luck')"])
    with running([short], log) as programs, pytest.raises(Trouble, match=f"{log}"):
        _until(programs.check)
    assert "no luck" in log.read_text()


def _sleepers() -> int:
    return sum(process.info["cmdline"] == ["sleep", "61.5"] for process in psutil.process_iter(["cmdline"]))


def _until(true: Any) -> None:
    ends = time.monotonic() + 10
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


# ---- the world --------------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_second_start_finds_its_world_at_new_addresses(tmp_path: Path) -> None:
    first = world.ensure(tmp_path, URLS)
    moved = world.ensure(tmp_path, {**URLS, "w1": "http://127.0.0.1:9001"})
    assert _options(moved) == _options(first)
    assert moved.warehouses["W1"].settings["url"] == "http://127.0.0.1:9001/events"
    counts = [model._default_manager.count() for model in (System, Secret, Location, PartnerKey)]
    assert counts == [4, 6, 2, 2]


@pytest.mark.django_db
def test_the_sandboxs_key_is_the_same_at_every_start(tmp_path: Path) -> None:
    here = world.ensure(tmp_path, URLS)
    text = world.sandbox_key(here)
    assert text.startswith("rsk_sandbox_") and world.sandbox_key(world.ensure(tmp_path, URLS)) == text
    assert PartnerKey.objects.get(name="you").system.sandbox_of == here.warehouses["W1"]


def _options(here: world.World) -> list[list[str]]:
    """How each simulator is started, its port left out: keys and secrets stay."""
    return [list(program.command[5:]) for program in world.simulators(here, "http://ours")]


@pytest.mark.django_db
def test_stores_that_are_gone_are_told(tmp_path: Path) -> None:
    world.ensure(tmp_path / "one", URLS)
    with pytest.raises(Trouble, match=r"lost their data .* make clean-data"):
        world.ensure(tmp_path / "two", URLS)


@pytest.mark.django_db
def test_stores_of_another_database_are_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "journal.jsonl").write_text("old")
    world.ensure(tmp_path, URLS)
    assert list((tmp_path / "shop").iterdir()) == []


@pytest.mark.django_db
def test_a_database_with_real_systems_is_left_alone(tmp_path: Path) -> None:
    System.objects.create(slug="real", name="Real shop", connector="woocommerce", roles=["channel"])
    with pytest.raises(Trouble, match="already holds systems"):
        world.ensure(tmp_path, URLS)
    assert System.objects.count() == 1


# ---- for real ---------------------------------------------------------------------------------------------------------------
@pytest.fixture
def environ(open_folder: Path) -> Iterator[dict[str, str]]:
    """A data folder of its own, with servers of its own."""
    foreign = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
    given = {name: value for name, value in os.environ.items() if name not in foreign}
    environ = {**given, "RETAILSYNC_LOCAL": str(open_folder / "local")}
    yield environ
    subprocess.run([sys.executable, "-m", "retailsync.platform", "clean-data"], cwd=ROOT, env=environ, check=True)


@pytest.mark.slow
def test_orders_arrive_and_a_second_start_goes_on(environ: dict[str, str]) -> None:
    command = [sys.executable, "-m", "retailsync.platform", "run", "--", sys.executable, "manage.py", "demo"]
    done = subprocess.run([*command, "--orders", "18", "--exit"], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"(\d+) of \1", done.stdout)) == len(table.CHECKS) + 1  # and the shop's stock
    clean = [*command, "--unclean", "0"]
    with subprocess.Popen(clean, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as again:
        assert again.stdout
        lines = iter(again.stdout)
        printed = next(said for line in lines if (said := line.partition("in the sandbox of W1: ")[2]))
        assert any(re.search(r"completed [1-9].* exceptions 0", line) for line in lines)
        assert _certified(printed) == (0, [])
        wrong = printed.replace("docs/partner-guide/client.py", "tests/partners/wrong_client.py --wrong ships_twice")
        assert _certified(wrong) == (1, ["DUP-2", "ONCE-1"])
        started = psutil.Process(again.pid).children(recursive=True)
        again.send_signal(signal.SIGTERM)
        assert again.wait(60) == 0
    assert psutil.wait_procs(started, 5)[1] == []


def _certified(command: str) -> tuple[int, list[str]]:
    """Do as the demo says: how it ended, and the clauses that were not kept."""
    done = subprocess.run(
        [sys.executable, *shlex.split(command)[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.returncode, re.findall(r"^fail +(\S+)", done.stdout, re.MULTILINE)


# ---- orders to which something happened -------------------------------------------------------------------------------------
def odd(status: str = "completed", *, erp: str = "sale", shipped: bool = True, excepted: bool = False) -> Seen:
    """The same order, somebody having changed it."""
    seen = arrived()
    assert seen.shop is not None
    seen.unclean, seen.excepted, seen.shop.status, seen.erp[0].state = True, excepted, status, erp
    for request in seen.requests if not shipped else ():
        request.shipped_units, request.shipments = 0, []
    if not shipped:
        seen.erp[0].pickings, seen.shop.tracking = [], []
    return seen


def given_back(units: int) -> Seen:
    """Units of it were refunded before anything left; the shop keeps it open for its postage."""
    seen = odd("processing", shipped=False)
    assert seen.shop is not None
    seen.shop.refunded_units = units
    return seen


@pytest.mark.parametrize(
    ("seen", "end"),
    [
        (odd(), "completed"),
        (odd("cancelled", erp="cancel", shipped=False), "cancelled"),
        (odd("cancelled", erp="sale", shipped=False), ""),
        (odd("cancelled", erp="cancel"), ""),
        (odd("cancelled", erp="cancel", excepted=True), "with an open exception"),
        (odd("on-hold", erp="cancel", shipped=False), "waiting for payment"),
        (odd("refunded"), "refunded after shipping"),
        (odd("processing"), ""),
        (given_back(2), "refunded before shipping"),
        (given_back(1), ""),
    ],
)
def test_an_unclean_order_has_to_end(seen: Seen, end: str) -> None:
    assert unclean.end(seen) == end
    assert judged([seen], {})[1] == bool(end)


def test_two_live_orders_of_an_unclean_one_are_double() -> None:
    seen = odd()
    seen.erp.append(msgspec.structs.replace(seen.erp[0], pickings=[]))
    assert list(unclean.doubles(seen)) == ["2 live orders in the ERP"]
    assert not judged([seen], {})[1]
