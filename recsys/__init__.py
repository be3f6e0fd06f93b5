"""A recommendation engine in which customer segments are first-class."""

__version__ = "0.1.0"
