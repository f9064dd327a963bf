"""The mathematics of the search: spaces, models of the front, samplers, and ways to stop trials early.

Nothing here knows Ray or trains a network.
"""
