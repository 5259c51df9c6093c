"""The report, opened in a browser: every chart is drawn, nothing is loaded, dark and on a phone, and it is quick."""

import html
import re

import pytest
from browser import chromium
from matplotlib.figure import Figure
from rich.console import Console

from flows.config import resolve_config
from flows.report import report_html, write_report
from flows.report.page import CHARTS, TABLES
from flows.report.texts import HINT_COUNTS_SQL
from flows.report.training import PANELS, TRAINING
from flows.session import open_session
from flows.stages import run_stage
from storage.query import query
from storage.run import Run

COLUMNS = "return getComputedStyle(document.querySelector('.grid')).gridTemplateColumns.split(' ').length"


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def page(three_rounds):
    return write_report(Run.open(str(three_rounds)))


def opened(browser, page, width=1280, scheme="light"):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(f"file://{page}")
    return browser


def test_every_chart_is_drawn_and_the_console_stays_empty(browser, page):
    opened(browser, page)
    sizes = browser.execute_script("""
        return [...document.querySelectorAll('figure.chart svg')].map(svg => {
            const box = svg.getBoundingClientRect();
            return [box.width, box.height, svg.querySelectorAll('path, use').length];
        })""")
    assert len(sizes) == len(CHARTS)
    assert all(width > 300 and height > 150 and marks > 20 for width, height, marks in sizes)
    strips = browser.execute_script("return [...document.querySelectorAll('.strip img')].map(i => i.naturalWidth)")
    assert len(strips) >= 2
    assert min(strips) > 300
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert browser.get_log("browser") == []


def test_nothing_in_the_file_points_to_a_network(page):
    with open(page, encoding="utf-8") as file:
        text = file.read()
    addresses = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?([^\"')> ]+)", text)
    assert {re.match(r"data:|#", address) is not None for address in addresses} == {True}


def test_a_dark_page_has_light_words_in_its_charts_too(browser, page):
    words = """
        const css = element => getComputedStyle(element);
        const text = document.querySelector('figure.chart svg text');
        return [css(document.body).backgroundColor, css(document.body).color, css(text).fill]"""
    light, dark = (opened(browser, page, scheme=scheme).execute_script(words) for scheme in ("light", "dark"))
    assert light == ["rgb(255, 255, 255)", "rgb(27, 27, 27)", "rgb(27, 27, 27)"]
    assert dark == ["rgb(22, 24, 28)", "rgb(232, 232, 232)", "rgb(232, 232, 232)"]


def test_a_phone_gets_one_column_and_scrolls_only_down(browser, page):
    assert opened(browser, page).execute_script(COLUMNS) == 2
    assert opened(browser, page, width=390).execute_script(COLUMNS) == 1
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390


def test_every_chart_and_table_shows_the_question_that_made_it(three_rounds, page):
    with open(page, encoding="utf-8") as file:
        shown = {html.unescape(sql) for sql in re.findall(r"<summary>SQL</summary><pre>(.*?)</pre>", file.read(), re.S)}
    run = Run.open(str(three_rounds))
    for sql in (*(chart.sql for chart in CHARTS), *TABLES.values(), HINT_COUNTS_SQL):
        assert sql.strip() in shown
        query(run, sql)


def test_what_a_reader_reads_is_there(three_rounds, page):
    with open(page, encoding="utf-8") as file:
        text = html.unescape(file.read())
    run = Run.open(str(three_rounds))
    hint = query(
        run, "select hint, sample_id from augmentations where kind = 'hint' order by round_index desc, level desc"
    )
    assert f'<blockquote class="hint">{hint["hint"][0].as_py()} <span class="hidden">' in text
    counts = query(run, "select num_traces, num_usable, num_hints from hints limit 1").to_pylist()[0]
    assert "".join(f"<td>{counts[name]}</td>" for name in counts) in text
    assert "<th>vanished after</th>" in text
    best = query(
        run,
        """
        select r.response from rollouts r join groups g using (group_id) where g.pass = 'original'
        and g.round_index = 2 order by g.normalised_reward desc, g.group_index limit 1""",
    )
    assert best["response"][0].as_py() in text
    assert text.count('<blockquote class="best">') == text.count('<blockquote class="worst">') == 2


def test_a_step_above_a_ceiling_is_crossed_out():
    step = dict.fromkeys(PANELS, 1.0) | {"round_index": 0, "stopped": None}
    figure = Figure()
    TRAINING.draw(figure, [step, step, {**step, "stopped": "kl is 2, train.max_kl 1"}])
    crosses = [line.get_xydata().tolist() for axes in figure.axes for line in axes.lines if line.get_marker() == "x"]
    assert crosses == [[[2.0, 1.0]]] * len(PANELS)


def test_a_run_that_has_only_begun_has_a_report(tmp_path, small_config, browser):
    with open_session(str(tmp_path / "run"), small_config, Console(quiet=True)) as session:
        page = write_report(session.run)
    text = opened(browser, page).find_element("tag name", "body").text
    assert text.count("Nothing to draw yet.") == len(CHARTS)
    assert browser.get_log("browser") == []


def test_ten_thousand_rollouts_open_in_two_seconds(tmp_path, small_config, browser):
    many = ["data.num_train=1250", "select.samples_per_round=1250", "rollout.group_size=8", "rollout.shard_size=250"]
    config = resolve_config(small_config.model_dump(), many, "test")
    with open_session(str(tmp_path / "run"), config, Console(quiet=True)) as session:
        for name in ("select", "rollout", "difficulty"):
            run_stage(session, name, 0)
        page = write_report(session.run)
        assert query(session.run, "select count(*) as n from rollouts")["n"][0].as_py() == 10_000
    opened(browser, page)
    timing = browser.execute_script("return performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert 0 < timing < 2000


def test_the_report_is_the_same_bytes_every_time(three_rounds):
    first, again = (report_html(Run.open(str(three_rounds))) for _ in range(2))
    assert first == again
