"""Compare in feature space: are reconstructions nearer to the private images or to their erased views?

MIDRE's Figure 2 shows convex hulls in a plane. It claims that reconstructions from an undefended target overlap the
features of its private images, and that those from a target trained with Random Erasing overlap the features of its
erased images. A hull depends on extreme points and grows with the number of points. So the same groups are compared
here by distances between samples, with p-values and intervals.
"""

from mi_tune.judging.features.groups import FeatureGroups, feature_groups
from mi_tune.judging.features.kernels import energy_distance, squared_mmd
from mi_tune.judging.features.neighbours import neighbour_share
from mi_tune.judging.features.penultimate import penultimate
from mi_tune.judging.features.separability import separability
from mi_tune.judging.features.table import MEASURES, NEARER_TO_ERASED, PAIRS, WAY_TO_ERASED, FeatureTable, feature_table
from mi_tune.judging.features.two_samples import Measure, TwoSamples, permutation_p
from mi_tune.judging.features.view import FeatureView, feature_view

__all__ = [
    "MEASURES",
    "NEARER_TO_ERASED",
    "PAIRS",
    "WAY_TO_ERASED",
    "FeatureGroups",
    "FeatureTable",
    "FeatureView",
    "Measure",
    "TwoSamples",
    "energy_distance",
    "feature_groups",
    "feature_table",
    "feature_view",
    "neighbour_share",
    "penultimate",
    "permutation_p",
    "separability",
    "squared_mmd",
]
