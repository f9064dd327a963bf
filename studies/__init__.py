"""Commands (`mi-tune COMMAND` or `python studies/COMMAND.py`), set-ups by name, and measurements of this project."""
