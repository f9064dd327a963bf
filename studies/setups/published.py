"""The published set-ups as a table of facts, from which the files in `paper/` are written.

`python -m studies.setups.published` writes them again. A field says how it is known; what is not known says so, and
nothing is filled in. Where a publication and its code differ, the code counts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

PAPER = Path(__file__).parent / "paper"

Statement = dict[str, str]


def _says(value: str, status: str, where: str) -> Statement:
    return {"value": value, "status": status, "where": where}


def verified(value: str, where: str) -> Statement:
    """Read in public code or configuration."""
    return _says(value, "verified", where)


def reported(value: str, where: str) -> Statement:
    """Told by reviews or digests."""
    return _says(value, "reported", where)


def reconstructed(value: str, where: str) -> Statement:
    """Put together from verified parts."""
    return _says(value, "reconstructed", where)


UNKNOWN: Statement = {"status": "unknown"}

# ------------------------------------------------------------------------------------------------ sources, in short
LOMMA = "code of LOMMA (CVPR 2023)"
KED = "code of KED-MI (ICCV 2021)"
PLG = "code of PLG-MI (AAAI 2023)"
PPA = "code and configurations of PPA (ICML 2022)"
MIDRE = "released code of MIDRE, the one set-up that it holds"
REVIEWS = "reviews of the paper (OpenReview vikwIayXOx)"
ALIGN = "AlignMI (NeurIPS 2025), its tables"
ATAT = "AT-AT (ICLR 2026), by a digest"
CODE_64 = "code of LOMMA, KED-MI and PLG-MI"

MIDRE_64 = UNKNOWN
"""The paper's upper area for the 64 px set-ups is not public."""

COMPARED = ("mid", "bido", "neg_ls", "tl_dmi", "rolss")
DEFENCES = reported("no defence, MID, BiDO, negative label smoothing, TL-DMI, RoLSS; not all in every set-up", REVIEWS)

# ------------------------------------------------------------------------------------------------------ 64 px
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


def _line_64(attack: str, target: str, public: str) -> tuple[str, dict[str, Any]]:
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


# ---------------------------------------------------------------------------------------------------------- 224 px
TARGETS_224 = {
    "resnet18": ("resnet18", "ResNet-18"),
    "resnet50": ("resnet50", "ResNet-50"),
    "resnet101": ("resnet101", "ResNet-101"),
    "resnet152": ("resnet152", "ResNet-152"),
    "densenet121": ("densenet121", "DenseNet-121"),
    "densenet169": ("densenet169", "DenseNet-169"),
    "resnest50": ("timm:resnest50d", "ResNeSt-50"),
    "maxvit": ("maxvit_t", "MaxViT-T"),
    "vit": ("vit_b_16", "ViT-B/16"),
    "inceptionv1": ("inception_resnet_v1", "Inception-ResNet-v1"),
}

PRIVATE_224: dict[str, dict[str, Any]] = {
    "facescrub": {
        "title": "FaceScrub",
        "says": verified("FaceScrub, 530 people, about 37,900 images, shuffled with seed 42, nine tenths train", PPA),
        "people": 530,
        "train": 34_100,
    },
    "celeba": {
        "title": "CelebA",
        "says": verified("CelebA, the 1,000 most frequent people, crop at 224 px with face factor 0.65, seed 42", PPA),
        "people": 1000,
        "train": None,
    },
    "dogs": {
        "title": "Stanford Dogs",
        "says": verified("Stanford Dogs, 120 breeds, 20,580 images, shuffled with seed 42, nine tenths train", PPA),
        "people": 120,
        "train": 18_522,
    },
    "vggface2": {
        "title": "VGGFace2",
        "says": reported("VGGFace2", REVIEWS),
        "people": None,
        "train": None,
    },
}

PRIORS_224: dict[str, dict[str, Any]] = {
    "ffhq": {
        "title": "FFHQ",
        "says": verified("StyleGAN2-ADA of FFHQ at 1024 px, centre 800 px, resized to 224", PPA),
        "generator": "mi_tune.nets.stylegan2:paper1024",
        "crop": 0.78125,
        "weights": "StyleGAN2-ADA of FFHQ, 1024 px",
    },
    "metfaces": {
        "title": "MetFaces",
        "says": verified("StyleGAN2-ADA of MetFaces at 1024 px, resized to 224", PPA),
        "generator": "mi_tune.nets.stylegan2:paper1024",
        "crop": None,
        "weights": "StyleGAN2-ADA of MetFaces, 1024 px",
    },
    "afhq": {
        "title": "AFHQ dogs",
        "says": verified("StyleGAN2-ADA of AFHQ dogs at 512 px, resized to 224", PPA),
        "generator": "mi_tune.nets.stylegan2:paper512",
        "crop": None,
        "weights": "StyleGAN2-ADA of AFHQ dogs, 512 px",
    },
}

