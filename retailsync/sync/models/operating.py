"""What people stopped for a while."""

from django.db import models
from django.db.models.functions import Now


class Pause(models.Model):
    """A workflow that is paused: its commands are put out and wait. One row while it lasts, none when it goes on."""

    workflow = models.CharField(max_length=30, unique=True)
    who = models.CharField(max_length=150)
    why = models.TextField()
    since = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.workflow
