"""How the tables came to be: a script for each change, expand first, contract a release later."""
