//! Signatures of requests: what both sides know is never sent.

pub mod aws;
pub mod webhook;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// HMAC-SHA256 (RFC 2104), whose key may have any length.
fn hmac(key: &[u8], content: &[u8]) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}
