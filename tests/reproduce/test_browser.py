"""The report in a browser: all images shown, nothing asked of the network, no errors."""

import json
import shutil
import subprocess

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Written into a copy of the page, which then says what the browser made of it.
PROBE = """<script>
window.addEventListener("load", () => {
  const images = [...document.images];
  const found = {
    images: images.length,
    broken: images.filter(i => !i.complete || !i.naturalWidth || !i.clientWidth).length,
    asked: performance.getEntriesByType("resource").map(e => e.name)
      .filter(n => !n.startsWith("data:")),
    errors: window.found,
    wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
  };
  document.body.innerHTML = "<pre id=found>" + JSON.stringify(found) + "</pre>";
});
</script>"""
EARLY = """<script>
window.found = [];
window.addEventListener("error", e => window.found.push(String(e.message || e.target.src)), true);
</script>"""


@pytest.fixture(scope="session")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)} is on the path")
    return found


def test_the_page_shows_itself(browser, report, tmp_path):
    page = report.path.read_text("utf-8")
    copy = tmp_path / "probe.html"
    copy.write_text(page.replace("<head>", f"<head>{EARLY}").replace("</body>", f"{PROBE}</body>"))
    done = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1200,900", "--timeout=20000",
            "--enable-logging=stderr", "--dump-dom", copy.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    text = done.stdout.partition('<pre id="found">')[2].partition("</pre>")[0]
    found = json.loads(text.replace("&amp;", "&"))
    drawn = sum(len(one.images) > 0 for section in report.sections for one in section.made)
    assert found == {"images": drawn, "broken": 0, "asked": [], "errors": [], "wide": False}
    assert ":CONSOLE" not in done.stderr
