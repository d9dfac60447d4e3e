"""The map of the site."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from portal import health, views

# Django's own form knows neither the second factor nor the limits of the site's login.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", views.home, name="home"),
    path(
        "accounts/first-administrator/<str:token>/",
        views.first_administrator,
        name="first-administrator",
    ),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("platform/api2/", include("ddio_api.urls")),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
]

handler400 = "ddio_api.fallbacks.bad_request"
handler404 = "ddio_api.fallbacks.not_found"
handler500 = "ddio_api.fallbacks.server_error"
