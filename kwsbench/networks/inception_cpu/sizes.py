"""What the block as layers and the block as passes agree on."""

EPSILON = 1e-5  # of batch normalisation
BRANCH_WIDTH = 16  # channels of the reductions and of each pool branch
