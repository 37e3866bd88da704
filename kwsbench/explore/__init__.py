"""Look at a corpus before modelling it: one function a question, each gives data; drawing is apart, in ``page/``."""
