//! Values encrypted before they are stored, in upstream's formats.
//!
//! A [`Configuration`] names providers for resources. [`Encryption`] gives each resource its [`Keys`], which change in
//! place when the configuration is replaced. Keys of KMS providers are with a plugin: whoever reads prepares first
//! ([`Keys::prepare`]), so that nothing waits for a plugin while a value is decrypted.
//!
//! Source: apiserver `pkg/server/options/encryptionconfig`, `pkg/storage/value`.

mod cipher;
mod configuration;
mod keys;
mod kms;
mod metrics;

pub use cipher::{Cipher, CipherError};
pub use configuration::{Configuration, ConfigurationError};
pub use keys::{Encryption, Keys, OpenError, Opened};
pub use metrics::Metrics;
