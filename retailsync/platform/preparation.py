"""Makes a database ready to serve: tables, roles, static files, a first administrator. Starts nothing."""

import json
import secrets
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections

from retailsync.platform.keys import read_or_make

ADMIN = "admin"


def prepare() -> None:
    """Bring tables, roles and static files up to date."""
    call_command("migrate", interactive=False, verbosity=0)
    call_command("roles", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    connections.close_all()  # processes are forked next; a connection must not be shared


def ensure_admin(local: Path) -> str:
    """Make the development administrator unless it exists; return how to log in, in words."""
    known = json.loads(read_or_make(local / "admin.json", _new_login))
    users = get_user_model()._default_manager
    if not users.filter(username=known["username"]).exists():
        users.create_superuser(username=known["username"], password=known["password"])
    connections.close_all()
    return f"user {known['username']}, password {known['password']} (kept in {local / 'admin.json'})"


def _new_login() -> str:
    return json.dumps({"username": ADMIN, "password": secrets.token_urlsafe(12)})
