"""Every address of the console and every list action, with everybody, by GET and POST: who is let in stands in tables, and whoever is
refused changed nothing. An address nobody said anything about fails."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver

from canonical.models import AvailabilityRule, InboundShipment, Link, Offer, Oversell, Publication, Return
from retailsync.celery import app
from retailsync.console import roles
from retailsync.partners import certifying, feed, sandbox
from retailsync.partners.models import Delivery, PartnerKey
from retailsync.partners.webhooks import fanning, subscribing
from retailsync.sync import bell, clock, publishing, replaying
from retailsync.sync.models import ApprovalLimit, Case, SavedView
from retailsync.sync.models import Group as GroupOfCases
from tests.canonical.stocked import count, move, offered, reckon, snapshot, source
from tests.console.scene import morning
from tests.console.test_roles import member
from tests.world import make_world

# ---- who may what -----------------------------------------------------------------------------------------------------------
ANYBODY, STAFF, NOBODY, OWN = "anybody", "staff", "nobody", "whose it is"
ONLY_POST = ONLY_GET = "not by this method"
UNKNOWN, LEAVING = "no such page", "only by POST, but for who is outside"
PEOPLE = ("anonymous", "stranger", "viewer", "operator", "approver", "administrator", "superuser")
VERBS = ("add", "change", "delete")


class Need(NamedTuple):
    """What somebody needs for an address: a permission, or one of the words above."""

    get: str
    post: str


def press(permission: str) -> Need:
    return Need(ONLY_POST, permission)


def look(permission: str) -> Need:
    return Need(permission, permission)


#: What people may do with the rows of each model beside looking at them. The rest only the program writes.
EDITED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("canonical/location", "canonical/sourcing", "canonical/mapping", "canonical/shoppolicy"), VERBS),
    **dict.fromkeys(("canonical/availabilityrule", "canonical/stocksource", "auth/group"), VERBS),
    **dict.fromkeys((f"django_celery_beat/{m}" for m in ("periodictask", "intervalschedule", "crontabschedule")), VERBS),
    **dict.fromkeys(("sync/approvallimit", "canonical/inboundshipment", "canonical/return"), ("add", "change")),
    "canonical/system": ("add", "change"), "canonical/sku": ("change",), "auth/user": ("add", "change"),
}  # fmt: skip
READ = {
    *(f"sync/{name}" for name in ("case", "group", "replay", "message", "command", "attempt")),
    *(
        f"canonical/{name}"
        for name in ("stocklevel", "stockmovement", "stocksnapshot", "offer", "listing", "publication", "oversell")
    ),
    *(f"canonical/{name}" for name in ("order", "shipment", "entry", "customer", "product", "link")),
    "partners/certification",
    "partners/subscription",
}

WORK, SETS_UP = press("sync.change_case"), press("canonical.change_system")
CUSTOM: dict[str, Need] = {
    # ---- the site ----
    "": look(STAFF), "login/": look(ANYBODY), "logout/": Need(LEAVING, ANYBODY), "search/": look("canonical.view_order"),
    "jsi18n/": Need(STAFF, ONLY_GET),
    "password_change/": look(STAFF), "password_change/done/": Need(STAFF, ONLY_GET),
    "autocomplete/": Need("canonical.view_sku", ONLY_GET),
    "r/<path:content_type_id>/<path:object_id>/": look(UNKNOWN), "(?P<url>.*)$": look(UNKNOWN),
    "timeline/<str:kind>/<int:pk>/": look("canonical.view_order"),
    # ---- exceptions and orders ----
    **{f"sync/case/<int:pk>/{verb}/": WORK for verb in ("release", "preview", "correct", "settle", "close", "link")},
    **{f"sync/group/<int:pk>/{verb}/": WORK for verb in ("release", "assign", "snooze", "ignore", "show", "comment")},
    "sync/group/<int:pk>/fix/": press("canonical.change_mapping"), "sync/group/chosen/": WORK,
    "sync/group/views/": press("sync.view_group"), "sync/group/views/<int:pk>/drop/": Need(ONLY_POST, OWN),
    **{f"sync/replay/<int:pk>/{verb}/": WORK for verb in ("go", "ask", "again", "cancel")},
    **{f"sync/replay/<int:pk>/{verb}/": press("sync.approve_replay") for verb in ("approve", "refuse")},
    **{f"canonical/order/<int:pk>/{verb}/": WORK for verb in ("hold", "reship", "abandon", "lift", "cancel")},
    **{f"canonical/order/<int:pk>/{verb}/": WORK for verb in ("resend", "readdress", "outside")},
    **{f"canonical/customer/<int:pk>/{verb}/": press("canonical.change_customer") for verb in ("terms", "merge")},
    # ---- partners ----
    **{f"partners/subscription/<int:pk>/{verb}/": WORK for verb in ("enable", "redeliver", "deliveries/<int:delivery>/redeliver")},
    # ---- stock ----
    "canonical/stocklevel/<int:pk>/accept/": WORK,
    "canonical/stocksnapshot/<int:pk>/apply/": WORK, "canonical/stocksnapshot/<int:pk>/discard/": WORK,
    "canonical/publication/start/<int:channel>/": WORK,
    "canonical/stocksource/<int:pk>/adopt/": press("canonical.change_stocksource"),
    "stock/why/": look("canonical.view_offer"), "stock/why/<slug:channel>/<path:code>/": look("canonical.view_offer"),
    # ---- operating ----
    "operate/": Need("canonical.view_system", ONLY_GET),
    **{f"operate/system/<int:pk>/{verb}/": SETS_UP for verb in ("pause", "resume", "work", "probe", "end-secrets/<slug:name>")},
    **{f"operate/workflow/<slug:name>/{verb}/": SETS_UP for verb in ("pause", "resume")},
    # ---- set-up ----
    "canonical/mapping/coverage/<str:kind>/": look("canonical.view_mapping"),
    "canonical/system/<int:pk>/partner/": Need("partners.view_partnerterms", ONLY_GET),
    "canonical/system/<int:pk>/terms/": press("partners.change_partnerterms"),
    "canonical/system/<int:pk>/issue-key/": press("partners.add_partnerkey"),
    "canonical/system/<int:pk>/rotate-key/<int:key>/": press("partners.add_partnerkey"),
    "canonical/system/<int:pk>/revoke-key/<int:key>/": press("partners.change_partnerkey"),
    "auth/user/<id>/password/": look("auth.change_user"), "auth/user/<int:pk>/unlock/": press("auth.change_user"),
}  # fmt: skip

#: List actions, and what each needs.
ACTIONS = {
    ("sync/case", "release_selected"): "sync.change_case", ("sync/case", "close_selected"): "sync.change_case",
    ("canonical/customer", "merge_selected"): "canonical.change_customer",
    **dict.fromkeys(
        (("django_celery_beat/periodictask", f"{verb}_tasks") for verb in ("enable", "disable", "run")),
        "django_celery_beat.change_periodictask",
    ),
}  # fmt: skip


def need(route: str) -> Need:
    """What an address needs; KeyError where nobody said."""
    if route.startswith("^(?P<app_label>"):
        return look(UNKNOWN)  # but for who may see something of the app; their pages are walked one by one
    return CUSTOM[route] if route in CUSTOM else _usual(route)


def _usual(route: str) -> Need:
    """Django's own pages of a model."""
    app_label, model, rest = (*route.split("/", 2), "")[:3]
    name = f"{app_label}/{model}"
    may = {v: f"{app_label}.{v}_{model}" if v in EDITED.get(name, ()) else NOBODY for v in VERBS}
    if name not in {*EDITED, *READ}:
        raise KeyError(route)
    return {
        "": look(f"{app_label}.view_{model}"), "csv/": Need(f"{app_label}.view_{model}", ONLY_GET),
        "add/": look(may["add"]), "<path:object_id>/": look(STAFF),
        "<path:object_id>/change/": Need(f"{app_label}.view_{model}", may["change"]),
        "<path:object_id>/delete/": look(may["delete"]), "<path:object_id>/history/": look(f"{app_label}.view_{model}"),
        "^([^/]+)/history/([^/]+)/$": Need(f"{app_label}.view_{model}", may["change"]),
    }[rest]  # fmt: skip


