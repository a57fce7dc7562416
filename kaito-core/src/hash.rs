//! Hashes that names are made of: SHA-256, in lower-case hex.

use sha2::{Digest, Sha256};

/// The whole hash of some bytes, as 64 hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// The first hex digits of the hash of several parts. Parts are set apart, so that `a, bc` and `ab, c` differ.
pub fn short(parts: &[&str], digits: usize) -> String {
    let joined = parts.join("\u{1f}");
    sha256_hex(joined.as_bytes()).chars().take(digits).collect()
}
