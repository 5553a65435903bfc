"""Certifications of partners: which clauses their software kept, and what they said that it follows from. Nobody changes one here."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from unfold.decorators import display

from retailsync.console import words
from retailsync.console.base import ReadOnly, Request
from retailsync.partners.clauses import DEMANDS
from retailsync.partners.sandbox_models import Certification

_TONES = {"running": "warn", "passed": "good", "failed": "bad", "waiting": "", "pass": "good", "fail": "bad"}


@admin.register(Certification)
class CertificationAdmin(ReadOnly):
    """Runs of all partners, the newest first."""

    page_template = "console/certification.html"
    list_display = ["partner", "state_word", "kept", "contract", "started", "finished"]
    list_filter = ["state"]
    list_select_related = ["system__sandbox_of"]
    ordering = ["-pk"]
    empty = "No certifications. A partner begins one with a sandbox key; give it one on its system's page."

    def get_queryset(self, request: Request) -> QuerySet[Certification]:
        kept = Count("clauses", filter=Q(clauses__verdict="pass"))
        return Certification.objects.annotate(asked=Count("clauses"), passed=kept)

    def page_queryset(self, request: Request) -> QuerySet[Certification]:
        return Certification.objects.select_related("system__sandbox_of")

    @display(description="Partner", ordering="system")
    def partner(self, row: Certification) -> str:
        return str(row.system.sandbox_of)

    @display(description="State", ordering="state")
    def state_word(self, row: Certification) -> str:
        return words.badge(row.get_state_display(), _TONES[row.state])

    @display(description="Clauses kept")
    def kept(self, row: Certification) -> str:
        return f"{row.passed}/{row.asked}"  # type: ignore[attr-defined]

    @display(description="Started", ordering="started_at")
    def started(self, row: Certification) -> str:
        return words.when(row.started_at, relative=True)

    @display(description="Finished", ordering="finished_at")
    def finished(self, row: Certification) -> str:
        return words.when(row.finished_at)

    def page(self, request: Request, row: Certification) -> dict[str, Any]:
        """Each clause with what it came to."""
        clauses = [
            {
                "clause": clause, "demands": DEMANDS.get(clause.name, "not asked for any more"),
                "verdict": words.badge(clause.get_verdict_display(), _TONES[clause.verdict]),
            }
            for clause in row.clauses.all()
        ]  # fmt: skip
        return {"title": f"Certification of {row.system.sandbox_of}", "state": self.state_word(row), "clauses": clauses}
