"""Training, attack and judgement of one law, and the assets that all trials share. Independent of Ray."""
