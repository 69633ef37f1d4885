"""Who may see a patient for a reason: grants, the emergency look, and who looked."""
