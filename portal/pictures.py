"""Pictures that people upload: made small, square and harmless, and kept once however often used.

What is stored is never what was sent: the pixels are encoded anew, so no metadata (where a photo
was taken), no script and no second file can ride along.
"""

import hashlib
import io
import struct
import threading
import zlib
from typing import IO, Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from portal.models import Avatar, ServiceNumber

# The server takes bodies of 2 MiB (portal.bridge); the form's other fields are in there too.
BYTES_AT_MOST = 2_000_000
PIXELS_A_SIDE_AT_MOST = 4096
SIDE = 256
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
# What Pillow's decoders die of when a file is cut off or lies about itself.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    struct.error,
    zlib.error,
    EOFError,
)

# Decoded, the largest allowed picture takes 64 MiB: one at a time in each process.
_one_at_a_time = threading.Lock()


def encode(file: IO[Any], size: int) -> bytes:
    """The picture as a square PNG without metadata; raises ValidationError for what is none.

    `size` in bytes. Of an animation the first frame is taken.
    """
    if size > BYTES_AT_MOST:
        raise ValidationError(
            _("The picture is larger than 2 MB. Make it smaller, then choose it.")
        )
    with _one_at_a_time:
        try:
            with Image.open(file, formats=FORMATS) as image:
                return _square(image)
        except Image.DecompressionBombError as error:
            raise ValidationError(_too_many_pixels()) from error
        except _BROKEN as error:
            raise ValidationError(
                _("This is no picture that can be read. Choose a PNG, JPEG, WebP or GIF file.")
            ) from error


def _too_many_pixels() -> str:
    sentence = _("The picture has more than %(side)d × %(side)d pixels. Make it smaller.")
    return sentence % {"side": PIXELS_A_SIDE_AT_MOST}


class _TooManyPixels(Image.DecompressionBombError):
    """Seen in the file's header, before a pixel is decoded."""


def _square(image: Image.Image) -> bytes:
    if max(image.size) > PIXELS_A_SIDE_AT_MOST:
        raise _TooManyPixels
    image.draft("RGB", (2 * SIDE, 2 * SIDE))  # a JPEG can be decoded at a fraction of its size
    upright = ImageOps.exif_transpose(image)
    flat = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    small = ImageOps.fit(flat, (SIDE, SIDE), method=Image.Resampling.LANCZOS)
    small.info.clear()
    encoded = io.BytesIO()
    small.save(encoded, "PNG", optimize=True)
    return encoded.getvalue()


def keep(png: bytes) -> str:
    """Store the picture and return its digest; call it inside the transaction that uses it.

    Where it is there already its row is written again, which locks it until that transaction ends:
    nobody forgets it meanwhile.
    """
    digest = hashlib.sha256(png).hexdigest()
    Avatar.objects.bulk_create(
        [Avatar(digest=digest, image=png)],
        update_conflicts=True,
        unique_fields=["digest"],
        update_fields=["image"],
    )
    return digest


def forget_unused(digest: str) -> None:
    """Delete the picture unless a number still shows it."""
    with transaction.atomic():
        kept = Avatar.objects.select_for_update().filter(digest=digest).first()
        if kept and not ServiceNumber.objects.filter(avatar_digest=digest).exists():
            kept.delete()
