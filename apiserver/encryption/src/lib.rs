//! Values encrypted before they are stored, in upstream's formats.
//!
//! A [`Configuration`] names providers for resources. [`Encryption`] gives each resource its [`Keys`], which change in
//! place when the configuration is replaced.
//!
//! Source: apiserver `pkg/server/options/encryptionconfig`, `pkg/storage/value`.

mod cipher;
mod configuration;
mod keys;

pub use cipher::{Cipher, CipherError};
pub use configuration::{Configuration, ConfigurationError};
pub use keys::{Encryption, Keys, OpenError, Opened};