ATTACKS_224: dict[str, dict[str, Any]] = {
    "ppa": {
        "title": "PPA",
        "preset": "ppa_midre",
        "says": verified("PPA with 16 candidates, 8 kept, 50 steps, 2,000 starts, all people", MIDRE),
        "differs": "latents are standardised and stay within 3 standard deviations, at a rate for that; it is constant",
    },
    "ifgmi": {
        "title": "IF-GMI",
        "preset": "ifgmi",
        "says": verified("PPA, then three feature maps, 50 + 10 + 10 + 10 steps, 50 candidates", "code of IF-GMI"),
        "differs": "the target chooses the layer that is reported; the published code lets the judge choose",
    },
    "ppdg": {
        "title": "PPDG-MI",
        "preset": "ppdg",
        "says": verified(
            "PPA, then the generator is tuned on its best results for 150 steps, then PPA again", "code of PPDG-MI"
        ),
        "differs": "images are compared by their pixels instead of LPIPS and a discriminator",
    },
    "mirror": {
        "title": "MIRROR",
        "preset": "mirror",
        "says": verified("Adam, P space within one standard deviation, 20,000 steps, 8 candidates", "code of MIRROR"),
        "differs": "500 steps: the loss has stopped moving long before 20,000",
    },
}

CELLS_224: dict[tuple[str, str, str, str], str] = {
    ("ppa", "resnet18", "facescrub", "ffhq"): "verified",
    ("ppa", "resnet101", "facescrub", "ffhq"): "axis",
    ("ppa", "resnet152", "facescrub", "ffhq"): "verified",
    ("ppa", "densenet121", "facescrub", "ffhq"): "axis",
    ("ppa", "densenet169", "facescrub", "ffhq"): "axis",
    ("ppa", "resnest50", "facescrub", "ffhq"): "axis",
    ("ppa", "maxvit", "facescrub", "ffhq"): "axis",
    ("ppa", "vit", "facescrub", "ffhq"): "axis",
    ("ppa", "resnet18", "celeba", "ffhq"): "axis",
    ("ppa", "resnet152", "celeba", "ffhq"): "verified",
    ("ppa", "densenet169", "celeba", "ffhq"): "axis",
    ("ppa", "resnet152", "celeba", "metfaces"): "axis",
    ("ppa", "resnet18", "dogs", "afhq"): "axis",
    ("ppa", "resnet152", "dogs", "afhq"): "verified",
    ("ifgmi", "resnet18", "facescrub", "ffhq"): "axis",
    ("ifgmi", "resnet152", "facescrub", "ffhq"): "axis",
    ("ifgmi", "densenet169", "facescrub", "ffhq"): "axis",
    ("ppdg", "resnet18", "facescrub", "ffhq"): "axis",
}
"""Attack, target, private and public data, and whether one public code has this combination."""

_BUDGET_MIDRE = "16 candidates, 8 kept, 50 steps, all people"
FIGURES_224: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {
    ("ppa", "resnet101", "facescrub", "ffhq"): [
        {
            "defence": "MIDRE, upper area not stated",
            "natural_change": 0.0316,
            "attack_change": -0.3942,
            "status": "reported",
            "where": f"{REVIEWS}, which name ResNet-101 at 224 px; that the data are FaceScrub is our assumption",
        }
    ],
    ("ppa", "resnet18", "facescrub", "ffhq"): [
        {
            "defence": "none",
            "attack_accuracy": 0.8157,
            "status": "verified",
            "where": ALIGN,
            "budget": "100 candidates, 70 steps, no final selection, first 100 people",
        }
    ],
    ("ppa", "densenet121", "facescrub", "ffhq"): [
        {
            "defence": "none",
            "attack_accuracy": 0.7566,
            "status": "verified",
            "where": ALIGN,
            "budget": "100 candidates, 70 steps, no final selection, first 100 people",
        }
    ],
    ("ppa", "resnest50", "facescrub", "ffhq"): [
        {
            "defence": "none",
            "attack_accuracy": 0.7158,
            "status": "verified",
            "where": ALIGN,
            "budget": "100 candidates, 70 steps, no final selection, first 100 people",
        }
    ],
    ("ppa", "resnet152", "facescrub", "ffhq"): [
        *(
            {
                "defence": defence,
                "attack_accuracy": value,
                "status": "verified",
                "where": ALIGN,
                "budget": "100 candidates, 70 steps, no final selection, first 100 people",
            }
            for defence, value in [("none", 0.5789), ("bido", 0.3511), ("tl_dmi", 0.2514), ("neg_ls", 0.0840)]
        ),
        *(
            {
                "defence": defence,
                "attack_accuracy": value,
                "status": "reported",
                "where": ATAT,
                "budget": "200 candidates, 50 kept, all people",
            }
            for defence, value in [("none", 0.881), ("tl_dmi", 0.163), ("at_at", 0.065)]
        ),
    ],
}