def allowed(who: str, needed: str) -> bool:
    """Whether somebody meets a need."""
    if needed in (ANYBODY, NOBODY) or who == "anonymous":
        return needed == ANYBODY
    if needed == STAFF or who == "superuser":
        return True
    return who != "stranger" and needed in roles.rights(who.title())


def expected(who: str, method: str, needed: Need) -> str:
    """What becomes of a request."""
    what = getattr(needed, method)
    if what == LEAVING:
        return "let in" if who == "anonymous" else ONLY_POST
    if who == "anonymous" and what != ANYBODY:
        return "log in"
    if what in (ONLY_POST, UNKNOWN):
        return what
    if what == OWN:  # it is somebody else's: for who may have some, it is not there
        return UNKNOWN if allowed(who, "sync.view_group") else "refused"
    return "let in" if allowed(who, what) else "refused"


def verdict(answer: Any) -> str:
    """What became of it."""
    if answer.status_code == 302 and answer.url.startswith("/admin/login/"):
        return "log in"
    known = {403: "refused", 405: ONLY_POST, 404: UNKNOWN, 200: "let in", 302: "let in", 301: "let in"}
    return known.get(answer.status_code, str(answer.status_code))


# ---- the addresses ----------------------------------------------------------------------------------------------------------
def walk(patterns: list[Any], before: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


@cache
def routes() -> list[str]:
    """Every address below admin/, as it is written in the tables."""
    return [route.removeprefix("admin/") for route in walk(get_resolver().url_patterns) if route.startswith("admin/")]


def model_of(route: str) -> Any:
    """The model whose pages an address belongs to."""
    return apps.get_model(*route.split("/")[:2])


def first(route: str) -> int:
    """The row an address is tried with: without one, nothing would be shown by refusing it."""
    return model_of(route)._default_manager.order_by("pk").values_list("pk", flat=True)[0]


#: Rows an address needs where the first one will not do.
CHOSEN: dict[str, Callable[[], int]] = {
    "sync/group/<int:pk>/fix/": lambda: GroupOfCases.objects.get(reason="unknown_status").pk,
    "sync/group/views/<int:pk>/drop/": lambda: SavedView.objects.get().pk,
    **{
        f"canonical/system/<int:pk>/{page}/": lambda: PartnerKey.objects.get().system_id
        for page in ("revoke-key/<int:key>", "rotate-key/<int:key>", "issue-key", "partner", "terms")
    },
    **{
        f"auth/user/{page}/": lambda: User.objects.get(username="somebody").pk
        for page in ("<id>/password", "<int:pk>/unlock")
    },
    **{
        f"operate/system/<int:pk>/{verb}/": lambda: PartnerKey.objects.get().system_id
        for verb in ("pause", "resume", "work", "probe", "end-secrets/<slug:name>")
    },
    "r/<path:content_type_id>/<path:object_id>/": lambda: 1,
    "timeline/<str:kind>/<int:pk>/": lambda: Oversell.objects.get().order_id,
    **{f"auth/group/<path:object_id>/{page}/": lambda: Group.objects.get(name="Night shift").pk for page in VERBS},
    **{f"auth/user/<path:object_id>/{page}/": lambda: User.objects.get(username="somebody").pk for page in VERBS},
}


def address(route: str) -> str:
    """A route with real rows in it."""
    parts: dict[str, Callable[[], Any]] = {
        **dict.fromkeys(("pk", "id", "object_id"), lambda: CHOSEN.get(route, lambda: first(route))()),
        "name": lambda: "booking" if "workflow" in route else "webhook",
        "delivery": lambda: Delivery.objects.get().pk,
        "key": lambda: PartnerKey.objects.get().pk, "kind": lambda: "order" if "timeline" in route else "shop_status",
        "code": lambda: Offer.objects.all()[0].sku.code,
        "channel": lambda: Offer.objects.all()[0].channel.slug if "slug:channel" in route else Publication.objects.all()[0].channel_id,
        "content_type_id": lambda: 1, "app_label": lambda: "nothing", "url": lambda: "nothing/like/this/",
    }  # fmt: skip
    url = re.sub(r"<(?:\w+:)?(\w+)>", lambda m: str(parts[m[1]]()), re.sub(r"\(\?P(<\w+>)[^)]*\)", r"\1", route))
    if "([^/]+)" in url:
        row = model_of(route).history.order_by("history_id")[0]
        url = url.replace("([^/]+)", str(row.id), 1).replace("([^/]+)", str(row.history_id), 1)
    query = "?app_label=canonical&model_name=sourcing&field_name=sku" if route == "autocomplete/" else ""
    return f"/admin/{url.replace('^', '').replace('$', '')}{query}"


# ---- a console with a row of everything -------------------------------------------------------------------------------------
@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have been asked of workers."""
    asked: list[Any] = []
    monkeypatch.setattr(bell, "ring", lambda *args: asked.append(args))
    monkeypatch.setattr(app, "send_task", lambda *args, **more: asked.append(args))
    return asked


@pytest.fixture
def everything(db: None, told: list[Any]) -> None:
    roles.keep()
    scene = morning()
    world = make_world()
    offered(world, "SOAP", at=("W1", "W2"), quantity=10)
    source(world)
    count(world, SOAP=10)
    move(world, "m1", "SOAP", -1)
    snapshot(world, {"SOAP": 9})
    reckon()
    line = scene.orders[0].lines.get()
    Oversell.objects.create(
        order=line.order, line=line, sku=line.sku, channel=scene.shop, units=1, verdict="later", words="Gone."
    )
    arriving: dict[str, Any] = {"location": world.places["W1"], "stated_at": clock.now()}
    InboundShipment.objects.create(reference="PO-1", **arriving)
    Return.objects.create(reference="RMA-1", **arriving)
    Link.objects.create(system=scene.erp, entity="order", our_id=line.order_id, external_id="S00042")
    Publication.objects.create(channel=scene.shop)
    publishing.schedule(scene.shop.pk)
    AvailabilityRule.objects.create(threshold=2)
    PartnerKey.issue(scene.warehouse, "WMS")
    certifying.start(sandbox.ensure(scene.warehouse).twin.pk)
    subscribing.create(scene.warehouse.pk, "https://northpick.example.com/events", [])
    feed.write(scene.warehouse.pk, "webhook.enabled", "1", {})
    fanning.fan_out(scene.warehouse.pk)
    own = Group.objects.create(name="Night shift")
    own.permissions.add(Permission.objects.get(codename="view_case"))
    somebody = User.objects.create_user("somebody", is_staff=True)
    SavedView.objects.create(owner=somebody, name="Mine")
    ApprovalLimit.objects.create(pk=1)
    replaying.ask(replaying.Wish("All", "", list(Case.objects.values_list("pk", flat=True))), somebody)


@pytest.fixture
def clients(everything: None) -> dict[str, Client]:
    """Everybody, logged in."""
    by_role = {who: member(who, who.title()) for who in ("viewer", "operator", "approver", "administrator")}
    return {
        "anonymous": Client(),
        "stranger": member("stranger"),
        **by_role,
        "superuser": member("superuser", superuser=True),
    }


def written() -> dict[str, int]:
    """Rows each table was written so far in this transaction, also what was rolled back since. Sessions are everybody's own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables WHERE relname <> 'django_session'"
        )
        return dict(cursor.fetchall())


