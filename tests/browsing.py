"""A real browser for tests of pages, or a reason to skip them."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest


@contextlib.contextmanager
def headless_browser() -> Iterator[Any]:
    """A headless Chromium driven by Selenium; its console is kept in the log ``browser``."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        missing = "chromium or chromedriver is missing: apt-get install chromium chromium-driver"
        if os.environ.get("GLRTF_BROWSER") == "required":
            pytest.fail(missing)
        pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver)
    with webdriver.Chrome(options=options, service=service) as chrome:
        yield chrome


def wait_for(browser: Any, script: str, *arguments: Any) -> Any:
    """Waits until a script's value is true, and returns it."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 600).until(lambda b: b.execute_script(script, *arguments))


def press(browser: Any, *keys: str) -> None:
    """Presses keys, wherever the focus is."""
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(*keys).perform()
