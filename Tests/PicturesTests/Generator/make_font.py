#!/usr/bin/env python3
"""Writes the table of glyphs of Sources/Pictures/FixedFont.swift.

Usage: make_font.py 7x13.pcf.gz > table

The font is X11's misc-fixed 7x13 ("Public domain font. Share and enjoy."), from Debian's package xfonts-base 1:1.0.5+nmu1
(/usr/share/fonts/X11/misc/7x13.pcf.gz). One line a glyph: the character's number, then 13 rows from top to bottom, two hexadecimal
digits each, the leftmost of the 7 pixels in the highest bit. Needs Pillow with FreeType.
"""

import sys

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, ASCENT = 7, 13, 11
RANGES = [(0x20, 0x7E), (0xA0, 0x17F), (0x391, 0x3C9), (0x400, 0x45F), (0x2010, 0x2015), (0x2018, 0x201E), (0x2026, 0x2026),
          (0x20AC, 0x20AC), (0x2190, 0x2193), (0x2212, 0x2212), (0x2264, 0x2265), (0xFFFD, 0xFFFD)]


def main():
    font = ImageFont.truetype(sys.argv[1], HEIGHT)
    ascent, _ = font.getmetrics()
    for first, last in RANGES:
        for code in range(first, last + 1):
            image = Image.new("1", (WIDTH, HEIGHT))
            ImageDraw.Draw(image).text((0, ASCENT - ascent), chr(code), 1, font=font)
            rows = []
            for y in range(HEIGHT):
                rows.append(sum(128 >> x for x in range(WIDTH) if image.getpixel((x, y))))
            print(f"{code:04x} {bytes(rows).hex()}")


if __name__ == "__main__":
    main()
