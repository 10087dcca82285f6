"""Stands for nvidia-ml-py in real worker processes: FAKE_DEVICES holds the UUIDs of the machine's devices."""

import os


class NVMLError(Exception):
    pass


def _devices():
    return [name for name in os.environ.get("FAKE_DEVICES", "").split(",") if name]


def nvmlInit():  # noqa: N802 the library's name
    if not _devices():
        raise NVMLError("Driver Not Loaded")


def nvmlShutdown():  # noqa: N802 the library's name
    pass


def nvmlDeviceGetCount():  # noqa: N802 the library's name
    return len(_devices())


def nvmlDeviceGetHandleByIndex(index):  # noqa: N802 the library's name
    return _devices()[index]


def nvmlDeviceGetUUID(handle):  # noqa: N802 the library's name
    return handle
