"""What people type about their service numbers."""

import re
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import RegexValidator
from django.db import transaction
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal import moderation, numbers, pictures
from portal.categories import Category
from portal.fields import LinesField
from portal.models import ServiceNumber, User

Files = MultiValueDict[str, UploadedFile]

NAME_LENGTH_AT_MOST = 60
INTRODUCTION_LENGTH_AT_MOST = 500
HANDLE_LENGTH_AT_MOST = 40
_HANDLE = re.compile(r"\A[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\Z")


class PictureField(forms.FileField):
    """A picture that is small, square and harmless when it is clean: PNG bytes, or None."""

    widget = forms.FileInput(
        attrs={
            "accept": "image/png,image/jpeg,image/webp,image/gif",
            "data-bytes-at-most": pictures.BYTES_AT_MOST,
            "data-too-large": _(
                "The picture is larger than 2 MB. Make it smaller, then choose it."
            ),
        }
    )

    def clean(self, data: Any, initial: Any = None) -> bytes | None:
        upload = super().clean(data, initial)
        if not isinstance(upload, UploadedFile) or upload.file is None:
            return None
        return pictures.encode(upload.file, upload.size or 0)


class NumberForm(forms.Form):
    """What a number's profile holds."""

    name = forms.CharField(
        label=_("Name"),
        max_length=NAME_LENGTH_AT_MOST,
        help_text=_("What people see. It cannot be changed once the service number is approved."),
    )
    introduction = LinesField(
        label=_("Introduction"),
        max_length=INTRODUCTION_LENGTH_AT_MOST,
        required=False,
        help_text=_(
            "What it is for, in a sentence or two, up to 500 characters. It is needed for the"
            " review."
        ),
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    category = forms.ChoiceField(
        label=_("Category"), choices=Category.choices, initial=Category.OTHER
    )
    picture = PictureField(
        label=_("Picture"),
        required=False,
        help_text=_("PNG, JPEG, WebP or GIF, up to 2 MB. It is cropped to a square."),
    )

    def profile(self) -> dict[str, str]:
        return {name: self.cleaned_data[name] for name in ("name", "introduction", "category")}

    def clean(self) -> dict[str, Any] | None:
        """Browsers never fill in a file again, so say that it was not kept."""
        if self.errors and self.cleaned_data.get("picture"):
            self.add_error("picture", gettext("Choose the picture again: it was not kept."))
        return super().clean()


class NewNumberForm(NumberForm):
    handle = forms.CharField(
        label=_("Link name"),
        max_length=HANDLE_LENGTH_AT_MOST,
        required=False,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        link = f"{settings.SITE_URL}/chat/…/"
        sentence = gettext(
            "The last part of its link, %(link)s: letters, digits and hyphens. "
            "Left empty, it is made from the name if that has Latin letters, else at random. "
            "It cannot be changed later."
        )
        self.fields["handle"].help_text = sentence % {"link": link}

    def clean_handle(self) -> str:
        handle = str(self.cleaned_data["handle"]).lower()
        if handle:
            sentence = gettext("Use letters, digits and hyphens, with no hyphen at either end.")
            RegexValidator(_HANDLE, sentence)(handle)
        if handle in numbers.RESERVED_HANDLES:
            raise forms.ValidationError(gettext("This link name is reserved. Choose another."))
        return handle

    def create(self, owner: User) -> ServiceNumber | None:
        """The new number; None, with the errors beside their fields, where it was refused."""
        given = self.cleaned_data
        try:
            return numbers.create(
                owner,
                actor=owner,
                handle=given["handle"],
                picture=given["picture"],
                **self.profile(),
            )
        except forms.ValidationError as error:
            self.add_error(None, error)
            return None


class ProfileForm(NumberForm):
    remove_picture = forms.BooleanField(label=_("Remove the picture"), required=False)

    def __init__(
        self, number: ServiceNumber, data: QueryDict | None = None, files: Files | None = None
    ) -> None:
        initial = {name: getattr(number, name) for name in ("name", "introduction")}
        initial["category"] = number.category or Category.OTHER
        super().__init__(data, files, initial=initial)
        self.number = number
        self.submits = data is not None and data.get("then") == "submit"
        self._keep_unlisted_category(number.category)
        if "name" not in numbers.editable(number):
            self.fields["name"].disabled = True
            self.fields["name"].help_text = gettext("Fixed: people know it by this name.")
        if not number.avatar_digest:
            del self.fields["remove_picture"]

    def _keep_unlisted_category(self, category: str) -> None:
        if category and category not in Category.values:
            chosen = self.fields["category"]
            chosen.choices = [*Category.choices, (category, category)]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any] | None:
        if self.submits and not self.cleaned_data.get("introduction", "-"):
            self.add_error("introduction", str(numbers.INTRODUCTION_NEEDED))
        return super().clean()

    def save(self, actor: User) -> bool:
        """Save and, where its owner wants that, submit: both or neither.

        False, with the errors in their places, where it was refused.
        """
        picture = self.cleaned_data["picture"]
        if picture is None and self.cleaned_data.get("remove_picture"):
            picture = b""
        try:
            with transaction.atomic():
                numbers.edit(self.number, self.profile(), actor=actor, picture=picture)
                if self.submits:
                    saved = ServiceNumber.objects.get(pk=self.number.pk)
                    numbers.submit(saved, actor=actor)
        except (numbers.EditRefused, moderation.TransitionRefused) as error:
            self.add_error(None, str(error))
        except forms.ValidationError as error:
            self.add_error(None, error)
        return not self.errors


class CloseForm(forms.Form):
    """The name, typed by hand before what cannot be undone."""

    typed = forms.CharField(max_length=NAME_LENGTH_AT_MOST)

    def close(self, number: ServiceNumber, actor: User) -> None:
        """Raises moderation.TransitionRefused, also where another name was typed."""
        if not self.is_valid() or self.cleaned_data["typed"] != number.name:
            raise moderation.TransitionRefused(
                gettext("Nothing was closed: what you typed is not its name.")
            )
        moderation.move(number, moderation.CLOSE, actor=actor)
