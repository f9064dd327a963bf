"""The set-ups at 64 px: attacks with GANs on CelebA, as in the code of LOMMA, KED-MI and PLG-MI."""

from __future__ import annotations

from typing import Any

from studies.setups.statements import ALIGN, COMPARED, DEFENCES, KED, LOMMA, PLG, UNKNOWN, verified

CODE_64 = "code of LOMMA, KED-MI and PLG-MI"
MIDRE_64 = UNKNOWN
"""The paper's upper area for the 64 px set-ups is not public."""

TARGETS_64: dict[str, dict[str, Any]] = {
    "vgg16": {
        "architecture": "vgg16_linear",
        "says": "VGG16 with batch norm, 2,048 features, one linear layer",
        "title": "VGG16",
        "epochs": 50,
        "start": verified("torchvision's ImageNet weights of the convolutions", CODE_64),
        "weights": "ImageNet weights of torchvision's vgg16_bn",
        "natural": 0.8826,
    },
    "ir152": {
        "architecture": "ir152",
        "says": "IR-152 of face.evoLVe at 64 px",
        "title": "IR152",
        "epochs": 40,
        "start": verified("backbone trained on MS-Celeb-1M", CODE_64),
        "weights": "MS-Celeb-1M backbone IR-152 (face.evoLVe)",
        "natural": 0.9116,
    },
    "facenet64": {
        "architecture": "ir50",
        "says": "IR-50 of face.evoLVe at 64 px",
        "title": "FaceNet64",
        "epochs": 50,
        "start": verified("backbone trained on MS-Celeb-1M", CODE_64),
        "weights": "MS-Celeb-1M backbone IR-50 (face.evoLVe)",
        "natural": 0.8850,
    },
}

ATTACKS_64: dict[str, dict[str, Any]] = {
    "gmi": {
        "title": "GMI",
        "preset": "gmi",
        "says": verified(
            "WGAN-GP prior, 5 restarts of 1,500 to 2,400 steps, rate 0.02, loss 100 x cross-entropy", LOMMA
        ),
        "prior": "wgan",
        "differs": "the prior is this project's small GAN, trained for fewer steps, not the published one of 64 px",
    },
    "kedmi": {
        "title": "KED-MI",
        "preset": "kedmi",
        "says": verified("GAN with the target's soft labels, a distribution per person, 2,400 steps, 5 draws", KED),
        "prior": "wgan",
        "differs": "the GAN that is trained for every target is this project's small one",
    },
    "lomma": {
        "title": "LOMMA on GMI",
        "preset": "lomma",
        "says": verified(
            "logit loss, feature regularisation 1.0, three EfficientNet students, 2,400 steps, 5 seeds", LOMMA
        ),
        "prior": "wgan",
        "differs": "students are three small networks instead of EfficientNet-b0 to b2; the GAN is this project's",
    },
    "lomma_ked": {
        "title": "LOMMA on KED-MI",
        "preset": "lomma_ked",
        "says": verified("LOMMA's loss and students on KED-MI's GAN, 2,400 steps, 5 draws", LOMMA),
        "prior": "wgan",
        "differs": "students are three small networks instead of EfficientNet-b0 to b2; the GAN is this project's",
    },
    "plgmi": {
        "title": "PLG-MI",
        "preset": "plgmi",
        "says": verified("pseudo-labels (30 images a class), conditional GAN of 30,000 steps, 600 steps, 5 seeds", PLG),
        "prior": "wgan",
        "differs": "the conditional GAN that is trained for every target is this project's small one, 1,200 steps",
    },
    "brepmi": {
        "title": "BREP-MI",
        "preset": "brepmi",
        "says": verified(
            "hard labels, 32 points on growing spheres, 1,000 steps without growth end it", "code of BREP-MI"
        ),
        "prior": "wgan",
        "differs": "it attacks fixed people; the released code attacks those whom random samples reach",
    },
    "lokt": {
        "title": "LOKT",
        "preset": "lokt",
        "says": verified("hard labels, target-assisted GAN, three DenseNet surrogates, 600 steps", "code of LOKT"),
        "prior": "wgan",
        "differs": "surrogates are three small networks instead of three DenseNets; the GAN is this project's",
    },
}

