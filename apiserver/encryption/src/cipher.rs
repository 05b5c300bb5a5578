//! The ciphers, and how each lays out a nonce and what it encrypts.
//!
//! Source: apiserver `pkg/storage/value/encrypt/aes`, `encrypt/secretbox`.

use std::fmt;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use crypto_secretbox::XSalsa20Poly1305;
use crypto_secretbox::aead::generic_array::GenericArray;
use crypto_secretbox::aead::{Aead, KeyInit};
use rand::RngCore;

/// Bytes of a block, and of the vector that a chain of them begins with.
const BLOCK: usize = 16;
const SECRETBOX_NONCE: usize = 24;

/// One key of one provider.
pub enum Cipher {
    /// Nothing is encrypted.
    Identity,
    /// Chained blocks, padded as PKCS #7 says; the vector in front. Nothing else is authenticated.
    AesCbc(Box<Cbc>),
    /// A nonce in front, and the place of the value is authenticated with it.
    AesGcm(Box<LessSafeKey>),
    /// XSalsa20 with Poly1305; the nonce in front.
    Secretbox(Box<XSalsa20Poly1305>),
}

/// A key for chained blocks, in both directions.
pub struct Cbc {
    encrypt: PaddedBlockEncryptingKey,
    decrypt: PaddedBlockDecryptingKey,
}

/// A value that cannot be encrypted or decrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    #[error("the stored data was shorter than the required size")]
    TooShort,
    #[error("the stored data is not a multiple of the block size")]
    NotBlocks,
    #[error("cipher: message authentication failed")]
    Failed,
    #[error("identity transformer tried to read encrypted data")]
    Encrypted,
    /// What a KMS provider has to say.
    #[error("{0}")]
    Kms(String),
}

impl fmt::Debug for Cipher {
    /// Keys are shown to nobody.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cipher::Identity => "identity",
            Cipher::AesCbc(_) => "aescbc",
            Cipher::AesGcm(_) => "aesgcm",
            Cipher::Secretbox(_) => "secretbox",
        })
    }
}

impl Cipher {
    /// A key of 16, 24 or 32 bytes.
    pub fn aes_cbc(key: &[u8]) -> Option<Cipher> {
        let algorithm = match key.len() {
            16 => &AES_128,
            24 => &AES_192,
            32 => &AES_256,
            _ => return None,
        };
        let key = || UnboundCipherKey::new(algorithm, key).ok();
        Some(Cipher::AesCbc(Box::new(Cbc {
            encrypt: PaddedBlockEncryptingKey::cbc_pkcs7(key()?).ok()?,
            decrypt: PaddedBlockDecryptingKey::cbc_pkcs7(key()?).ok()?,
        })))
    }

