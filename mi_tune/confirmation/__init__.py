"""Does a front survive fresh seeds, other judges, and an attacker who knows?"""
