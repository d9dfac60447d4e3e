"""System checks of what answering needs, by the variable's name."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error

from bots import master_keys, outbound, safety_lists


def vault_has_keys(**_kwargs: Any) -> list[CheckMessage]:
    return [Error(sentence, id="bots.E001") for sentence in master_keys.complaints()]


def master_keys_are_private(**_kwargs: Any) -> list[CheckMessage]:
    if not master_keys.is_file_open_to_all():
        return []
    message = f"{master_keys.FILE_VARIABLE}: everybody on this machine may read the file."
    hint = "Make its mode 400, also as a container's secret, and its owner who runs the platform."
    return [checks.Warning(message, hint=hint, id="bots.W001")]


def outbound_list_is_readable(**_kwargs: Any) -> list[CheckMessage]:
    return [Error(sentence, id="bots.E002") for sentence in outbound.check_allow_list()]


def local_model_is_there(**_kwargs: Any) -> list[CheckMessage]:
    path = settings.LOCAL_MODEL_PATH
    if not path or Path(path).expanduser().is_file():
        return []
    message = f"LOCAL_MODEL_PATH names no file: {path}. Unset it for the model that is included."
    return [Error(message, id="bots.E004")]


def blocked_words_are_readable(**_kwargs: Any) -> list[CheckMessage]:
    path = settings.BLOCKED_WORDS_FILE
    if not path:
        return []
    try:
        safety_lists.read_file(path)
    except (OSError, ValueError) as error:
        message = f"BLOCKED_WORDS_FILE cannot be read: {path} ({error})."
        return [Error(message, id="bots.E006")]
    return []


def leases_outlive_renewals(**_kwargs: Any) -> list[CheckMessage]:
    if settings.LEASE_SECONDS >= 2 * settings.LEASE_RENEWAL_SECONDS:
        return []
    message = (
        "LEASE_SECONDS must be at least twice LEASE_RENEWAL_SECONDS, or live answers are lost."
    )
    return [Error(message, id="bots.E003")]
