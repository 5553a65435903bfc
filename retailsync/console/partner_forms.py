"""What people agree with a partner, as a form, and how it was agreed before; and what a new key is for."""

from datetime import date
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError

from canonical.models import System
from retailsync.partners.models import LONGEST_ANSWER, SCOPES, PartnerTerms

DAYS = {"1": "Mon", "2": "Tue", "3": "Wed", "4": "Thu", "5": "Fri", "6": "Sat", "7": "Sun"}
LABELS = {
    "answer_within": "Minutes to answer", "opens_at": "Opens", "closes_at": "Closes", "cut_off": "Cut-off",
    "working_days": "Working days", "holidays": "Holidays", "calls_per_minute": "Calls a minute",
}  # fmt: skip
HELP = {
    "answer_within": f"Working minutes, for requests, cancellations and other changes alike. At most {LONGEST_ANSWER:,}.",
    "cut_off": "What is asked after it counts from the next working day. Empty: until it closes.",
    "holidays": "One date a line, like 2026-12-25.",
    "calls_per_minute": "Of the partner API, all keys together.",
}
MOST_HOLIDAYS = 1_000
MOST_HOURS, MOST_DAYS = 720, 3_650


class Days(forms.MultipleChoiceField):
    """Days of the week, kept as their numbers in a row."""

    widget = forms.CheckboxSelectMultiple()

    def prepare_value(self, value: Any) -> list[str]:
        return list(value or ())

    def clean(self, value: Any) -> str:
        return "".join(sorted(super().clean(value)))


class Dates(forms.CharField):
    """Dates, one a line."""

    widget = forms.Textarea(attrs={"rows": 4, "class": "rs-code", "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, sorted(value))) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Raises ValidationError naming the first that is none."""
        found = set()
        for text in (value or "").split():
            try:
                found.add(date.fromisoformat(text))
            except ValueError as error:
                raise ValidationError(f"“{text[:40]}” is no date; write it like 2026-12-25.") from error
        if len(found) > MOST_HOLIDAYS:
            raise ValidationError(f"At most {MOST_HOLIDAYS:,} dates.")
        return sorted(found)

    def validate(self, value: Any) -> None:
        """None is as good as some."""


class TermsForm(forms.ModelForm):
    """The terms of one partner."""

    working_days = Days(choices=list(DAYS.items()), label=LABELS["working_days"])
    holidays = Dates(label=LABELS["holidays"], required=False, help_text=HELP["holidays"])

    class Meta:
        model = PartnerTerms
        fields = tuple(LABELS)
        labels = LABELS
        help_texts = HELP
        widgets = {
            name: forms.TimeInput(format="%H:%M", attrs={"type": "time"})
            for name in ("opens_at", "closes_at", "cut_off")
        }

    def clean(self) -> dict[str, Any]:
        """A day that has a length, and a cut-off within it."""
        cleaned: dict[str, Any] = super().clean()
        opens, closes, cut_off = (cleaned.get(name) for name in ("opens_at", "closes_at", "cut_off"))
        if opens and closes and opens >= closes:
            self.add_error("closes_at", "It must close after it opens, on the same day.")
        elif opens and closes and cut_off and not opens <= cut_off <= closes:
            self.add_error("cut_off", "It must lie between opening and closing.")
        return cleaned


class KeyForm(forms.Form):
    """A new key: who will use it, for what, for how long."""

    name = forms.CharField(
        label="Who will use it", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    system = forms.ModelChoiceField(System.objects.none(), label="For", empty_label=None)
    days = forms.IntegerField(
        label="Valid for days",
        required=False,
        min_value=1,
        max_value=MOST_DAYS,
        help_text="Empty: until it is revoked.",
    )
    scopes = forms.MultipleChoiceField(
        label="What it may do", choices=[(name, f"{words} ({name})") for name, words in SCOPES.items()], initial=list(SCOPES),
        widget=forms.CheckboxSelectMultiple(),
    )  # fmt: skip

    def __init__(self, system: System, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["system"].queryset = environments(system)
        self.fields["system"].label_from_instance = _environment
        self.fields["system"].initial = system.pk
        if len(self.fields["system"].queryset) == 1:
            del self.fields["system"]


class RotateForm(forms.Form):
    """How long the key before stays valid, and the new one is."""

    hours = forms.IntegerField(min_value=1, max_value=MOST_HOURS)
    days = forms.IntegerField(required=False, min_value=1, max_value=MOST_DAYS)


def environments(system: System) -> Any:
    """The partner and what is played for it."""
    return System.objects.filter(pk=system.pk) | System.objects.filter(sandbox_of=system, connector="partner")


def _environment(system: System) -> str:
    return f"{system.name}: played, nothing is real" if system.sandbox_of_id else f"{system.name}: live"


# ---- earlier terms ----------------------------------------------------------------------------------------------------------
class Version(NamedTuple):
    """One time somebody changed the terms: what, from what to what."""

    at: Any
    who: str
    changes: list[str]


def versions(system: System, most: int = 20) -> list[Version]:
    """How the terms came about, the newest first."""
    rows = list(
        PartnerTerms.history.filter(system=system).select_related("history_user").order_by("-history_id")[: most + 1]
    )
    before = [*rows[1:], PartnerTerms(system=system)]
    pairs = zip(rows[:most], before, strict=False)
    return [Version(row.history_date, str(row.history_user or "–"), _changes(old, row)) for row, old in pairs]


def _changes(old: Any, new: Any) -> list[str]:
    return [
        f"{label}: {_said(name, getattr(old, name))} → {_said(name, getattr(new, name))}"
        for name, label in LABELS.items()
        if getattr(old, name) != getattr(new, name)
    ]


def _said(name: str, value: Any) -> str:
    if name == "working_days":
        return " ".join(DAYS[day] for day in value)
    if name == "holidays":
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else f"{value:%H:%M}" if hasattr(value, "hour") else f"{value:,}"


def in_words(terms: PartnerTerms, zone: str) -> str:
    """The terms in one sentence."""
    cut_off = f"; what is asked after {terms.cut_off:%H:%M} counts from the next working day" if terms.cut_off else ""
    return (
        f"An answer is due within {terms.answer_within:,} working minutes: {_said('working_days', terms.working_days)},"
        f" {terms.opens_at:%H:%M} to {terms.closes_at:%H:%M} in {zone}{cut_off}."
    )
