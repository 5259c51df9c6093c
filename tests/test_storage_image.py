"""Images as they are found: turned, grey, transparent, of 16 bits; those that cannot be used, with the reason."""

import io
import random

import numpy as np
import pytest
from PIL import Image

from storage.image import ImageError, png_bytes, read_image

CORNERS = np.array([[[250, 0, 0], [0, 250, 0]], [[0, 0, 250], [250, 250, 0]]], np.uint8)
"""Red, green, blue, yellow, row by row."""
RED, GREEN, BLUE, YELLOW = CORNERS.reshape(4, 3).tolist()
TURNS = {
    1: [[RED, GREEN], [BLUE, YELLOW]],
    2: [[GREEN, RED], [YELLOW, BLUE]],
    3: [[YELLOW, BLUE], [GREEN, RED]],
    4: [[BLUE, YELLOW], [RED, GREEN]],
    5: [[RED, BLUE], [GREEN, YELLOW]],
    6: [[BLUE, RED], [YELLOW, GREEN]],
    7: [[YELLOW, GREEN], [BLUE, RED]],
    8: [[GREEN, YELLOW], [RED, BLUE]],
}
"""How the corners are shown under each EXIF orientation; 6 is a quarter turn clockwise, what most phones write."""


def ramp(height=30, width=40):
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([4 * x, 5 * y, 60 + 2 * x + y], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("orientation", TURNS)
def test_an_image_is_shown_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(CORNERS).save(tmp_path / "x.png", exif=exif)
    assert read_image(tmp_path / "x.png").tolist() == TURNS[orientation]


def test_what_is_written_is_read_and_equal_images_have_equal_bytes(tmp_path):
    (tmp_path / "x.png").write_bytes(png_bytes(ramp()))
    assert np.array_equal(read_image(tmp_path / "x.png"), ramp())
    assert png_bytes(ramp()) == png_bytes(ramp().copy())


def test_grey_is_the_same_in_every_channel(tmp_path):
    Image.fromarray(ramp()[..., 0]).save(tmp_path / "x.png")
    assert np.array_equal(read_image(tmp_path / "x.png"), np.repeat(ramp()[..., :1], 3, axis=-1))


@pytest.mark.parametrize("value", [0, 255, 256, 0x8000, 0xFFFF])
def test_the_high_byte_of_16_bits_is_kept(tmp_path, value):
    Image.fromarray(np.full((3, 4), value, np.uint16)).save(tmp_path / "x.png")
    assert np.unique(read_image(tmp_path / "x.png")).tolist() == [value // 256]


def test_transparency_is_left_out(tmp_path):
    alpha = np.full((30, 40, 1), 7, np.uint8)
    Image.fromarray(np.concatenate([ramp(), alpha], axis=-1)).save(tmp_path / "x.png")
    assert np.array_equal(read_image(tmp_path / "x.png"), ramp())


def test_a_palette_becomes_its_colours(tmp_path):
    image = Image.fromarray(CORNERS).quantize(4)
    image.save(tmp_path / "x.png", transparency=bytes(4))
    assert read_image(tmp_path / "x.png").tolist() == CORNERS.tolist()


def test_of_an_animation_the_first_picture_is_shown(tmp_path):
    first, second = Image.new("RGB", (4, 3), (255, 0, 0)), Image.new("RGB", (4, 3), (0, 0, 255))
    first.save(tmp_path / "x.gif", save_all=True, append_images=[second])
    assert np.unique(read_image(tmp_path / "x.gif").reshape(-1, 3), axis=0).tolist() == [[255, 0, 0]]


def test_a_large_image_is_reduced_after_it_is_turned_and_a_small_one_is_not(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(ramp(40, 120)).save(tmp_path / "x.png", exif=exif)
    assert read_image(tmp_path / "x.png", max_pixels=1200).shape == (60, 20, 3)
    assert read_image(tmp_path / "x.png", max_pixels=4800).shape == (120, 40, 3)


def file(kind, pixels):
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind)
    return data.getvalue()


BROKEN = {
    "truncated.png": (png_bytes(ramp())[:-100], "cannot be decoded"),
    "truncated.jpg": (file("JPEG", ramp())[:-100], "cannot be decoded .*truncated"),
    "empty.png": (b"", "cannot be decoded"),
    "text.png": (b"no image", "cannot be decoded"),
    "floats.tiff": (file("TIFF", np.ones((4, 5), np.float32)), r"32 bits a value \(mode F\)"),
    "long.png": (png_bytes(np.zeros((2, 402, 3), np.uint8)), "402 x 2; one side may be 200 times"),
    "bomb.png": (  # a header that promises 60,000 x 60,000 pixels
        png_bytes(CORNERS)[:16] + (60_000).to_bytes(4, "big") * 2 + png_bytes(CORNERS)[24:],
        "cannot be decoded .*",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_image_that_cannot_be_used_is_named_with_the_reason(tmp_path, name):
    data, reason = BROKEN[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ImageError, match=f"{name}: .*{reason}"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("path", ["missing.png", "."])
def test_no_file_is_no_image(tmp_path, path):
    with pytest.raises(ImageError, match="no such image file"):
        read_image(tmp_path / path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of EXIF data; such an image is shown as it lies
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_damaged_image_is_read_or_named(tmp_path, kind):
    data, draw, path = io.BytesIO(), random.Random(kind), tmp_path / "x"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(ramp()).save(data, kind, exif=exif)
    errors = []
    for _ in range(60):
        damaged = bytearray(data.getvalue())
        for _ in range(draw.choice([1, 4, 16])):
            damaged[draw.randrange(draw.choice([len(damaged), 120]))] = draw.randrange(256)
        path.write_bytes(damaged[: draw.choice([len(damaged), draw.randrange(len(damaged))])])
        try:
            assert read_image(path, 400).dtype == np.uint8
        except ImageError as error:
            errors.append(str(error))
    assert len(errors) > 10
    assert all(error.startswith(f"{path}: ") for error in errors)
