"""What a target may be trained with: erasing laws, other augmentations, and trainings that leave images out."""
