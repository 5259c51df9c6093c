"""Pixel noise: how strong it is, what it leaves alone, and that a lossless file keeps it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from storage.encode import write_video
from storage.noise import add_noise, noise_seed, realised_sigma
from storage.video import read_video

GREY = np.full((8, 96, 96, 3), 128, np.uint8)
RAMP = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None], (4, 64, 256, 3)).copy()


def difference(clean: np.ndarray, noisy: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.subtract(noisy, clean, dtype=np.int64)
    return result


@pytest.mark.parametrize("sigma", [10.0, 25.0, 50.0])
def test_realised_sigma_is_what_was_asked_for(sigma: float) -> None:
    noisy = add_noise(GREY, sigma, 7)
    assert realised_sigma(GREY, noisy) == pytest.approx(sigma, rel=0.02)
    assert difference(GREY, noisy).mean() == pytest.approx(0.0, abs=0.02 * sigma)
    # Each channel by itself: cv2.randn with one sigma on an array with channels leaves two of them without noise.
    for channel in range(3):
        assert difference(GREY, noisy)[..., channel].std() == pytest.approx(sigma, rel=0.03)


def test_noise_is_gaussian_and_independent_between_neighbours() -> None:
    noise = difference(GREY, add_noise(GREY, 10.0, 7)) / 10.0
    assert np.mean(np.abs(noise) < 1.05) == pytest.approx(0.706, abs=0.01)  # the values up to 10, P(|x| < 10.5)
    assert np.mean(np.abs(noise) < 2.05) == pytest.approx(0.960, abs=0.005)
    for axis in range(4):
        left, right = (
            np.take(noise, part, axis).ravel() for part in (range(noise.shape[axis] - 1), range(1, noise.shape[axis]))
        )
        assert abs(np.corrcoef(left, right)[0, 1]) < 0.02


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first = add_noise(GREY, 25.0, noise_seed(0, 3, "a"))
    cv2.randu(np.empty((5, 5), np.float32), np.zeros(1), np.ones(1))  # whatever was drawn in between
    np.testing.assert_array_equal(first, add_noise(GREY, 25.0, noise_seed(0, 3, "a")))
    for other in (noise_seed(0, 3, "b"), noise_seed(0, 4, "a"), noise_seed(1, 3, "a")):
        assert abs(np.corrcoef(first.ravel(), add_noise(GREY, 25.0, other).ravel())[0, 1]) < 0.02


def test_frames_get_different_noise_and_the_first_ones_do_not_depend_on_how_many_follow() -> None:
    noisy = add_noise(GREY, 25.0, 7)
    assert len({frame.tobytes() for frame in noisy}) == len(GREY)
    np.testing.assert_array_equal(noisy[:3], add_noise(GREY[:3], 25.0, 7))


def test_noise_of_many_blocks_is_as_wide_and_depends_neither_on_threads_nor_on_what_follows(monkeypatch) -> None:
    clean = np.full((8, 256, 256, 3), 128, np.uint8)  # three blocks of 2^19 values
    noisy = add_noise(clean, 10.0, 7)
    blocks = difference(clean, noisy).reshape(3, -1)
    assert blocks.std(axis=1) == pytest.approx(np.full(3, 10.0), rel=0.01)
    assert np.abs(np.corrcoef(blocks) - np.eye(3)).max() < 0.01
    np.testing.assert_array_equal(noisy[:3], add_noise(clean[:3], 10.0, 7))
    monkeypatch.setattr("os.cpu_count", lambda: -3)  # ThreadPoolExecutor() takes four more than there are cores
    np.testing.assert_array_equal(noisy, add_noise(clean, 10.0, 7))


@pytest.mark.parametrize("seed", [0, 1, 2, 12345])
def test_the_first_pixel_is_noise_too(seed: int) -> None:
    # OpenCV's first draw after seeding is the seed times a tiny factor: always 0 here.
    first = [add_noise(GREY[:1, :1, :1], 50.0, seed + 1000 * k)[0, 0, 0, 0] for k in range(20)]
    assert np.std(first) > 20.0


def test_the_input_stays_untouched() -> None:
    clean = RAMP.copy()
    clean.setflags(write=False)
    for sigma in (0.0, 50.0):
        result = add_noise(clean, sigma, 7)
        assert result.flags.writeable
        assert not np.shares_memory(result, clean)
    np.testing.assert_array_equal(clean, RAMP)
    np.testing.assert_array_equal(add_noise(clean, 0.0, 7), RAMP)


def test_values_saturate_instead_of_wrapping_round() -> None:
    black, white = np.zeros((1, 64, 64, 3), np.uint8), np.full((1, 64, 64, 3), 255, np.uint8)
    for clean in (black, white):
        noise = np.abs(difference(clean, add_noise(clean, 20.0, 7)))
        assert np.mean(noise == 0) == pytest.approx(0.51, abs=0.02)  # half of the noise, and what rounds to zero
        assert noise.max() < 6 * 20


def test_a_view_that_is_not_contiguous_is_noised_as_its_copy() -> None:
    view = RAMP[:, ::2, ::-1]
    np.testing.assert_array_equal(add_noise(view, 10.0, 7), add_noise(view.copy(), 10.0, 7))


def test_noise_seeds_are_stable_and_spread_over_31_bits() -> None:
    assert noise_seed(0, 0, "sample") == 1385081598
    seeds = {noise_seed(seed, index, name) for seed in range(8) for index in range(8) for name in "abcdefgh"}
    assert len(seeds) == 512
    assert 0 <= min(seeds) < 2**25
    assert 2**31 - 2**25 < max(seeds) < 2**31
    assert noise_seed(1, 11, "a") != noise_seed(11, 1, "a")


@pytest.mark.parametrize("sigma", [10.0, 50.0])
def test_a_lossless_file_keeps_the_noise_to_the_byte(tmp_path: Path, sigma: float) -> None:
    noisy = add_noise(RAMP, sigma, noise_seed(0, 1, "ramp"))
    write_video(tmp_path / "noisy.avi", noisy, 8.0, "ffv1")
    decoded = read_video(tmp_path / "noisy.avi").frames
    np.testing.assert_array_equal(decoded, noisy)
    assert realised_sigma(RAMP, decoded) == pytest.approx(sigma, rel=0.02)


@pytest.mark.parametrize("sigma", [10.0, 25.0])
def test_dark_and_bright_values_do_not_bias_the_realised_sigma(sigma: float) -> None:
    noisy = add_noise(RAMP, sigma, 7)
    assert difference(RAMP, noisy).std() < 0.98 * sigma  # saturation would show
    assert realised_sigma(RAMP, noisy) == pytest.approx(sigma, rel=0.015)


def test_realised_sigma_by_hand() -> None:
    clean = np.full((1, 1, 2, 3), 100, np.uint8)
    noisy = clean + np.array([[[[1, 3, 1], [3, 1, 3]]]], np.uint8)
    assert realised_sigma(clean, noisy) == 1.0
    assert realised_sigma(clean, clean) == 0.0
    assert realised_sigma(np.zeros_like(clean), np.zeros_like(clean)) == 0.0


def test_realised_sigma_saturates_as_documented() -> None:
    assert realised_sigma(GREY, add_noise(GREY, 50.0, 7)) == pytest.approx(49.5, abs=0.3)
    assert realised_sigma(GREY, add_noise(GREY, 100.0, 7)) == pytest.approx(82.0, abs=0.5)


@pytest.mark.parametrize("sigma", [-1.0, -1e-9, float("nan"), float("inf"), 256.0])
def test_a_sigma_out_of_range_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match=r"sigma .* outside 0\.\.255"):
        add_noise(GREY, sigma, 7)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match=f"seed {seed} "):
        add_noise(GREY, 10.0, seed)


@pytest.mark.parametrize("frames", [GREY[0], GREY[..., :1], GREY.astype(np.float32)])
def test_frames_of_another_shape_or_type_are_refused(frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="give uint8"):
        add_noise(frames, 10.0, 7)


def test_frames_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot compare"):
        realised_sigma(GREY, GREY[:1])
    with pytest.raises(ValueError, match="cannot compare"):
        realised_sigma(GREY[:0], GREY[:0])
