"""Does it matter that the erased place moves? `python studies/location.py`

The paper credits Random Erasing with random location. Here one square of the same mean area is erased in every image,
at random inside the image, reaching over its border, in the centre, always at one place, or along the border.
"""

from mi_tune.defences.properties import location
from studies.commands.properties import property_command

command = property_command(
    title="Location: a square that moves, or one that stays?",
    name="location",
    treatments=location,
    area=0.4,
    other="partial-erasure",
    doc="Compare places of a square of the same mean area.",
)
