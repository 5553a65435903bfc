"""The record of what staff edited, where a table is others' and keeps no versions."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse

from retailsync.console.base import Request
from retailsync.sync.models import Action


class Noted:
    """Rows whose tables belong to others keep no versions: each change of one goes into the record of what people did."""

    noted = ""  # what the record calls such a row
    change_form_outer_after_template = "console/noted_after.html"

    def note(self, request: Request, what: str, row: Any, why: str) -> None:
        """One line of the record."""
        Action.objects.create(
            who=request.user.get_username(),
            what=f"{what} {self.noted}",
            target_kind=self.noted,
            target_id=row.pk,
            why=why,
        )

    def save_model(self, request: Request, obj: Any, form: Any, change: bool) -> None:
        before = self.model.objects.get(pk=obj.pk) if change else None
        super().save_model(request, obj, form, change)
        parts = [
            f"{name}: {f'{getattr(before, name)} → ' if before else ''}{getattr(obj, name)}"
            for name in form.changed_data
        ]
        self.note(request, "change" if change else "add", obj, f"{obj}. {'; '.join(parts)}")

    def delete_model(self, request: Request, obj: Any) -> None:
        self.note(request, "delete", obj, str(obj))
        super().delete_model(request, obj)

    def delete_queryset(self, request: Request, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_model(request, row)

    def change_view(
        self, request: Request, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        known = object_id.isdecimal() and len(object_id) < 18
        actions = list(Action.objects.filter(target_kind=self.noted, target_id=object_id)[:20]) if known else []
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "actions": actions})
