"""The commands, one file each. `studies/*.py` and `mi-tune` are doors to them."""
