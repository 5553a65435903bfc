"""Permissions in words: what a person or a role may do, for who gives roles. Knows no request and decides nothing."""

from collections.abc import Iterable

from django.apps import apps
from django.contrib.auth.models import Permission, User

from retailsync.console import roles
from retailsync.console.words import plain

#: What a permission lets people do, where its name does not say it.
SAID = {
    "sync.change_case": "Release, settle and close exceptions; hold, reship and cancel orders; decide about stock figures",
    "sync.approve_replay": "Approve or refuse what a colleague asks to do in bulk",
    "canonical.change_customer": "Merge customers, and keep their VAT id and terms",
    "canonical.change_system": "Change systems and their secrets, pause them, and pause workflows",
    "canonical.change_sku": "Say whose statements about a SKU count",
    "partners.add_partnerkey": "Issue API keys to partners",
    "partners.change_partnerkey": "Revoke API keys of partners",
    "auth.change_user": "Change users, give them roles, and lift their lock-outs",
}
EVERYTHING = "Everything, also what no role allows: a superuser."
OFF = "Nothing: this account is switched off."
NOTHING = "Nothing yet: give them a role."


def code(permission: Permission) -> str:
    """How a permission is named here: `app.codename`."""
    return f"{permission.content_type.app_label}.{permission.codename}"


def of_user(user: User) -> list[str]:
    """What a person may do now."""
    if not user.is_active:
        return [OFF]
    if user.is_superuser:
        return [EVERYTHING]
    return told(user.get_all_permissions()) or [NOTHING]


def told(names: Iterable[str]) -> list[str]:
    """Permissions (`app.codename`) as sentences: what is seen first, then what is done."""
    names = set(names)
    usual = tuple(f"{verb}_" for verb in ("view", *roles.ALL))
    others = sorted(name for name in names - SAID.keys() if not name.partition(".")[2].startswith(usual))
    return [*_seen(names), *(SAID[name] for name in SAID if name in names), *_done(names - SAID.keys()), *others]


def _seen(names: set[str]) -> list[str]:
    looks = {name for name in names if ".view_" in name}
    if roles.views() <= looks:
        return ["See everything"]
    return [f"See {', '.join(sorted(_thing(name) for name in looks))}"] if looks else []


def _done(names: set[str]) -> list[str]:
    """What can be added, changed and deleted: a line for all that is treated alike."""
    verbs: dict[str, list[str]] = {}
    for name in sorted(names):
        verb = name.partition(".")[2].partition("_")[0]
        if verb in roles.ALL:
            verbs.setdefault(_thing(name), []).append(verb)
    alike: dict[str, list[str]] = {}
    for thing, found in sorted(verbs.items()):
        alike.setdefault(_joined(found).capitalize(), []).append(thing)
    return [f"{what} {', '.join(things)}" for what, things in alike.items()]


def _joined(verbs: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(verbs[:-1]), verbs[-1]]))


def _thing(name: str) -> str:
    """The plural of what a permission is about."""
    app, _, code = name.partition(".")
    model = code.partition("_")[2]
    try:
        return str(apps.get_model(app, model)._meta.verbose_name_plural)
    except LookupError:  # a permission a former version left behind
        return plain(model).lower()
