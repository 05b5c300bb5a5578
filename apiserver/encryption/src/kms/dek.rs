//! The keys that values are encrypted with, which a plugin's key encrypts in turn.
//!
//! Source: apiserver `pkg/storage/value/encrypt/aes/aes_extended_nonce.go`.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use rand::RngCore;

use crate::cipher::{Cipher, CipherError};

/// Bytes of a seed, of what is mixed into it for each value, and of the key that comes out.
const SIZE: usize = 32;

/// One key that a plugin has decrypted.
pub enum Dek {
    /// The key itself (`AES_GCM_KEY`). It is only read with: what wrote with it counted its nonces.
    Key(Cipher),
    /// A seed, from which every value gets a key of its own (`HKDF_SHA256_XNONCE_AES_GCM_SEED`).
    Seed(Box<Prk>),
}

impl Dek {
    /// A key of 16, 24 or 32 bytes.
    ///
    /// # Errors
    /// It is of another size.
    pub fn key(key: &[u8]) -> Result<Dek, String> {
        Cipher::aes_gcm(key).map(Dek::Key).ok_or_else(|| format!("crypto/aes: invalid key size {}", key.len()))
    }

    /// A seed of 32 bytes or more.
    ///
    /// # Errors
    /// It is shorter.
    pub fn seed(seed: &[u8]) -> Result<Dek, String> {
        if seed.len() < SIZE {
            return Err(format!("invalid seed length {} used for key generation", seed.len()));
        }
        // What is longer than a block of the hash is hashed first, as HMAC says.
        let prk = match seed.len() {
            ..=64 => Prk::new_less_safe(HKDF_SHA256, seed),
            _ => Prk::new_less_safe(HKDF_SHA256, digest(&SHA256, seed).as_ref()),
        };
        Ok(Dek::Seed(Box::new(prk)))
    }

    /// A new seed and its bytes, which are for the plugin alone.
    ///
    /// # Errors
    /// Never for a seed of this size.
    pub fn generate() -> Result<(Dek, Vec<u8>), String> {
        let mut seed = vec![0; SIZE];
        rand::rng().fill_bytes(&mut seed);
        Ok((Dek::seed(&seed)?, seed))
    }

    /// Encrypts a value for the key that it is stored under.
    ///
    /// # Errors
    /// The cipher refuses.
    pub fn encrypt(&self, plain: &[u8], place: &str) -> Result<Vec<u8>, CipherError> {
        let mut out = Vec::with_capacity(SIZE + 12 + plain.len() + 16);
        match self {
            Dek::Key(key) => key.encrypt(plain, place, &mut out)?,
            Dek::Seed(seed) => {
                let mut info = [0; SIZE];
                rand::rng().fill_bytes(&mut info);
                out.extend_from_slice(&info);
                derived(seed, &info)?.encrypt(plain, place, &mut out)?;
            }
        }
        Ok(out)
    }

    /// # Errors
    /// It was not encrypted with this key, or not for this place, or it is damaged.
    pub fn decrypt(&self, stored: &[u8], place: &str) -> Result<Vec<u8>, CipherError> {
        match self {
            Dek::Key(key) => key.decrypt(stored, place),
            Dek::Seed(seed) => {
                let (info, sealed) = stored.split_first_chunk::<SIZE>().ok_or(CipherError::TooShort)?;
                derived(seed, info)?.decrypt(sealed, place)
            }
        }
    }
}

fn derived(seed: &Prk, info: &[u8; SIZE]) -> Result<Cipher, CipherError> {
    let mut key = [0; SIZE];
    let info = [info.as_slice()];
    let stream = seed.expand(&info, HKDF_SHA256).map_err(|_| CipherError::Failed)?;
    stream.fill(&mut key).map_err(|_| CipherError::Failed)?;
    Cipher::aes_gcm(&key).ok_or(CipherError::Failed)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn values_come_back_from_their_place_alone() {
        let (seed, bytes) = Dek::generate().unwrap();
        for dek in [seed, Dek::seed(&[7; 200]).unwrap(), Dek::key(&bytes).unwrap(), Dek::key(&[7; 16]).unwrap()] {
            let stored = dek.encrypt(b"value", "/registry/secrets/a/b").unwrap();
            assert_eq!(dek.decrypt(&stored, "/registry/secrets/a/b").unwrap(), b"value");
            assert_eq!(dek.decrypt(&stored, "/registry/secrets/a/c"), Err(CipherError::Failed));
            assert_ne!(stored, dek.encrypt(b"value", "/registry/secrets/a/b").unwrap());
            for cut in 0..stored.len() {
                assert!(dek.decrypt(&stored[..cut], "/registry/secrets/a/b").is_err());
            }
        }
    }

    #[test]
    fn sizes_are_checked() {
        let refused = |dek: Result<Dek, String>| dek.err().unwrap();
        assert_eq!(refused(Dek::seed(&[0; 31])), "invalid seed length 31 used for key generation");
        assert_eq!(refused(Dek::key(&[0; 31])), "crypto/aes: invalid key size 31");
        assert_eq!(refused(Dek::key(&[])), "crypto/aes: invalid key size 0");
    }

    /// Made by another implementation of HKDF and AES-GCM: the info, the nonce, and what is sealed.
    #[test]
    fn seeds_are_expanded_as_upstream_does() {
        let bytes: Vec<u8> = (0..100).collect();
        for (seed, stored) in [
            (
                &bytes[..32],
                "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoPIycrLzM3Oz9DR0tMGXhZxUimKdxKuU/cQcTiK8gtPbwb92IZl",
            ),
            (
                &bytes[..],
                "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoPIycrLzM3Oz9DR0tPjjTdSb9kMzs+mXZvUBXyJj0jvtFn1DsMv",
            ),
        ] {
            let stored = STANDARD.decode(stored).unwrap();
            let value = Dek::seed(seed).unwrap().decrypt(&stored, "/registry/secrets/default/a").unwrap();
            assert_eq!(value, b"k8s\0value");
        }
    }
}
