"""Pictures of the writing desk and of the sampling explorer, as they are in a real JupyterLab.

    python assets/images/make_desk_images.py

Needs Chromium, a font with Chinese characters, and the bundled model.
"""

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

from helpers_lab import browsing, open_notebook, run_cell, serving_lab, write_notebook  # noqa: E402

OPENING = (
    "话说运河边上有个小小的渡口，唤做柳家渡。这年腊月二十三，天降大雪，"
    "周老丈正要收船，忽听得对岸有人高叫：“船家，快渡我过去！”\\n"
)
DESK = f"from novelkit.writing import desk\ndesk('novel-small', '{OPENING}')"
EXPLORER = """from novelkit.writing import sampling_explorer
sampling_explorer('novel-small', '却说那老者拄着')"""


def picture(page, name):
    page.locator(".jp-OutputArea-output .jupyter-widgets").first.screenshot(path=HERE / name)
    print(HERE / name)


def main():
    with tempfile.TemporaryDirectory() as folder:
        write_notebook(Path(folder) / "desk.ipynb", DESK)
        write_notebook(Path(folder) / "explorer.ipynb", EXPLORER)
        # As wide as a laptop.
        with serving_lab(folder) as address, browsing(1400, 1500) as page:
            open_notebook(page, address, "desk.ipynb")
            run_cell(page)
            page.locator("button", has_text="续写").wait_for(timeout=120_000)
            for _ in range(2):
                page.locator("button", has_text="续写").click()
                page.wait_for_timeout(1000)
                page.wait_for_selector("button:enabled:has-text('续写')", timeout=120_000)
                page.locator("button", has_text="用这份").nth(1).click()
                page.wait_for_timeout(1500)
            page.locator("button", has_text="续写").click()
            page.wait_for_timeout(1000)
            page.wait_for_selector("button:enabled:has-text('续写')", timeout=120_000)
            page.wait_for_timeout(1000)
            picture(page, "desk.png")
            open_notebook(page, address, "explorer.ipynb")
            run_cell(page)
            page.wait_for_selector(".widget-slider", timeout=120_000)
            page.wait_for_timeout(3000)
            picture(page, "explorer.png")


if __name__ == "__main__":
    main()
