"""Which address answers what, except /hooks/, which is served in front of Django (wsgi.py)."""

from django.contrib import admin
from django.urls import path

urlpatterns = [
    path("admin/", admin.site.urls),
]
