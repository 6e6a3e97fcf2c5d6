"""With one site compressed, its weighed error is the error of the output."""
import json
import sys

with open(sys.argv[1] + "/report.json", encoding="utf-8") as file:
    points = json.load(file)["search"]["points"]
assert len(points) == 2, points
for point in points:
    ratio = point["predicted_error"] / point["output_error"]
    # Weighed on few samples.
    assert 0.7 < ratio < 1.4, point
