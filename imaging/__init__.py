"""The county imaging resource-sharing centre: archive, query, DICOMweb, pixels, reading."""
