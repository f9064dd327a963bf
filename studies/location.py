"""Does it matter that the erased place moves? `python studies/location.py`

The paper credits Random Erasing with random location. Here one square of the same mean area is erased in every image,
at random inside the image, reaching over its border, in the centre, always at one place, or along the border.
"""

import sys
from pathlib import Path

from mi_tune.properties import location
from mi_tune.study.command import run_command
from mi_tune.study.property_command import property_command

command = property_command(
    title="Location: a square that moves, or one that stays?",
    name="location",
    treatments=location,
    area=0.4,
    setups=Path(__file__).with_name("setups"),
    doc="Compare places of a square of the same mean area.",
)

if __name__ == "__main__":
    sys.exit(run_command(command))
