"""Confirm a front with fresh seeds, other judges and attackers who know the erasing law."""
