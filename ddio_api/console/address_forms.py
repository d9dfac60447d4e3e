"""What an owner may write on a number's IP list."""

from django import forms
from django.utils.translation import gettext_lazy as _

from portal import allowed_networks

LENGTH_AT_MOST = 100  # a network is shorter; what is longer is refused in words, not cut


class NetworkForm(forms.Form):
    """`anyway` is the address of which the page has said that it would be shut out."""

    network = forms.CharField(
        label=_("Address or network"),
        max_length=LENGTH_AT_MOST,
        help_text=_("IPv4 or IPv6, a network as CIDR: 203.0.113.7, 203.0.113.0/24, 2001:db8::/48"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    note = forms.CharField(
        label=_("Note"),
        max_length=allowed_networks.NOTE_LENGTH_AT_MOST,
        required=False,
        help_text=_("Which system this is, for example."),
    )
    anyway = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_network(self) -> str:
        return allowed_networks.parse(self.cleaned_data["network"])
