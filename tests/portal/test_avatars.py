"""Pictures of service numbers: small, square and harmless, kept once, forgotten when unused."""

import io
import random

import pytest
from django.core.exceptions import ValidationError
from PIL import Image

from portal import numbers, pictures
from portal.models import Avatar
from tests import factories
from tests.pictures import picture, png_that_claims


def encoded(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(pictures.encode(io.BytesIO(content), len(content))))


def refusal(content: bytes) -> str:
    with pytest.raises(ValidationError) as refused:
        encoded(content)
    return refused.value.messages[0]


# Encoding ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("size", [(40, 20), (1, 4096), (700, 700)])
def test_it_becomes_a_square_png(kind, size):
    made = encoded(picture(kind, size))
    assert (made.format, made.size) == ("PNG", (256, 256))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_pixel_is_understood(mode):
    assert encoded(picture("PNG", mode=mode)).size == (256, 256)


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    animation = io.BytesIO()
    frames[0].save(animation, "GIF", save_all=True, append_images=frames[1:])
    made = encoded(animation.getvalue()).convert("RGB")
    assert made.getpixel((128, 128)) == (255, 0, 0)
    assert getattr(made, "n_frames", 1) == 1


def test_it_is_cropped_around_its_centre():
    wide = Image.new("RGB", (300, 100), "white")
    wide.paste((255, 0, 0), (100, 0, 200, 100))
    content = io.BytesIO()
    wide.save(content, "PNG")
    made = encoded(content.getvalue())
    assert made.getpixel((20, 128)) == made.getpixel((236, 128)) == (255, 0, 0)


def test_what_the_camera_wrote_into_it_is_gone():
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    made = encoded(picture("JPEG", exif=exif, comment=b"taken at home", icc_profile=b"taken"))
    assert (made.info, dict(made.getexif())) == ({}, {})


def test_a_photo_stands_upright():
    lying = Image.new("RGB", (100, 100), "white")
    lying.paste((255, 0, 0), (0, 0, 50, 100))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it clockwise: its left side is the top
    content = io.BytesIO()
    lying.save(content, "PNG", exif=exif)
    assert encoded(content.getvalue()).getpixel((128, 20)) == (255, 0, 0)


# Refusing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(4097, 1), (1, 60_000), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_seen_in_its_header(size):
    assert "4096" in refusal(png_that_claims(*size))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_file_that_breaks_off_is_refused(kind):
    noise = random.Random(1).randbytes(64 * 64 * 3)
    content = io.BytesIO()
    Image.frombytes("RGB", (64, 64), noise).save(content, kind)
    assert "cannot" not in refusal(content.getvalue()[: len(content.getvalue()) // 2])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"\x00" * 1000,
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        picture("BMP"),
        picture("TIFF"),
        png_that_claims(0, 0),
        png_that_claims(100, 100),
    ],
)
def test_what_is_no_picture_of_the_four_kinds_is_refused(content):
    assert "PNG, JPEG, WebP or GIF" in refusal(content)


def test_a_large_file_is_refused_unread():
    with pytest.raises(ValidationError, match="2 MB"):
        pictures.encode(io.BytesIO(b""), 2_000_001)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_damaged_files_are_refused_or_shown_and_nothing_else(kind):
    chance, sound = random.Random(2), picture(kind, (30, 30), "P" if kind == "GIF" else "RGB")
    for _attempt in range(300):
        damaged = bytearray(sound)
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            made = encoded(bytes(damaged))
        except ValidationError:
            continue
        assert made.size == (256, 256)


# Keeping ----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_same_picture_is_kept_once(alice):
    png = pictures.encode(io.BytesIO(picture()), 1)
    first = numbers.create(alice, "One", actor=alice, picture=png)
    second = numbers.create(alice, "Two", actor=alice, picture=png)
    assert first.avatar_digest == second.avatar_digest == Avatar.objects.get().digest


def test_a_picture_that_no_number_shows_is_forgotten(
    number, alice, django_capture_on_commit_callbacks
):
    for size in ((40, 20), (20, 40)):
        with django_capture_on_commit_callbacks(execute=True):
            numbers.edit(number, {}, actor=alice, picture=picture("PNG", size))
    number.refresh_from_db()
    assert Avatar.objects.get().digest == number.avatar_digest


def test_a_picture_that_another_number_shows_stays(
    number, alice, django_capture_on_commit_callbacks
):
    numbers.edit(factories.number(owner=alice), {}, actor=alice, picture=picture())
    numbers.edit(number, {}, actor=alice, picture=picture())
    with django_capture_on_commit_callbacks(execute=True):
        numbers.edit(number, {}, actor=alice, picture=b"")
    assert Avatar.objects.count() == 1


# The address ------------------------------------------------------------------------------------


@pytest.fixture
def address(number, alice) -> str:
    numbers.edit(number, {}, actor=alice, picture=picture())
    number.refresh_from_db()
    return f"/avatars/{number.avatar_digest}.png"


def test_anybody_sees_it(client, address):
    response = client.get(address)
    assert (response.status_code, response.content) == (200, picture())
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_it_may_be_kept_for_ever(client, address):
    assert client.get(address)["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "digest", ["0" * 64, "0" * 63, "A" * 64, "%00" * 64, "0" * 5000, "..", "é"]
)
def test_there_is_nothing_at_another_address(client, digest):
    assert client.get(f"/avatars/{digest}.png").status_code == 404


def test_it_is_only_read(client, address):
    assert client.post(address).status_code == 405