class Outcome(NamedTuple):
    """What became of one request, and what it did."""

    verdict: str
    wrote: dict[str, int]
    asked: list[Any]


def ask(client: Client, method: str, url: str, told: list[Any], data: Any = None) -> Outcome:
    """One request, and what it wrote and asked for, which is undone again."""
    kept, before = client.cookies.copy(), written()
    told.clear()
    with transaction.atomic():
        answer = getattr(client, method)(url, data or {})
        transaction.set_rollback(True)
    client.cookies = kept
    wrote = {name: rows for name, rows in written().items() if rows != before.get(name, 0)}
    return Outcome(verdict(answer), wrote, list(told))


# ---- the walk ---------------------------------------------------------------------------------------------------------------
def test_every_address_has_an_expectation() -> None:
    lost = []
    for route in routes():
        try:
            need(route)
        except KeyError:
            lost.append(route)
    assert lost == [], "say in EDITED, READ or CUSTOM who may come in"


def test_nothing_is_expected_of_addresses_that_are_gone() -> None:
    known = {"/".join(route.split("/")[:2]) for route in routes()}
    assert CUSTOM.keys() - set(routes()) == set() and {*EDITED, *READ} - known == set()


def test_an_address_nobody_spoke_of_is_found() -> None:
    for route in ("canonical/order/<int:pk>/burn/", "canonical/unicorn/", "operate/explode/"):
        with pytest.raises(KeyError):
            need(route)


