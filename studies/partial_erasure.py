"""Is it the part that counts? `python studies/partial_erasure.py`

The paper credits Random Erasing with partial erasure: the model never sees a whole private image, but some of every
one. Here the same share of what is shown is hidden in five ways: a part of every image; whole images, blank or left
out, in as many steps; whole images left out in fewer steps; fewer epochs.
"""

import sys
from pathlib import Path

from mi_tune.properties import partial_erasure
from mi_tune.study.command import run_command
from mi_tune.study.property_command import property_command

command = property_command(
    title="Partial erasure: a part of every image, or whole images?",
    name="partial_erasure",
    treatments=partial_erasure,
    area=0.4,
    setups=Path(__file__).with_name("setups"),
    doc="Compare ways to hide the same share of the training images.",
)

if __name__ == "__main__":
    sys.exit(run_command(command))
