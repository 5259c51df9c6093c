"""A headless Chromium for tests of what people look at: Debian's packages chromium and chromium-driver."""

import os
import shutil
from contextlib import contextmanager

import pytest
from selenium import webdriver


@contextmanager
def chromium():
    """A browser whose console is recorded. Without one the test is skipped, but never in CI."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        assert not os.environ.get("CI"), "CI installs chromium and chromium-driver"
        pytest.skip("no Chromium here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        yield browser
    finally:
        browser.quit()
