"""The names of what can be wrong with a signed file: stable codes for programs, beside sentences for people."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Code(StrEnum):
    """What verification found; codes are never renamed, so that programs can act on them."""

    UNREADABLE = "unreadable"
    """No reader can open the file."""
    ENCRYPTED = "encrypted"
    """The file needs a password."""
    UNSIGNED = "unsigned"
    """No field holds a signature."""
    SIGNATURE_REMOVED = "signature_removed"
    """There are traces of a signature, but no field refers to it."""
    DAMAGED = "damaged"
    """Readers have to repair the file, each in its own way."""

    FORMAT_UNKNOWN = "format_unknown"
    """The /SubFilter is none that is verified here."""
    BYTE_RANGE_MALFORMED = "byte_range_malformed"
    """/ByteRange is not four whole numbers inside the file."""
    BYTE_RANGE_START = "byte_range_start"
    """/ByteRange does not begin at the first byte."""
    BYTE_RANGE_OVERLAP = "byte_range_overlap"
    """The two parts of /ByteRange overlap, or leave nothing out between them."""
    BYTE_RANGE_GAP = "byte_range_gap"
    """/ByteRange leaves out more, less or something else than one hex string: widened, narrowed or filled."""
    CONTENTS_ELSEWHERE = "contents_elsewhere"
    """The signature is not where /ByteRange says: it was moved, or the file was saved anew by a program."""
    PADDING_CHANGED = "padding_changed"
    """Something other than zeros stands behind the signature in its place."""

    TRUNCATED = "truncated"
    """More bytes were signed than the file has."""
    DIGEST_MISMATCH = "digest_mismatch"
    """The signed bytes changed, or the signature belongs to another document."""
    ATTACHMENT_CHECKSUM = "attachment_checksum"
    """An attachment contradicts its own checksum."""

    APPENDED = "appended"
    """Bytes that nobody signed follow the last signed one."""
    PAGE_CHANGED_LATER = "page_changed_later"
    """An update after the signature changed what pages show."""
    ATTACHMENT_CHANGED_LATER = "attachment_changed_later"
    """An update after the signature changed, added or removed attachments."""
    DESCRIPTION_CHANGED_LATER = "description_changed_later"
    """An update after the signature changed title, dates or other metadata."""
    FORM_CHANGED_LATER = "form_changed_later"
    """An update after the signature changed the form in another way than by adding an invisible signature."""
    OBJECT_CHANGED_LATER = "object_changed_later"
    """An update after the signature changed something else."""
    REVISION_UNREADABLE = "revision_unreadable"
    """What was signed is no complete file of its own, so later changes cannot be told."""

    STRUCTURE_MALFORMED = "structure_malformed"
    """The signature is not a structure that could be read in exactly one way."""
    SIGNATURE_MISMATCH = "signature_mismatch"
    """The signature value is not by the key of its certificate over what it states."""
    KEY_REJECTED = "key_rejected"
    """The certificate's key is no SM2 key."""
    CERTIFICATE_EXCHANGED = "certificate_exchanged"
    """The certificate is not the one that the signer stated."""
    CERTIFICATE_FORGED = "certificate_forged"
    """A self-issued certificate is not signed by its own key."""
    CERTIFICATE_EXPIRED = "certificate_expired"
    """The certificate was not valid at the signing time."""
    KEY_USAGE = "key_usage"
    """The certificate's key is not meant for signatures."""
    TIME_MISSING = "time_missing"
    """The signature states no signing time."""
    SIGNER_UNTRUSTED = "signer_untrusted"
    """The signature is in order, but its signer is not on the list of the trusted."""

    SEAL_FORGED = "seal_forged"
    """The seal (电子印章) is not signed by the maker whose certificate it carries."""
    SEAL_EXPIRED = "seal_expired"
    """The seal was not valid at the signing time."""
    SEAL_NOT_OF_SIGNER = "seal_not_of_signer"
    """The seal does not list the certificate that signed with it."""


class Finding(NamedTuple):
    """One thing that is wrong: its stable name, and a sentence for people."""

    code: Code
    text: str
