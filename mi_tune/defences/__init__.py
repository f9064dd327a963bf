"""What a target can be trained with: an erasing law, another augmentation, or fewer images."""
