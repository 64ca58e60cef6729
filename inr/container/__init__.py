"""The bytes of a ``.inr`` file: signature, versions, sections, header. FORMAT.md beside this file is normative."""
