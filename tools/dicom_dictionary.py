"""Write kernel/dicom/dictionary_entries.py from pydicom's copy of PS3.6, when that changes.

.venv/bin/python tools/dicom_dictionary.py
"""

import sys
from pathlib import Path
from typing import Final

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary

TARGET: Final = (
    Path(__file__).resolve().parent.parent / "kernel" / "dicom" / "dictionary_entries.py"
)
WIDTH: Final = 100
AMBIGUOUS: Final = {
    "US or SS": "xs",
    "OB or OW": "ox",
    "US or OW": "uw",
    "US or SS or OW": "xw",
}
HEAD: Final = '''\
"""The public data elements of PS3.6 as data: tag, VR and keyword of each.

Made by tools/dicom_dictionary.py; do not edit. An entry is eight hex digits of tag (x = any digit,
for repeating groups), two letters of VR and the keyword. Where the standard leaves the VR open the
letters are ``xs`` (US or SS), ``ox`` (OB or OW), ``uw`` (US or OW) or ``xw`` (US, SS or OW).
"""

from typing import Final

ENTRIES: Final = """\\
'''


def entries() -> list[str]:
    """Return every entry in tag order, repeating groups last."""
    found = []
    for tag, (vr, _vm, _name, _retired, keyword) in sorted(DicomDictionary.items()):
        if vr != "NONE":
            found.append(f"{tag:08X}{AMBIGUOUS.get(vr, vr)}{keyword}")
    for mask, (vr, _vm, _name, _retired, keyword) in sorted(RepeatersDictionary.items()):
        found.append(f"{mask.upper().replace('X', 'x')}{AMBIGUOUS.get(vr, vr)}{keyword}")
    return found


def lines() -> list[str]:
    """Return the entries packed into lines of at most ``WIDTH`` characters."""
    packed = [""]
    for entry in entries():
        if packed[-1] and len(packed[-1]) + 1 + len(entry) > WIDTH:
            packed.append("")
        packed[-1] += f" {entry}" if packed[-1] else entry
    return packed


def main() -> int:
    """Write the file and say how many elements it names."""
    TARGET.write_text(HEAD + "\n".join(lines()) + '\n"""\n', encoding="ascii")
    print(f"{TARGET.name}: {len(entries())} data elements")
    return 0


if __name__ == "__main__":
    sys.exit(main())
