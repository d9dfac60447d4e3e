"""What an owner may do with the appSecrets of a number."""

from datetime import timedelta

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal import credentials
from portal.models import ServiceNumber, User


class SecretForm(forms.Form):
    """`after` is the generation that the page showed as the latest, so that a form counts once."""

    after = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def issue(self, number: ServiceNumber, owner: User) -> credentials.IssuedSecret:
        """Raises credentials.SecretRefused."""
        self._refuse_nonsense()
        return credentials.issue(number, actor=owner, after=self.cleaned_data["after"])

    def _refuse_nonsense(self) -> None:
        if not self.is_valid():
            raise credentials.SecretRefused(
                gettext("No appSecret was made: the form was incomplete. Send it from this page.")
            )


class ResetForm(SecretForm):
    OVERLAPS = [
        ("24", _("work for 24 more hours")),
        ("1", _("work for 1 more hour")),
        ("72", _("work for 72 more hours")),
        ("0", _("stop working now")),
    ]
    overlap = forms.ChoiceField(label=_("The appSecrets of today"), choices=OVERLAPS)

    def issue(self, number: ServiceNumber, owner: User) -> credentials.IssuedSecret:
        self._refuse_nonsense()
        overlap = timedelta(hours=int(self.cleaned_data["overlap"]))
        after = self.cleaned_data["after"]
        return credentials.reset(number, actor=owner, overlap=overlap, after=after)
