"""Which address answers what, except /hooks/ and /health/, which are served in front of Django (wsgi.py)."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/operate/", include("retailsync.console.operate")),
    path("admin/stock/", include("retailsync.console.why")),
    path("admin/timeline/", include("retailsync.console.timeline")),
    path("admin/search/", include("retailsync.console.search")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("retailsync.partners.urls")),
]
