#===- plot.py - bars of ratios as SVG ------------------------------------------#
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#===---------------------------------------------------------------------------#
"""A drawing without a plotting library: one bar for each ratio of times on a
logarithmic axis, its range, and the bar it should stay under."""
import math
from html import escape

LABEL_WIDTH, CHART_WIDTH, ROW_HEIGHT, MARGIN = 330, 480, 16, 30


def write_ratios(path, entries):
    """`entries`: (label, peer, summary with ratio, ratio_min and ratio_max,
    limit or None)."""
    values = [v for _, _, peer, limit in entries
              for v in (peer["ratio_min"], peer["ratio_max"], limit or 1)]
    low = min(values + [0.5]) / 1.1
    high = max(values + [2.0]) * 1.1

    def x(value):
        share = math.log(value / low) / math.log(high / low)
        return LABEL_WIDTH + CHART_WIDTH * share

    height = ROW_HEIGHT * len(entries) + 2 * MARGIN
    width = LABEL_WIDTH + CHART_WIDTH + 90
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
           f'height="{height}" font-family="sans-serif" font-size="10">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="{LABEL_WIDTH}" y="12">our time over the peer\'s (lower '
           'is better); black: range of the rounds; red: the bar</text>']
    for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10):
        if low <= tick <= high:
            out.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" '
                       f'y1="{MARGIN - 6}" y2="{height - MARGIN}" '
                       f'stroke="{"#444" if tick == 1 else "#ccc"}"/>')
            out.append(f'<text x="{x(tick):.1f}" y="{height - MARGIN + 12}" '
                       f'text-anchor="middle">{tick:g}</text>')
    for index, (label, name, peer, limit) in enumerate(entries):
        y = MARGIN + ROW_HEIGHT * index
        middle = y + ROW_HEIGHT / 2
        start, end = sorted((x(1), x(peer["ratio"])))
        color = "#888" if limit is None else (
            "#4a4" if peer["ratio"] <= limit else "#d80")
        out.append(f'<text x="{LABEL_WIDTH - 6}" y="{middle + 3}" '
                   f'text-anchor="end">{escape(label)} / {escape(name)}</text>')
        out.append(f'<rect x="{start:.1f}" y="{y + 3}" '
                   f'width="{max(end - start, 0.5):.1f}" '
                   f'height="{ROW_HEIGHT - 6}" fill="{color}"/>')
        out.append(f'<line x1="{x(peer["ratio_min"]):.1f}" '
                   f'x2="{x(peer["ratio_max"]):.1f}" y1="{middle}" '
                   f'y2="{middle}" stroke="black"/>')
        if limit is not None:
            out.append(f'<line x1="{x(limit):.1f}" x2="{x(limit):.1f}" '
                       f'y1="{y + 1}" y2="{y + ROW_HEIGHT - 1}" '
                       'stroke="red" stroke-width="2"/>')
        out.append(f'<text x="{LABEL_WIDTH + CHART_WIDTH + 6}" '
                   f'y="{middle + 3}">{peer["ratio"]:.2f}</text>')
    out.append("</svg>\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out))
