"""Stage 09 as its user has it: a JupyterLab in Chromium, the bundled model, mouse and keyboard."""

import json
import re
import zipfile

import pytest
from helpers_lab import browsing, chromium, open_notebook, run_cell, serving_lab, write_notebook

from novelkit.bundled import bundled_model
from novelkit.writing import load_record, open_session, replay

OPENING = "却说那老者拄着拐杖，慢慢走来。"
CELL = f"from novelkit.writing import desk\ndesk('novel-small', '{OPENING}')"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not chromium(), reason="there is no Chromium here"),
]


@pytest.fixture
def lab(tmp_path):
    """A page with the desk on it: (page, folder)."""
    assert bundled_model()
    write_notebook(tmp_path / "desk.ipynb", CELL)
    with serving_lab(tmp_path) as address, browsing() as page:
        page.address = address
        show_desk(page)
        yield page, tmp_path


def show_desk(page):
    open_notebook(page, page.address, "desk.ipynb")
    run_cell(page)
    button(page, "续写").wait_for(timeout=120_000)


def button(page, name):
    return page.locator("button", has_text=re.compile(f"^{name}$"))


def cards(page):
    """The texts of the three candidates."""
    found = page.locator(".widget-vbox:has(> button:has-text('用这份')) .widget-html-content > div")
    return found.all_inner_texts()


def manuscript(page):
    return page.locator(".widget-html-content > div > div").first.inner_text()


def is_enabled(page, name):
    return button(page, name).is_enabled()


def wait_until(page, condition, seconds=60):
    for _ in range(seconds * 10):
        if condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not come")


def set_length(page, characters):
    page.locator(".widget-readout").nth(7).click()
    page.keyboard.press("Control+A")
    page.keyboard.type(str(characters))
    page.keyboard.press("Enter")


def written(page):
    return sum(len(text) for text in cards(page))


def record(folder):
    [path] = folder.glob("*.novelkit.json")
    return load_record(path)


def test_write_choose_undo_edit_export_and_come_back(lab):
    page, folder = lab
    assert OPENING in manuscript(page)
    # The preset moves the sliders, and a slider is moved by the keyboard.
    page.locator(".widget-dropdown select").first.select_option("稳妥")
    readout = page.locator(".widget-readout").first
    wait_until(page, lambda: readout.inner_text() == "0.75", 10)
    page.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    wait_until(page, lambda: readout.inner_text() == "0.80", 10)

    # Long enough that a page of a busy machine is painted several times meanwhile.
    set_length(page, 400)
    button(page, "续写").click()
    sizes = []
    wait_until(page, lambda: sizes.append(written(page)) or is_enabled(page, "续写") and sizes[-1])
    assert len(set(sizes)) > 3, "the text did not stream"
    choices = cards(page)
    assert len(choices) == 3 and all(choices) and len(set(choices)) == 3
    asked = record(folder)["actions"][-1]
    assert asked["kind"] == "continue" and asked["settings"]["temperature"] == 0.8

    page.locator("button", has_text="用这份").nth(1).click()
    wait_until(page, lambda: choices[1] in manuscript(page), 10)
    # Every character of the model has its colour and tells what else could have come.
    coloured = page.locator(".widget-html-content span[title*='概率']")
    assert coloured.count() > 10 and "还可能" in coloured.first.get_attribute("title")
    button(page, "撤销").click()
    wait_until(page, lambda: choices[1] not in manuscript(page), 10)
    button(page, "重做").click()
    wait_until(page, lambda: choices[1] in manuscript(page), 10)

    button(page, "手改").click()
    editor = page.locator("textarea:visible").first
    editor.fill(OPENING + choices[1] + "他抬起头来。")
    editor.blur()
    button(page, "改好了").click()
    wait_until(page, lambda: "他抬起头来。" in manuscript(page), 10)
    text = OPENING + choices[1] + "他抬起头来。"
    assert record(folder)["text"] == text

    page.locator("text=导出").first.click()
    page.locator(".widget-dropdown select:visible").last.select_option(".epub")
    button(page, "导出").click()
    wait_until(page, lambda: (folder / "稿子.epub").is_file(), 20)
    with zipfile.ZipFile(folder / "稿子.epub") as book:
        assert "他抬起头来。" in book.read("EPUB/chapter-0001.xhtml").decode("utf-8")

    # A page that is loaded again and a kernel that is started again have the manuscript.
    page.locator("text=Kernel").first.click()
    page.locator("text=Shut Down Kernel").first.click()
    show_desk(page)
    wait_until(page, lambda: "他抬起头来。" in manuscript(page), 20)
    again = replay(open_session("novel-small", precision="int8"), record(folder))
    assert again.difference is None and again.text == text
    notebook = json.loads((folder / "desk.ipynb").read_text(encoding="utf-8"))
    assert "widgets" not in notebook["metadata"] and choices[1] not in str(notebook)


def test_stop_branch_and_what_stays_in_sight(lab):
    page, folder = lab
    set_length(page, 1000)
    button(page, "续写").click()
    wait_until(page, lambda: written(page) > 30)
    button(page, "停").click()
    wait_until(page, lambda: is_enabled(page, "续写"), 10)
    assert "已停下" in page.locator(".jp-Notebook").inner_text()
    assert 30 < written(page) < 3000
    page.locator("button", has_text="用这份").first.click()
    wait_until(page, lambda: len(manuscript(page)) > len(OPENING), 10)

    page.locator("text=回到一处，另走一条路").click()
    before = manuscript(page)
    alternative = page.locator("button:visible", has_text=re.compile(r"\d%$")).first
    chosen = alternative.inner_text().split()[0]
    alternative.click()
    wait_until(page, lambda: manuscript(page) != before, 10)
    assert record(folder)["actions"][-1]["kind"] == "branch"
    assert manuscript(page).endswith(chosen.replace("⏎", "").strip())

    page.locator("text=题头、备忘、作者按").click()
    memory = page.locator("textarea:visible").first
    memory.fill("老者姓周，是个船夫。")
    memory.blur()
    page.wait_for_timeout(500)
    page.locator("text=模型看到的").click()
    wait_until(page, lambda: "老者姓周" in page.locator(".jp-Notebook").inner_text(), 10)
