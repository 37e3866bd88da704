"""Code that is compiled for this machine's CPU, of use to whatever room has passes of its own.

| file | answers |
|---|---|
| ``compiled.py`` | how are passes compiled, kept and run side by side? |
| ``vectors.py`` | sixteen numbers at a time; products of small matrices |
"""
