"""Is it the part that counts? `python studies/partial_erasure.py`

The paper credits Random Erasing with partial erasure: the model never sees a whole private image, but some of every
one. Here the same share of what is shown is hidden in five ways: a part of every image; whole images, blank or left
out, in as many steps; whole images left out in fewer steps; fewer epochs.
"""

from mi_tune.defences.properties import partial_erasure
from studies.commands.properties import property_command

command = property_command(
    title="Partial erasure: a part of every image, or whole images?",
    name="partial_erasure",
    treatments=partial_erasure,
    area=0.4,
    other="location",
    doc="Compare ways to hide the same share of the training images.",
)
