"""The marker of this folder's tests, which a recogniser's weight keeps out of everyday runs."""


def pytest_configure(config):
    config.addinivalue_line("markers", "ocr: reads pictures with a text recogniser (make ocr); needs kaipiao[ocr]")
