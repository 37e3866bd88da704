"""The networks: one ``nn.Module`` a file, tensors in, logits out. How they are trained stands in ``neural``."""
