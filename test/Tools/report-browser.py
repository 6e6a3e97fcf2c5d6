"""report.html in a real browser: it needs nothing from outside, has no errors,
fits the window, and what is drawn is what report.json says."""
# REQUIRES: browser, numpy
# RUN: compress-compile %examples/digits/digits.onnx -o %t/out --data %examples/digits/calib.npz --max-size 15% --frontier 10%,30% --stitch-frontier --levels f32,int8,int4-g32,int3-g32 > %t.text
# RUN: %python %s %t "%browser"
import html
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

work, browser = pathlib.Path(sys.argv[1]), sys.argv[2]
report = json.loads((work / "out" / "report.json").read_text(encoding="utf-8"))
page = (work / "out" / "report.html").read_text(encoding="utf-8")

# Runs when the page is loaded; dates and sizes are of the drawn boxes.
BEFORE = """<script>
window.problems = [];
addEventListener("error", e => window.problems.push(String(e.message || e.target.outerHTML)), true);
</script>"""
AFTER = """<script>
addEventListener("load", () => {
  const box = e => { const r = e.getBoundingClientRect();
    return {x: r.left, y: r.top, right: r.right, bottom: r.bottom, width: r.width, height: r.height}; };
  const found = {
    problems: window.problems,
    loaded: performance.getEntriesByType("resource").map(r => r.name),
    window: innerWidth, page: document.documentElement.scrollWidth,
    sections: [...document.querySelectorAll("section")].map(s => ({
      title: s.querySelector("h2").textContent, box: box(s),
      rows: [...s.querySelectorAll("tbody tr")].map(r => [...r.cells].map(c => c.innerText)),
      svg: [...s.querySelectorAll("svg")].map(v => ({
        box: box(v), label: v.getAttribute("aria-label"),
        texts: [...v.querySelectorAll("text")].map(t => ({box: box(t), text: t.textContent})),
        rects: [...v.querySelectorAll("rect")].map(r => ({
          box: box(r), fill: getComputedStyle(r).fill,
          name: (r.parentNode.querySelector(":scope > title") || {}).textContent})),
        circles: [...v.querySelectorAll("circle")].map(c => ({
          box: box(c), fill: getComputedStyle(c).fill,
          name: (c.querySelector("title") || {}).textContent}))}))}))};
  const out = document.createElement("pre");
  out.id = "found";
  out.textContent = JSON.stringify(found);
  document.body.appendChild(out);
});
</script>"""


def look(text, width):
    """What the browser makes of a page in a window of this width."""
    head, body = text.replace("<head>", "<head>" + BEFORE, 1), AFTER + "</body>"
    assert head != text and text.count("</body>") == 1
    path = work / f"probe-{width}.html"
    path.write_text(head.replace("</body>", body), encoding="utf-8")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
                   "--enable-logging=stderr", f"--user-data-dir={profile}",
                   f"--window-size={width},1000", "--dump-dom", path.resolve().as_uri()]
        if os.geteuid() == 0:
            command.insert(1, "--no-sandbox")
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stdout[-2000:]
    seen = json.loads(html.unescape(found.group(1)))
    seen["console"] = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return seen


# The probe itself sees what is wrong.
broken = page.replace("</main>", '<img src="none.png"/><script>none()</script></main>')
seen = look(broken, 900)
assert len(seen["problems"]) == 2 and "none" in str(seen["problems"]), seen["problems"]
assert seen["console"], "the browser's complaints are not found"

for width in (1280, 600):
    seen = look(page, width)
    for kind in ("problems", "console", "loaded"):
        assert not seen[kind], (kind, seen[kind])
    assert seen["page"] <= seen["window"], f"{seen['page']} pixels in a window of {width}"
    sections = {s["title"]: s for s in seen["sections"]}
    for section in sections.values():
        assert section["box"]["width"] > 0.8 * min(width, 1000) and section["box"]["height"] > 30
        for drawing in section["svg"]:
            frame = drawing["box"]
            assert frame["width"] > 100 and frame["height"] > 5, drawing["label"]
            for part in drawing["texts"] + drawing["rects"] + drawing["circles"]:
                inner = part["box"]
                assert (inner["x"] >= frame["x"] - 2 and inner["right"] <= frame["right"] + 2
                        and inner["y"] >= frame["y"] - 2
                        and inner["bottom"] <= frame["bottom"] + 2), (drawing["label"], part, frame)

    # A pair of bars for each site, as long as its bytes.
    bars = sections["Bytes per site, before and after"]["svg"][0]["rects"]
    assert len(bars) == 2 * len(report["sites"])
    longest = max(bar["box"]["width"] for bar in bars)
    most = max(site["bytes_before"] for site in report["sites"])
    for site in report["sites"]:
        own = [bar["box"]["width"] for bar in bars if bar["name"] == site["name"]]
        assert len(own) == 2, site["name"]
        for length, size in zip(own, (site["bytes_before"], site["bytes_after"])):
            assert abs(length - longest * size / most) <= 0.02 * longest, (site, own)

    # Each level has a color.
    shares = sections["Where the bytes are"]["svg"][0]["rects"][1:]
    assert len({bar["fill"] for bar in shares}) == len(shares) > 1, shares

    # A circle for each plan: bytes from left to right, errors from bottom to top.
    points = [p for p in report["search"]["points"] if p.get("output_error", 0) > 0]
    circles = sections["Size and error"]["svg"][0]["circles"]
    assert len(points) >= 5 and len(circles) == len(points), (len(points), len(circles))
    places = [(point, circle["box"]["x"] + circle["box"]["right"],
               circle["box"]["y"] + circle["box"]["bottom"])
              for point, circle in zip(points, circles)]
    for a, ax, ay in places:
        for b, bx, by in places:
            if a["bytes"] > 1.05 * b["bytes"]:
                assert ax > bx, (a, b)
            if a["output_error"] > 1.2 * b["output_error"]:
                assert ay < by, (a, b)
    lefts = sorted(x for _, x, _ in places)
    assert lefts[-1] - lefts[0] > width / 4, "the plans lie on one another"

    # A row for each site and each plan.
    rows = sections["Sites"]["rows"]
    assert [row[0].strip() for row in rows] == [site["name"] for site in report["sites"]], rows
    assert all(site["level"] in row for site, row in zip(report["sites"], rows)), rows
    reasons = sections["Why these levels"]["rows"]
    assert len(reasons) == len(report["sites"]), reasons
    searches = [p["search"] for p in report["search"]["points"]]
    means = sum(search == "random 1" for search in searches)
    plans = sum(not search.startswith("random") for search in searches)
    assert len(sections["Size and error"]["rows"]) == plans + means, searches
    print(width, {title: len(s["svg"]) for title, s in sections.items()}, len(circles), "circles")
