"""Data sets by name, read from a root in the layouts in which they are officially distributed."""

from mi_tune.data.named.animals import CUB, DOGS
from mi_tune.data.named.data_set import DataSet, amount
from mi_tune.data.named.faces import CELEBA, FACESCRUB, VGGFACE2
from mi_tune.data.named.without_names import AFHQ, FFHQ, METFACES

DATA_SETS: dict[str, DataSet] = {
    one.name: one for one in (CELEBA, FACESCRUB, VGGFACE2, DOGS, CUB, FFHQ, AFHQ, METFACES)
}

__all__ = ["DATA_SETS", "DataSet", "amount"]
