"""The HL7 v2 door: frames, text, answers, what messages do."""
