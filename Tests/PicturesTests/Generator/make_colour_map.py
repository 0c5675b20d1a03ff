#!/usr/bin/env python3
"""Writes the table of Sources/Pictures/ColourMap.swift: the 256 colours of viridis.

Usage: make_colour_map.py > table

viridis is by Stéfan van der Walt and Nathaniel Smith (2015, CC0); matplotlib's copy is taken. Each colour has six hexadecimal
digits, sixteen colours a line.
"""

import matplotlib

COLOURS = matplotlib.colormaps["viridis"].colors
DIGITS = ["%02x%02x%02x" % tuple(int(part * 255 + 0.5) for part in colour) for colour in COLOURS]

for start in range(0, 256, 16):
    print("".join(DIGITS[start:start + 16]))
