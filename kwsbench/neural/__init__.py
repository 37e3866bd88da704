"""One training loop for every network: schedule, batches and augmentation on the device, checkpoints."""

SETTING_VERSIONS = {"ema": 2, "balance": 2}
"""Setting → version of what it does, in the keys of the cells that ask for it: raised when results with it change."""
NOT_ASKED = (None, 0, "none")  # values by which a cell does not ask for a setting
