"""The set-ups at 224 px, attacks with StyleGANs as in the code of PPA and MIDRE, and those of MIRROR."""

from __future__ import annotations

from typing import Any

from studies.setups.statements import (
    ALIGN,
    ATAT,
    COMPARED,
    DEFENCES,
    MIDRE,
    PPA,
    REVIEWS,
    UNKNOWN,
    reconstructed,
    reported,
    verified,
)

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
    "the judge sees the images of 224 px resized to 299 px, and learns from random weights",
    "images are normalised as the library's ImageNet weights expect; the published codes use mean and deviation 0.5",
    "a ninth of the published training images is for the search, and near-copies of training images train",
)


def line_224(attack: str, target: str, private: str, public: str, cell: str) -> tuple[str, dict[str, Any]]:
    """Name and values of the set-up of this attack, target, private and public data, by their keys here.

    cell: whether one public code has this combination, as in `CELLS_224`.
    """
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
            "split": "published",
        },
        "target": {
            "architecture": architecture,
            "pretrained": "DEFAULT",
            "epochs": 100,
            "batch_size": 128,
            "optimiser": "adam",
            "learning_rate": 0.001,
            "weight_decay": 0.0,
            "schedule": "multistep",
            "milestones": [0.75, 0.9],
            "crop": [0.85, 1.0],
            "crop_aspect": [1.0, 1.0],
            "colour_jitter": [0.2, 0.2, 0.1, 0.1],
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


def mirror(target: str, side: int) -> tuple[str, dict[str, Any]]:
    """Name and values of the set-up of MIRROR on this target, for images of `side` pixels."""
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