RECIPE_224 = (
    "Adam 1e-3, no weight decay, batch 128, 100 epochs, x0.1 at 75 and 90, crops of 85 to 100 %, colour jitter, flips"
)

DIFFERS_224 = (
    "the judge sees the images of 224 px resized to 299 px",
    "judge and target learn from random weights unless weights are given",
    "a tenth of each person's images is split into val and test; the published split is one shuffle of all images",
    "AdamW with one cycle and shifts of 16 px instead of Adam with steps, random crops and colour jitter",
)


def _line_224(attack: str, target: str, private: str, public: str, cell: str) -> tuple[str, dict[str, Any]]:
    a, d, p = ATTACKS_224[attack], PRIVATE_224[private], PRIORS_224[public]
    architecture, title = TARGETS_224[target]
    name = f"{attack}-{target}-{private}-{public}"
    known = MIDRE if (target, private) == ("resnet18", "facescrub") else PPA
    own = (target, private) == ("resnet18", "facescrub")
    erasing = (
        verified("every image, squares of 10 to 40 or 10 to 80 % of the area, light grey", MIDRE)
        if own
        else reconstructed(
            "every image, squares from 10 % of the area on, as in the released code; upper area unknown", MIDRE
        )
    )
    says = a["says"] if attack != "ppa" or own else reconstructed(a["says"]["value"], f"{MIDRE}, taken to hold for all")
    prior: dict[str, Any] = {"kind": "style", "generator": p["generator"], "batch": 4, "truncation": 0.5}
    if p["crop"] is not None:
        prior["crop"] = p["crop"]
    return name, {
        "name": name,
        "data": {
            "source": "folder",
            "private": private,
            "public": public,
            **({} if d["people"] is None else {"private_identities": d["people"]}),
            "resolution": 224,
            "channels": 3,
            "split": [0.9, 0.05, 0.05],
        },
        "target": {
            "architecture": architecture,
            "epochs": 100,
            "batch_size": 128,
            "optimiser": "adamw",
            "learning_rate": 0.001,
            "weight_decay": 0.0,
            "shift": 16,
            "flip": True,
        },
        "prior": prior,
        "attack": {"preset": a["preset"], "budget": "full"},
        "judge": {"kind": "classifier", "architecture": "inception_v3@299", "epochs": 100, "photographs": "all"},
        "search": {"trials": 4},
        "paper": {
            "title": f"{a['title']}, {title} at 224 px, {d['title']}, prior {p['title']}",
            "cell": cell,
            "fields": {
                "attack": says,
                "private": d["says"],
                "public": p["says"],
                "architecture": verified(title, known) if cell == "verified" else reconstructed(title, REVIEWS),
                "start": verified("ImageNet weights", PPA),
                "recipe": verified(RECIPE_224, PPA),
                "erasing": erasing,
                "judge": verified("Inception-v3 at 299 px, trained on the same private data", PPA),
                "defences": DEFENCES,
            },
            "defences": list(COMPARED),
            "figures": FIGURES_224.get((attack, target, private, public), []),
            "differs": [a["differs"], *DIFFERS_224],
            "needs": [d["title"], p["title"], f"ImageNet weights of {title}", p["weights"]],
            "counts": {"people": d["people"], "train_images": d["train"], "attacked": d["people"]},
        },
    }


# ---------------------------------------------------------------------------------------------------------- MIRROR