def test_there_is_a_row_of_everything(everything: None) -> None:
    assert [model for model in admin.site._registry if not model._default_manager.exists()] == []


@pytest.mark.parametrize("who", PEOPLE)
def test_everybody_comes_in_where_they_may_and_nowhere_else(
    who: str, clients: dict[str, Client], told: list[Any]
) -> None:
    wrong = []
    for route in routes():
        url = address(route)
        for method in ("get", "post"):
            should, found = expected(who, method, need(route)), ask(clients[who], method, url, told)
            harmless = method == "post" and should == "let in"
            if found.verdict != should or (not harmless and (found.wrote or found.asked)):
                wrong.append(f"{method} {url}: {should}, found {found}")
    assert not wrong, "\n".join(wrong)


def test_a_request_that_writes_is_noticed(everything: None, told: list[Any]) -> None:
    """Shown once: otherwise the walk might prove nothing."""
    url = address("sync/case/<int:pk>/close/").replace(
        str(first("sync/case/")), str(Case.objects.get(target_kind="system").pk)
    )
    found = ask(member("olga", "Operator"), "post", url, told, {"why": "seen"})
    assert found.verdict == "let in" and {"sync_case", "sync_action"} <= found.wrote.keys()
    assert Case.objects.get(target_kind="system").closed_at is None, "and undone"


