"""The page of a corpus: a file a part, each turns what one analysis found into markup, tables and sentences."""
