"""torchvision's ViT-B/16 and MaxViT-T, which are made for 224 px, built for smaller images.

The layers are the same; only what depends on the number of pixels changes: the position embeddings of the ViT, and the
side of MaxViT's windows, which stays a 32nd of the image.
"""

from __future__ import annotations

from torch import nn


def vit_b_16(classes: int, channels: int, resolution: int) -> nn.Module:
    """ViT-B/16 (Dosovitskiy et al., ICLR 2021) for images whose side is a multiple of 16."""
    from torchvision.models import vit_b_16 as make

    return make(weights=None, num_classes=classes, image_size=resolution)


def maxvit_t(classes: int, channels: int, resolution: int) -> nn.Module:
    """MaxViT-T (Tu et al., ECCV 2022) for images whose side is a multiple of 32."""
    from torchvision.models.maxvit import MaxVit

    return MaxVit(
        input_size=(resolution, resolution),
        stem_channels=64,
        block_channels=[64, 128, 256, 512],
        block_layers=[2, 2, 5, 2],
        head_dim=32,
        stochastic_depth_prob=0.2,
        partition_size=resolution // 32,
        num_classes=classes,
    )
