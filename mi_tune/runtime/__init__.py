"""What every room stands on: errors, seeds, the device, and files found again by their content."""
