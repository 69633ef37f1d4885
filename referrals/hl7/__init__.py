"""HL7 v2 messages about patients and orders, told to the room of orders."""