def _mirror(target: str, side: int) -> tuple[str, dict[str, Any]]:
    architecture, title = TARGETS_224[target]
    a, d = ATTACKS_224["mirror"], PRIVATE_224["vggface2"]
    name = f"mirror-{target}-vggface2"
    weights = "VGGFace2 weights of facenet-pytorch" if target == "inceptionv1" else "VGGFace2 weights of ResNet-50"
    return name, {
        "name": name,
        "data": {
            "source": "folder",
            "private": "vggface2",
            "public": "celeba",
            "resolution": side,
            "channels": 3,
            "split": [0.9, 0.05, 0.05],
        },
        "target": {"architecture": architecture, "epochs": 100, "batch_size": 128, "optimiser": "sgd", "shift": 8},
        "prior": {"kind": "style", "generator": "mi_tune.nets.stylegan2:paper256", "batch": 8},
        "attack": {"preset": "mirror", "budget": "full"},
        "judge": {
            "kind": "classifier",
            "architecture": "resnet50@224" if target == "inceptionv1" else "inception_resnet_v1@160",
            "photographs": "all",
        },
        "search": {"trials": 4},
        "paper": {
            "title": f"MIRROR, {title} at {side} px, VGGFace2",
            "cell": "axis",
            "fields": {
                "attack": a["says"],
                "private": d["says"],
                "public": UNKNOWN,
                "architecture": reported(title, REVIEWS),
                "start": UNKNOWN,
                "recipe": UNKNOWN,
                "erasing": UNKNOWN,
                "judge": UNKNOWN,
                "defences": DEFENCES,
            },
            "defences": list(COMPARED),
            "figures": [],
            "differs": [
                a["differs"],
                "recipe, public data and judge are not known: those in the file are stand-ins",
                "reviews name 116 and 160 px for one of these networks; 160 px is its published size",
            ],
            "needs": [d["title"], "CelebA", weights, "a StyleGAN2 of faces, 256 px"],
        },
    }


def every_setup() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and values of each published set-up."""
    for attack in ("gmi", "kedmi", "lomma", "lomma_ked", "plgmi", "brepmi"):
        for target in TARGETS_64:
            for public in ("celeba", "ffhq"):
                yield _line_64(attack, target, public)
    for target in TARGETS_64:
        yield _line_64("plgmi", target, "facescrub")
    for target in ("vgg16", "facenet64"):
        yield _line_64("lokt", target, "celeba")
    for (attack, target, private, public), cell in CELLS_224.items():
        yield _line_224(attack, target, private, public, cell)
    yield _mirror("inceptionv1", 160)
    yield _mirror("resnet50", 224)


def text(values: dict[str, Any]) -> str:
    """The file of a set-up."""
    head = f"# {values['paper']['title']}.\n# Written by `python -m studies.setups.published`: change it there.\n"
    return head + yaml.dump(values, sort_keys=False, allow_unicode=True, width=110, Dumper=_Plain)


class _Plain(yaml.SafeDumper):
    """Writes shared parts out in full, instead of as YAML's references."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def table() -> str:
    """The table of docs/setups.md: every file with what it needs and costs."""
    from mi_tune.library.costs import cost_of
    from mi_tune.library.setups import build_setup

    rows = [
        "| set-up | cell | needs | Pflop a law | training, GB | published figures |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in sorted(name for name, _ in every_setup()):
        setup = build_setup(PAPER / f"{name}.yaml")
        paper, cost = setup.paper, cost_of(setup)
        assert paper is not None and cost is not None
        known = "" if cost.train is not None else "+"
        cells = (
            name,
            paper.cell,
            ", ".join(paper.needs),
            f"{cost.teraflops / 1e3:.3g}{known}",
            f"{cost.gigabytes:.0f}",
        )
        rows.append(f"| {' | '.join(cells)} | {len(paper.figures) or ''} |".replace("|  |", "| |"))
    return "\n".join(rows)


def main() -> None:
    """Write every file, with the floating-point operations counted."""
    from mi_tune.library.costs import count_gigaflops

    PAPER.mkdir(exist_ok=True)
    for name, values in every_setup():
        counted = values | {"paper": values["paper"] | {"gigaflops": count_gigaflops(values).model_dump()}}
        (PAPER / f"{name}.yaml").write_text(text(counted), encoding="utf-8")
        print(name, file=sys.stderr)


if __name__ == "__main__":
    main()
