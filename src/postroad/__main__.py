"""``python -m postroad``: the same as the ``postroad`` command."""

from postroad.cli import main

main()
