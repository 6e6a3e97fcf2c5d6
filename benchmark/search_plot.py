#===- search_plot.py - loss over size as SVG ----------------------------------#
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#===---------------------------------------------------------------------------#
"""A drawing without a plotting library: one line for each kind of plan and
seed, both axes logarithmic."""
import math
from html import escape

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 760, 460, 60, 30, 40, 150
STYLES = {"uniform bits": ("#69c", "4 3"), "uniform sparsity": ("#c96", "4 3"),
          "uniform rank": ("#6b6", "4 3"), "mixed bits": ("#06c", ""),
          "mixed sparsity": ("#c60", ""), "mixed rank": ("#080", ""),
          "mixed joint": ("#c03", "")}


def ticks(low, high):
    for power in range(math.floor(math.log10(low)), 9):
        for digit in (1, 2, 5):
            value = digit * 10.0 ** power
            if low <= value <= high:
                yield value


def write_curves(path, report, by_seed):
    whole = report["runs"][0]["bytes_before"]
    curves = [(name, [(size / whole, loss) for size, loss in own[name]])
              for own in by_seed.values() for name in STYLES if own.get(name)]
    sizes = [size for _, curve in curves for size, _ in curve]
    losses = [loss for _, curve in curves for _, loss in curve]
    low_x, high_x = min(sizes) / 1.05, max(sizes) * 1.05
    low_y, high_y = min(losses) / 1.1, min(max(losses), 10) * 1.1

    def x(value):
        share = math.log(value / low_x) / math.log(high_x / low_x)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(value):
        value = min(value, high_y)
        share = math.log(value / low_y) / math.log(high_y / low_y)
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
           f'height="{HEIGHT}" font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="{LEFT}" y="16">{escape(report["model"])}: '
           f'{escape(report["loss"])} over size, relative to float; one line '
           'for each seed</text>']
    for value in ticks(low_x, high_x):
        out.append(f'<line x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{TOP}" '
                   f'y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>'
                   f'<text x="{x(value):.1f}" y="{HEIGHT - BOTTOM + 16}" '
                   f'text-anchor="middle">{value:.3g}</text>')
    for value in ticks(low_y, high_y):
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" '
                   f'y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" '
                   f'text-anchor="end">{value:.3g}</text>')
    for name, curve in curves:
        color, dash = STYLES[name]
        points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in curve)
        out.append(f'<polyline points="{points}" fill="none" stroke="{color}" '
                   f'stroke-dasharray="{dash}" opacity="0.7"/>')
        out += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="2" '
                f'fill="{color}" opacity="0.7"/>' for a, b in curve]
    for index, (name, (color, dash)) in enumerate(STYLES.items()):
        at = TOP + 14 + 18 * index
        out.append(f'<line x1="{WIDTH - RIGHT + 12}" x2="{WIDTH - RIGHT + 38}" '
                   f'y1="{at}" y2="{at}" stroke="{color}" stroke-width="2" '
                   f'stroke-dasharray="{dash}"/>'
                   f'<text x="{WIDTH - RIGHT + 44}" y="{at + 4}">{name}</text>')
    out.append("</svg>\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out))
