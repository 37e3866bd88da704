"""Self-contained pages: markup, drawings, style and script; one look for studies and for corpora."""
