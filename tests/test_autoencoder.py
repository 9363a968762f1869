"""The shape autoencoder: its pictures, its recipe in small, and what ships."""

import functools
import re

import pytest
import torch

from helpers import models, session
from helpers.data import shapes
from tools import autoencoder, pretrain

ROLE = "shape autoencoder"


@pytest.fixture(scope="module")
def model():
    return models.load(ROLE)


@pytest.mark.parametrize("objects", [1, 2])
def test_what_is_left_out_is_in_no_picture(objects):
    kept = autoencoder.pictures(200, objects, seed=3)
    left_out = autoencoder.pictures(200, objects, seed=3, never=True)
    names = [f"{color} {shape}" for shape, color in autoencoder.NEVER]
    for made, expected in ((kept, False), (left_out, True)):
        assert len(made.images) == len(made.captions) == len(made.factors) == 200
        for caption, row in zip(made.captions, made.factors, strict=True):
            assert shapes.caption(row) == caption
            assert any(name in caption for name in names) == expected


def test_pictures_are_moved_around_their_edges():
    image = torch.arange(32.0).expand(2, 3, 32, 32)
    torch.manual_seed(0)
    seen = {int(autoencoder.moved(image)[0, 0, 0, 0]) for _ in range(300)}
    assert seen == {*range(5), *range(28, 32)}
    assert torch.equal(autoencoder.moved(image, reach=0), image)


def test_it_can_be_trained_again_with_the_same_result(monkeypatch, tmp_path):
    small = functools.partial(autoencoder.autoencoder, steps=3, batch=4, pool=40, n=10)
    judge = models.load("shape judge")
    monkeypatch.setattr(autoencoder.models, "load", lambda role: judge)
    monkeypatch.setitem(pretrain.MAKERS, ROLE, small)
    monkeypatch.setattr(session, "ROOT", tmp_path)
    contents = []
    for _ in range(2):
        assert pretrain.main([ROLE]) == 0
        place = models.folder(ROLE)
        assert {path.name for path in place.iterdir()} == {"README.md", models.WEIGHTS}
        assert "3 steps of 4 pictures" in (place / "README.md").read_text(encoding="utf-8")
        contents.append((place / models.WEIGHTS).read_bytes())
    assert contents[0] == contents[1]


def test_a_short_training_learns():
    torch.manual_seed(0)
    made = autoencoder.autoencoder(steps=120, batch=16, pool=200, n=50).model
    images = autoencoder.pictures(50, 1, seed=9).images
    with torch.inference_mode():
        error = (made.decode(made.encode(images)) - images).square().mean()
    assert error < 0.25 * (images - float(shapes.BACKGROUND)).square().mean()


def test_it_ships_small(model):
    assert (models.folder(ROLE) / models.WEIGHTS).stat().st_size < 1_000_000
    assert not any(weight.requires_grad for weight in model.parameters())


def test_shapes_and_scale_of_its_latents(model):
    images = autoencoder.pictures(300, 2, seed=8).images
    latents = model.encode(images)
    assert latents.shape == (300, 4, 8, 8) and model.decode(latents).shape == images.shape
    assert model.decode(model.encode(images[:, :, :16])).shape == (300, 3, 16, 32)
    both = torch.cat([latents, model.encode(autoencoder.pictures(300, 1, seed=8).images)])
    torch.testing.assert_close(both.mean(dim=(0, 2, 3)), torch.zeros(4), rtol=0, atol=0.1)
    torch.testing.assert_close(both.std(dim=(0, 2, 3)), torch.ones(4), rtol=0, atol=0.1)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 1, 32, 32), (1, 3, 30, 32)])
def test_it_refuses_other_pictures(model, shape):
    with pytest.raises(ValueError, match=r"^images must have shape \(N, 3, H, W\), .* not \("):
        model.encode(torch.zeros(shape))


def test_it_refuses_other_latents(model):
    with pytest.raises(ValueError, match=r"^latents must have shape \(N, 4, H, W\), not \(2, 256"):
        model.decode(torch.zeros(2, 256))


@pytest.mark.parametrize("objects", [1, 2])
@pytest.mark.parametrize("never", [False, True])
def test_it_does_what_its_card_says(model, objects, never):
    card = (models.folder(ROLE) / "README.md").read_text(encoding="utf-8")
    assert f"{sum(p.numel() for p in model.parameters()):,} weights" in card
    kind = "never in training" if never else "in training"
    said = re.search(rf"^\| {objects} \| {kind} \| ([\d.]+) \| ([\d.]+) \|", card, re.M).groups()
    psnr, kept, _ = autoencoder.measured(model, objects, never, 400, seed=77)
    assert psnr >= 28 and abs(psnr - float(said[0])) < 1
    assert kept >= 96 and abs(kept - float(said[1])) < 2.5
