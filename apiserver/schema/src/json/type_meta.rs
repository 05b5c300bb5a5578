//! The kind of a body, before its type is known.

use super::decode::described;
use super::lexer::{Lexer, Start};
use super::{DecodeError, TypeMeta};

/// Reads `apiVersion` and `kind` of a body and checks that all of it is JSON.
///
/// The error text begins as upstream's: `couldn't get version/kind; json parse error: ...`.
pub fn type_meta(body: &[u8]) -> Result<TypeMeta, DecodeError> {
    let mut lexer = Lexer::new(body);
    let mut meta = TypeMeta::default();
    let mut mismatch = None;
    let read = |lexer: &mut Lexer, meta: &mut TypeMeta, mismatch: &mut Option<String>| -> Result<(), DecodeError> {
        let start = lexer.start()?;
        if start != Start::Object {
            lexer.skip()?;
            if start != Start::Null {
                let found = described(start);
                *mismatch = Some(format!(
                    "json: cannot unmarshal {found} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
                ));
            }
            return Ok(());
        }
        let mut more = lexer.open(b'}')?;
        while more {
            let key = lexer.key()?;
            let target = match &*key {
                "apiVersion" => Some(&mut meta.api_version),
                "kind" => Some(&mut meta.kind),
                _ => None,
            };
            match (target, lexer.start()?) {
                (Some(target), Start::String) => *target = lexer.string()?.into_owned(),
                (Some(_), start) if start != Start::Null => {
                    lexer.skip()?;
                    mismatch.get_or_insert_with(|| {
                        let found = described(start);
                        format!("json: cannot unmarshal {found} into Go struct field .{key} of type string")
                    });
                }
                _ => lexer.skip()?,
            }
            more = lexer.next_entry()?;
        }
        Ok(())
    };
    let prefix = "couldn't get version/kind; json parse error: ";
    let outcome = read(&mut lexer, &mut meta, &mut mismatch).and_then(|()| lexer.end());
    match (outcome, mismatch) {
        (Err(error), _) => Err(DecodeError::Syntax(format!("{prefix}{error}"))),
        (Ok(()), Some(mismatch)) => Err(DecodeError::Mismatch(format!("{prefix}{mismatch}"))),
        (Ok(()), None) if meta.api_version.matches('/').count() > 1 => {
            Err(DecodeError::Mismatch(format!("unexpected GroupVersion string: {}", meta.api_version)))
        }
        (Ok(()), None) => Ok(meta),
    }
}