PUBLIC_64: dict[str, dict[str, Any]] = {
    "celeba": {
        "title": "CelebA",
        "says": verified("30,000 CelebA images of other people", CODE_64),
        "images": 30_000,
    },
    "ffhq": {
        "title": "FFHQ",
        "says": verified("FFHQ thumbnails, centre 88 of 128 px, resized to 64", CODE_64),
        "images": None,
    },
    "facescrub": {
        "title": "FaceScrub",
        "says": verified("FaceScrub, resized to 64, centre 54, resized to 64", PLG),
        "images": None,
    },
}

JUDGE_64 = verified("FaceNet (IR-50) at 112 px, 95.88 % on its test images", CODE_64)
CELEBA_64 = verified(
    "CelebA, 1,000 people: 27,018 training and 3,009 test images; 108 x 108 crop, resized to 64", CODE_64
)

DIFFERS_64 = (
    "the judge sees the images of 64 px resized to 112 px; the published one learnt from crops at 112 px",
    "judge and target learn from random weights unless weights are given",
    "a tenth of each person's images is split into val and test; the public code chooses its epoch on the test images",
    "the learning rate follows one cycle with Nesterov momentum; the published one is constant with plain momentum",
)


def line_64(attack: str, target: str, public: str) -> tuple[str, dict[str, Any]]:
    """Name and values of the set-up of this attack, target and public data, by their keys here."""
    a, t, p = ATTACKS_64[attack], TARGETS_64[target], PUBLIC_64[public]
    name = f"{attack}-{target}-celeba-{public}"
    recipe = f"SGD 0.01, momentum 0.9, weight decay 1e-4, batch 64, {t['epochs']} epochs, flips"
    figures: list[dict[str, Any]] = [
        {
            "defence": "none",
            "natural_accuracy": t["natural"],
            "status": "verified",
            "where": f"file name of the public checkpoint that {CODE_64} attack",
        }
    ]
    if (attack, target, public) == ("lomma", "vgg16", "ffhq"):
        figures.append(
            {
                "defence": "none",
                "attack_accuracy": 0.7307,
                "status": "verified",
                "where": ALIGN,
                "budget": "5 seeds, people not stated",
            }
        )
    needs = ["CelebA", *([p["title"]] if public != "celeba" else []), t["weights"]]
    return name, {
        "name": name,
        "data": {
            "source": "folder",
            "private": "celeba",
            "public": public,
            "private_identities": 1000,
            "resolution": 64,
            "channels": 3,
            "split": [0.9, 0.05, 0.05],
        },
        "target": {
            "architecture": t["architecture"],
            "epochs": t["epochs"],
            "batch_size": 64,
            "optimiser": "sgd",
            "learning_rate": 0.01,
            "weight_decay": 0.0001,
            "shift": 0,
            "flip": True,
        },
        "prior": {"kind": a["prior"]},
        "attack": {"preset": a["preset"], "budget": "full"},
        "judge": {"kind": "classifier", "architecture": "ir50@112", "photographs": "all"},
        "search": {"trials": 4},
        "paper": {
            "title": f"{a['title']}, {t['title']} at 64 px, CelebA, public {p['title']}",
            "cell": "verified",
            "fields": {
                "attack": a["says"],
                "private": CELEBA_64,
                "public": p["says"],
                "architecture": verified(t["says"], CODE_64),
                "start": t["start"],
                "recipe": verified(recipe, CODE_64),
                "erasing": MIDRE_64,
                "judge": JUDGE_64,
                "defences": DEFENCES,
            },
            "defences": list(COMPARED),
            "figures": figures,
            "differs": [a["differs"], *DIFFERS_64],
            "needs": needs,
            "counts": {"people": 1000, "train_images": 27_018, "public_images": p["images"], "attacked": 300},
        },
    }
