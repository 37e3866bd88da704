"""The light CNN's convolutions on a CPU in float32: ``spectrogram_cnn``'s mathematics, clip by clip in the caches.

As five layers they write and read signals of a whole batch some forty times, and their gradients are mostly zeros: of
the four values under a pool one has a gradient, and behind ReLU and dropout fewer than half of those are left.

- Forwards a clip goes through all convolutions before the next begins. The first two need a few lines at a time; kept
  for the way back are what is behind the first two dropouts and the third convolution, and which value a pool took.
- Backwards the gradients that are not zero are listed, for a line and a channel at a time, and each adds its multiple
  of a kernel to the input's gradient and of the input to the kernel's: a quarter of the products of layers, or less.
- The first convolution is cheaper to make again than to read again.
- Bits for dropout are drawn as ``dropout.FastDropout`` draws them.

Gradients are summed over a few clips, and those sums in order: results do not depend on the number of threads.

From the ground up:

| file | answers |
|---|---|
| ``kernels.py`` | the innermost steps, instruction by instruction |
| ``passes.py``, ``passes_back.py`` | clips forwards, and backwards |
| ``stack.py`` | the convolutions as one function of torch's |

How passes are compiled and run side by side is ``native.compiled``'s matter.
"""
