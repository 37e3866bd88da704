"""Code that is compiled for this machine's CPU, of use to whatever room has passes of its own, where numba is.

| file | answers |
|---|---|
| ``compiled.py`` | how are passes compiled, kept and run side by side? |
| ``vectors.py`` | sixteen numbers at a time; products of small matrices |
"""

from importlib.util import find_spec

COMPILES = find_spec("numba") is not None
"""Whether this machine has what compiles; where it has not, everything runs as torch has it."""
