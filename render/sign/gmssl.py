"""SM2, SM3 and SM4 by the pure-Python gmssl: slow, but needs no library; also the cross-checker in tests.

gmssl does its arithmetic without checking what it is given, and draws its nonces from a generator that can be
predicted. Ranges, points, padding and nonces are therefore ours.
"""

from __future__ import annotations

import secrets
from importlib import metadata
from typing import Any

from render.errors import BackendUnavailable, KeyRejected, MalformedInput, SigningError
from render.sign.api import BytesLike
from render.sign.curve import N, check_public_key, decode_signature, encode_signature

_BLOCK_BYTES = 16
_MAX_NONCES = 8
_HEX_INTEGER = 64


class PureGmssl:
    """The ``gmssl`` backend.

    Raises:
        BackendUnavailable: the package is not installed.
    """

    def __init__(self) -> None:
        try:
            from gmssl import sm2, sm3, sm4

            version = metadata.version("gmssl")
        except ImportError as error:
            raise BackendUnavailable(f"gmssl cannot be imported: {error}.", hint="pip install gmssl") from error
        self._sm2, self._sm3, self._sm4 = sm2, sm3, sm4
        self.name = f"gmssl {version}"

    def sm3(self, *parts: BytesLike) -> bytes:
        """Return the 32-byte SM3 digest of the parts, as if they were one."""
        octets = [octet for part in parts for octet in bytes(part)]
        return bytes.fromhex(self._sm3.sm3_hash(octets))

    def sm3_state(self, prefix: BytesLike) -> bytes:
        """Return the prefix itself: gmssl digests in one go."""
        return bytes(prefix)

    def sm3_after(self, state: bytes | None, *parts: BytesLike) -> bytes:
        """Return the 32-byte SM3 digest of the prefix and the parts; None = no prefix."""
        return self.sm3(state or b"", *parts)

    def sm2_public_key(self, private: bytes) -> bytes:
        """Return the 65-byte public point of a 32-byte private key.

        Raises:
            KeyRejected: the number has no public point.
        """
        number = int.from_bytes(private, "big")
        if not 0 < number < N:
            raise KeyRejected("no public key belongs to this private key.")
        machine = self._machine(b"", bytes(65))
        return b"\x04" + bytes.fromhex(machine._kg(number, machine.ecc_table["g"]))  # noqa: SLF001 has no public name

    def sm2_signer(self, private: bytes, public: bytes) -> _KeyPair:
        """Load a key pair for signing.

        Raises:
            KeyRejected: not a key of the SM2 curve.
        """
        return _KeyPair(self._machine(private, check_public_key(public)))

    def sm2_verify(self, public: bytes, message: BytesLike, signature: bytes) -> bool:
        """Tell whether a DER signature belongs to the message and the public point.

        Raises:
            KeyRejected: the public key is not a point of the curve.
        """
        machine = self._machine(b"", check_public_key(public))
        try:
            r, s = decode_signature(signature)
            return bool(machine.verify_with_sm3(f"{r:064x}{s:064x}", bytes(message)))
        except (MalformedInput, TypeError):
            # gmssl has no point at infinity: it stumbles over None, which only forged signatures lead to.
            return False

    def sm4_cbc(self, key: bytes, iv: bytes, data: BytesLike, *, encrypt: bool) -> bytes:
        """Encrypt or decrypt by SM4-CBC with PKCS#7 padding.

        Raises:
            MalformedInput: the padding of a ciphertext is wrong.
        """
        octets, output, previous = bytes(data), bytearray(), iv
        if encrypt:
            padding = _BLOCK_BYTES - len(octets) % _BLOCK_BYTES
            octets += bytes([padding]) * padding
        cipher = self._block_cipher(key, encrypt=encrypt)
        for start in range(0, len(octets), _BLOCK_BYTES):
            block = octets[start : start + _BLOCK_BYTES]
            if encrypt:
                previous = cipher(_xor(block, previous))
                output += previous
            else:
                output += _xor(cipher(block), previous)
                previous = block
        return bytes(output) if encrypt else _strip_padding(bytes(output))

    def sm4_ctr(self, key: bytes, counter: bytes, data: BytesLike) -> bytes:
        """Encrypt or decrypt by SM4-CTR."""
        octets, output = bytes(data), bytearray()
        cipher, number = self._block_cipher(key, encrypt=True), int.from_bytes(counter, "big")
        for start in range(0, len(octets), _BLOCK_BYTES):
            block = octets[start : start + _BLOCK_BYTES]
            output += _xor(block, cipher(number.to_bytes(_BLOCK_BYTES, "big")))
            number = (number + 1) % (1 << 8 * _BLOCK_BYTES)
        return bytes(output)

    def _block_cipher(self, key: bytes, *, encrypt: bool) -> _BlockCipher:
        machine = self._sm4.CryptSM4()
        machine.set_key(key, self._sm4.SM4_ENCRYPT if encrypt else self._sm4.SM4_DECRYPT)
        return _BlockCipher(machine)

    def _machine(self, private: bytes, public: bytes) -> Any:  # noqa: ANN401 gmssl has no types
        machine = self._sm2.CryptSM2(private_key=private.hex(), public_key="")
        # Not through the constructor: that strips every leading 0 and 4 of the point along with its prefix.
        machine.public_key = public[1:].hex()
        return machine


class _KeyPair:
    """A private key inside gmssl; says nothing about itself."""

    __slots__ = ("_machine",)

    def __init__(self, machine: Any) -> None:  # noqa: ANN401
        self._machine = machine

    def __call__(self, message: BytesLike) -> bytes:
        for _ in range(_MAX_NONCES):
            nonce = secrets.randbelow(N - 1) + 1
            signature = self._machine.sign_with_sm3(bytes(message), f"{nonce:064x}")
            if signature is not None:
                return encode_signature(int(signature[:_HEX_INTEGER], 16), int(signature[_HEX_INTEGER:], 16))
        raise SigningError("no nonce gave a signature.", hint="Check the machine's random source.")

    def __repr__(self) -> str:
        return "<SM2 key in gmssl>"


class _BlockCipher:
    """SM4 on one block of 16 octets."""

    __slots__ = ("_machine",)

    def __init__(self, machine: Any) -> None:  # noqa: ANN401
        self._machine = machine

    def __call__(self, block: bytes) -> bytes:
        if len(block) != _BLOCK_BYTES:
            raise MalformedInput("the SM4 ciphertext is no whole number of blocks.", hint="Check the ciphertext.")
        return bytes(self._machine.one_round(self._machine.sk, block))


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=False))


def _strip_padding(octets: bytes) -> bytes:
    count = octets[-1] if octets else 0
    if not 1 <= count <= _BLOCK_BYTES or octets[-count:] != bytes([count]) * count:
        raise MalformedInput("the SM4 ciphertext has a wrong padding.", hint="Check key and ciphertext.")
    return octets[:-count]
