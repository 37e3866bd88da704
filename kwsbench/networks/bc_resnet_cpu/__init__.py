"""BC-ResNet on a CPU in float32: ``bc_resnet``'s mathematics in few passes over memory.

As layers a block writes and reads a signal of the whole batch some forty times. Here it writes two: what is convolved
along frequency, not normalised, and its output. Batch normalisation needs sums over all clips, so that a block is two
passes over the batch, three where it widens; within a pass all that can be done for a clip is done in the caches.

- Forwards one pass makes the output of a block, convolves it along frequency for the next and adds up moments; another
  averages what is normalised over bins and convolves it along time. A change of width is kept as it is made, and is
  normalised and rectified when it is read, as the stem's output is.
- Backwards the gradient of what is passed by stays in its place and is added to. The gradient of a normalised signal is
  a·g + b·z + c with factors a channel, so one pass adds up g and g·z, and the next makes the gradient as it reads both.
- Sums of sub-bands are of bins that lie together. Sums are of float32 in a group of clips and of float64 above, group
  by group: results do not depend on the number of threads.
- Dropout draws what torch's would.

From the ground up:

| file | answers |
|---|---|
| ``lines.py`` | steps on the lines of a clip |
| ``passes.py``, ``passes_back.py`` | one pass over the clips of a batch, forwards and backwards |
| ``norms.py`` | small arrays: scales, shifts and gradients of normalisation from sums |
| ``stack.py`` | stem, blocks and last convolution as one function of torch's |

How passes are compiled and run side by side is ``native.compiled``'s matter.
"""
