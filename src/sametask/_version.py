"""Which version of the package this is."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("sametask")
except PackageNotFoundError:
    # run from a checkout that was never installed
    __version__ = "0+unknown"