    /// A key of 16, 24 or 32 bytes.
    pub fn aes_gcm(key: &[u8]) -> Option<Cipher> {
        let algorithm: &Algorithm = match key.len() {
            16 => &AES_128_GCM,
            24 => &AES_192_GCM,
            32 => &AES_256_GCM,
            _ => return None,
        };
        Some(Cipher::AesGcm(Box::new(LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?))))
    }

    /// A key of 32 bytes.
    pub fn secretbox(key: &[u8]) -> Option<Cipher> {
        (key.len() == 32).then(|| Cipher::Secretbox(Box::new(XSalsa20Poly1305::new(GenericArray::from_slice(key)))))
    }

    /// Appends the encrypted value to `out`. `place` is the key that it is stored under.
    ///
    /// # Errors
    /// The cipher refuses, which none does with values of a size that can be stored.
    pub fn encrypt(&self, plain: &[u8], place: &str, out: &mut Vec<u8>) -> Result<(), CipherError> {
        match self {
            Cipher::Identity => out.extend_from_slice(plain),
            Cipher::AesCbc(key) => {
                let mut value = plain.to_vec();
                let context = key.encrypt.encrypt(&mut value).map_err(|_| CipherError::Failed)?;
                let DecryptionContext::Iv128(vector) = context else { return Err(CipherError::Failed) };
                out.extend_from_slice(vector.as_ref());
                out.extend_from_slice(&value);
            }
            Cipher::AesGcm(key) => {
                let nonce: [u8; NONCE_LEN] = random();
                let mut value = plain.to_vec();
                let place = Aad::from(place.as_bytes());
                key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), place, &mut value)
                    .map_err(|_| CipherError::Failed)?;
                out.extend_from_slice(&nonce);
                out.extend_from_slice(&value);
            }
            Cipher::Secretbox(key) => {
                let nonce: [u8; SECRETBOX_NONCE] = random();
                let value = key.encrypt(GenericArray::from_slice(&nonce), plain).map_err(|_| CipherError::Failed)?;
                out.extend_from_slice(&nonce);
                out.extend_from_slice(&value);
            }
        }
        Ok(())
    }

    /// The value that was encrypted for this place.
    ///
    /// # Errors
    /// It was not encrypted with this key, or not for this place, or it is damaged.
    pub fn decrypt(&self, stored: &[u8], place: &str) -> Result<Vec<u8>, CipherError> {
        match self {
            // What some other provider has written is no object.
            Cipher::Identity if stored.starts_with(b"k8s:enc:") => Err(CipherError::Encrypted),
            Cipher::Identity => Ok(stored.to_vec()),
            Cipher::AesCbc(key) => {
                let (vector, blocks) = stored.split_first_chunk::<BLOCK>().ok_or(CipherError::TooShort)?;
                if !blocks.len().is_multiple_of(BLOCK) || blocks.is_empty() {
                    return Err(CipherError::NotBlocks);
                }
                let mut value = blocks.to_vec();
                let context = DecryptionContext::Iv128(FixedLength::from(vector));
                let length = key.decrypt.decrypt(&mut value, context).map_err(|_| CipherError::Failed)?.len();
                value.truncate(length);
                Ok(value)
            }
            Cipher::AesGcm(key) => {
                let (nonce, sealed) = stored.split_first_chunk::<NONCE_LEN>().ok_or(CipherError::TooShort)?;
                let mut value = sealed.to_vec();
                let place = Aad::from(place.as_bytes());
                let length = key
                    .open_in_place(Nonce::assume_unique_for_key(*nonce), place, &mut value)
                    .map_err(|_| CipherError::Failed)?
                    .len();
                value.truncate(length);
                Ok(value)
            }
            Cipher::Secretbox(key) => {
                let (nonce, sealed) = stored.split_first_chunk::<SECRETBOX_NONCE>().ok_or(CipherError::TooShort)?;
                key.decrypt(GenericArray::from_slice(nonce), sealed).map_err(|_| CipherError::Failed)
            }
        }
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ciphers() -> Vec<Cipher> {
        let key = [7; 32];
        let mut all = vec![Cipher::secretbox(&key).unwrap()];
        for size in [16, 24, 32] {
            all.extend([Cipher::aes_cbc(&key[..size]).unwrap(), Cipher::aes_gcm(&key[..size]).unwrap()]);
        }
        all
    }

    #[test]
    fn only_proper_keys_are_keys() {
        assert!(Cipher::aes_cbc(&[0; 31]).is_none() && Cipher::aes_gcm(&[0; 8]).is_none());
        assert!(Cipher::secretbox(&[0; 16]).is_none());
    }

    #[test]
    fn values_come_back_and_only_from_their_place() {
        for cipher in ciphers() {
            for plain in [&b""[..], b"0123456789abcdef", b"k8s\0..."] {
                let mut stored = Vec::new();
                cipher.encrypt(plain, "/registry/secrets/a/b", &mut stored).unwrap();
                assert_eq!(cipher.decrypt(&stored, "/registry/secrets/a/b").unwrap(), plain, "{cipher:?}");
                let elsewhere = cipher.decrypt(&stored, "/registry/secrets/a/c");
                // Only this one authenticates the place, as upstream's.
                assert_eq!(elsewhere.is_err(), matches!(cipher, Cipher::AesGcm(_)), "{cipher:?}");
                let mut again = Vec::new();
                cipher.encrypt(plain, "/registry/secrets/a/b", &mut again).unwrap();
                assert_ne!(stored, again, "{cipher:?}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn damage_is_an_error_and_never_a_panic(stored in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            for cipher in ciphers() {
                let _ = cipher.decrypt(&stored, "x");
            }
        }
    }
}
