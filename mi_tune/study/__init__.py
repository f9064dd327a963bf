"""The study: search, run, resume, and the folder that it leaves. Only here and in trial.py is Ray known."""
