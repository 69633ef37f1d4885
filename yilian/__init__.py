"""The program: command line, and the only place that knows every class."""
