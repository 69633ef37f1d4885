"""The HTTP shell: sign-in, limits, errors, the event stream, health, the browser workstation."""
