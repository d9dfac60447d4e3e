"""The console's pages of the open interface: what called, and from where it may."""

from django.urls import path

from ddio_api.console import addresses, call_log

number = "console/numbers/<str:app_id>/"

urlpatterns = [
    path(f"{number}calls/", call_log.call_log, name="number-calls"),
    path(f"{number}credentials/addresses/", addresses.addresses, name="number-addresses"),
    path(
        f"{number}credentials/addresses/<int:network_id>/remove/",
        addresses.remove,
        name="address-remove",
    ),
]
