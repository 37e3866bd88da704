"""Inception-1d blocks on a CPU in float32: ``inception.Inception1d``'s mathematics in few passes over memory.

A block as it is written down passes some forty times over signals that fit in no cache. Here a signal is written once,
by the convolution that makes it, and is never written again normalised, rectified or pooled: its readers do that to a
tile at a time. With u the input normalised without γ and β, its sign that of γ:

- ``passes.survey`` reads the input: moments of it and of its four pools, from which all normalisation in front of the
  1 × 1 convolutions follows. It is folded into them: they read u and maxima of u; averages are taken behind them.
- ``passes.reduce``: 1 × 1 convolutions of u, and their moments. ``passes.expand``: the convolutions along time, and
  theirs. With known statistics ``passes.whole_block`` is both.
- A signal goes to the next block as it is, with scale and shift of its normalisation and the floor of its ReLU.

Backwards, with g the gradient of a normalised signal behind its ReLU and z that signal in front of its normalisation
(moments μ, σ², R rows), the gradient of z is γ/σ · (g - Σg/R - (z - μ)/σ² · Σg(z - μ)/R): multiples of g, z and 1 with
factors a channel, as soon as the two sums are known. So again tiles are made when they are read:

- ``passes_back.expand_back`` and ``passes_back.reduce_products``: products over all rows, which are the gradients of
  all weights and sums.
- ``passes_back.reduce_back``: the gradient of the input. What reads a normalised input is normalised again, so that
  its gradient sums to zero; its product with the input follows from the products.

From the ground up:

| file | answers |
|---|---|
| ``sizes.py`` | what the block as layers and the block as passes agree on |
| ``tiles.py`` | steps on a tile: moments, pools, and their way back |
| ``passes.py``, ``passes_back.py`` | one pass over the signals of a batch |
| ``folding.py`` | small arrays: what is folded into weights, what comes of sums |
| ``block.py``, ``block_back.py`` | one block |
| ``stack.py`` | blocks and max pools as one function of torch's |

How passes are compiled and run side by side, and what vectors are, is ``native``'s matter.
"""