# ---- list actions -----------------------------------------------------------------------------------------------------------
def actions() -> list[tuple[str, str, Any]]:
    """Every list action there is: (model, name, its page)."""
    return [
        (f"{page.opts.app_label}/{page.opts.model_name}", name, page)
        for page in admin.site._registry.values()
        if page.actions is not None
        for _, name, _ in page._get_base_actions()
    ]


def action_need(model: str, name: str) -> str:
    if name == "delete_selected":
        app_label, _, rest = model.partition("/")
        return f"{app_label}.delete_{rest}" if "delete" in EDITED.get(model, ()) else NOBODY
    return ACTIONS[model, name]


def test_every_action_has_an_expectation() -> None:
    found = {(model, name) for model, name, _ in actions() if name != "delete_selected"}
    assert found == ACTIONS.keys()
    kinds = ("actions_list", "actions_row", "actions_detail", "actions_submit_line")
    assert [page for page in admin.site._registry.values() if any(getattr(page, kind, ()) for kind in kinds)] == []


@pytest.mark.parametrize("who", [who for who in PEOPLE if who != "anonymous"])
def test_actions_are_offered_and_carried_out_only_for_who_may(
    who: str, clients: dict[str, Client], told: list[Any]
) -> None:
    wrong = []
    request = RequestFactory().get("/")
    request.user = User.objects.get(username=who)
    for model, name, page in actions():
        may = allowed(who, action_need(model, name))
        rows = list(page.model._default_manager.order_by("pk").values_list("pk", flat=True)[:2])
        form = {"action": name, "_selected_action": rows, "post": "yes", "why": "seen"}
        found = ask(clients[who], "post", f"/admin/{model}/", told, form)
        if (name in page.get_actions(request)) != may or not rows or (not may and (found.wrote or found.asked)):
            wrong.append(f"{model} {name}: {may}, offered {name in page.get_actions(request)}, found {found}")
    assert not wrong, "\n".join(wrong)
