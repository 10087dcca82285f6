"""Why a message was refused before it was read: one stable code each, for logs, audit entries and metrics."""

from __future__ import annotations

from render.errors import InputError


class EnvelopeRefused(InputError):  # noqa: N818 named like the rest of the error tree
    """A message was not let in; nothing of it was carried out."""

    code = "envelope_refused"


class EnvelopeMissing(EnvelopeRefused):
    """The message came without an envelope, and this pool asks for one."""

    code = "envelope_missing"


class EnvelopeMalformed(EnvelopeRefused):
    """The envelope does not follow its schema."""

    code = "envelope_malformed"


class EnvelopeKeyUnknown(EnvelopeRefused):
    """No live key has the key id that the envelope names."""

    code = "envelope_key_unknown"


class EnvelopeForged(EnvelopeRefused):
    """The code of authentication does not fit: forged, or changed on its way."""

    code = "envelope_forged"


class EnvelopePayloadChanged(EnvelopeRefused):
    """The payload is not the one that was sealed."""

    code = "envelope_payload_changed"


class EnvelopeHeaderDiffers(EnvelopeRefused):
    """The message's headers name another task or another message than the one that was sealed."""

    code = "envelope_header_differs"


class EnvelopeExpired(EnvelopeRefused):
    """The envelope's time has passed."""

    code = "envelope_expired"


class EnvelopeTooEarly(EnvelopeRefused):
    """The envelope was sealed in the future, or for longer than any may hold."""

    code = "envelope_too_early"


class EnvelopeReplayed(EnvelopeRefused):
    """A message with this nonce was carried out before."""

    code = "envelope_replayed"
