"""What partners see of the sandbox."""

from typing import Any

from rest_framework import serializers

from retailsync.partners import clauses
from retailsync.partners.sandbox_models import Certification, Clause, SimulatedOrder


class Simulated(serializers.Serializer[Any]):
    """An order that is played, as the shop holds it now. What follows is seen in the requests."""

    order = serializers.CharField(help_text="The `order_reference` of what you will be asked.")
    status = serializers.ChoiceField(choices=SimulatedOrder.Status.choices)


class SimulatedReturn(serializers.Serializer[Any]):
    """A return that is played: ask for it among the returns."""

    def get_fields(self) -> dict[str, Any]:
        """`return` is no name of an attribute."""
        return {"return": serializers.CharField(help_text="Its reference.")}


class ClauseOutline(serializers.Serializer[Any]):
    """One clause and what it came to."""

    clause = serializers.CharField(source="name", help_text="Stable, e.g. SHIP-1.")
    demands = serializers.SerializerMethodField(help_text="What it asks for.")
    verdict = serializers.ChoiceField(choices=Clause.Verdict.choices)
    words = serializers.CharField(help_text="Why.")
    evidence = serializers.ListField(child=serializers.CharField(), help_text="What you said that it follows from.")

    def get_demands(self, clause: Clause) -> str:
        return clauses.DEMANDS.get(clause.name, "")


class ScenarioOutline(serializers.Serializer[Any]):
    """One scenario of a run."""

    scenario = serializers.CharField()
    order = serializers.CharField(
        allow_null=True, help_text="The order it is played with; null: it looks at all of them."
    )
    instructions = serializers.CharField()
    clauses = ClauseOutline(many=True)


class CertificationOutline(serializers.Serializer[Any]):
    """A run as it stands."""

    certification = serializers.IntegerField(source="pk")
    state = serializers.ChoiceField(choices=Certification.State.choices)
    contract = serializers.CharField(help_text="The version of the API and the mark of what may be said to it.")
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class CertificationDetail(CertificationOutline):
    """A run with its scenarios."""

    scenarios = ScenarioOutline(many=True)

    def to_representation(self, instance: Certification) -> dict[str, Any]:
        orders = dict(instance.orders.values_list("scenario", "reference"))
        held = list(instance.clauses.all())
        scenarios = [
            {
                "scenario": name, "order": orders.get(name), "instructions": scenario.instructions,
                "clauses": ClauseOutline([clause for clause in held if clause.scenario == name], many=True).data,
            }
            for name, scenario in clauses.SCENARIOS.items()
        ]  # fmt: skip
        return CertificationOutline(instance).data | {"scenarios": scenarios}


class CertificationPage(serializers.Serializer[Any]):
    """A page of runs."""

    items = CertificationOutline(many=True)
    next = serializers.CharField(allow_null=True)
