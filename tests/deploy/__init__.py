"""deploy/ tried on a clean tree: installed, run, upgraded, taken back, behind a real nginx."""
