"""``python -m kwsbench`` is the ``kwsbench`` command."""

from kwsbench.cli import main

if __name__ == "__main__":
    main()
