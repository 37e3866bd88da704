"""One training loop for every network: schedule, batches and augmentation on the device, checkpoints."""
