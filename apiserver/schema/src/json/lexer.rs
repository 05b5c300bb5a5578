//! Tokens of a JSON text, with the error texts of Go's scanner.

use std::borrow::Cow;

use super::DecodeError;

/// How deep arrays and objects may nest: no deeper than `serde_json` reads, so that what is stored can be read.
pub const MAX_DEPTH: usize = 127;

/// A cursor in a JSON text.
pub struct Lexer<'a> {
    input: &'a [u8],
    at: usize,
    depth: usize,
}

/// What stands next, by its first byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Start {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

impl<'a> Lexer<'a> {
    pub fn new(input: &'a [u8]) -> Lexer<'a> {
        Lexer { input, at: 0, depth: 0 }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    pub fn since(&self, start: usize) -> &'a [u8] {
        &self.input[start..self.at]
    }

    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// What kind of value comes next; nothing of it is consumed.
    pub fn start(&mut self) -> Result<Start, DecodeError> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => Ok(Start::Object),
            Some(b'[') => Ok(Start::Array),
            Some(b'"') => Ok(Start::String),
            Some(b'-' | b'0'..=b'9') => Ok(Start::Number),
            Some(b't') => Ok(Start::True),
            Some(b'f') => Ok(Start::False),
            Some(b'n') => Ok(Start::Null),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    /// `true`, `false` or `null`.
    pub fn literal(&mut self, literal: &'static str) -> Result<(), DecodeError> {
        for expected in literal.bytes() {
            if self.peek() != Some(expected) {
                return Err(self.unexpected(&format!("in literal {literal} (expecting '{}')", char::from(expected))));
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Opens an object or array; whether it has a first entry.
    pub fn open(&mut self, close: u8) -> Result<bool, DecodeError> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(DecodeError::Syntax("exceeded max depth".into()));
        }
        self.skip_space();
        if self.peek() == Some(close) {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether another entry follows in an array.
    pub fn next_element(&mut self) -> Result<bool, DecodeError> {
        self.next(b']', "after array element")
    }

    /// Whether another entry follows in an object.
    pub fn next_entry(&mut self) -> Result<bool, DecodeError> {
        self.next(b'}', "after object key:value pair")
    }

    fn next(&mut self, close: u8, context: &str) -> Result<bool, DecodeError> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            _ => Err(self.unexpected(context)),
        }
    }

    /// A key and its colon.
    pub fn key(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        self.key_bytes().map(into_text)
    }

    /// [`Lexer::key`], not checked to be UTF-8.
    pub fn key_bytes(&mut self) -> Result<Cow<'a, [u8]>, DecodeError> {
        self.before_key()?;
        let key = self.string_bytes()?;
        self.colon()?;
        Ok(key)
    }

    fn before_key(&mut self) -> Result<(), DecodeError> {
        self.skip_space();
        if self.peek() == Some(b'"') {
            return Ok(());
        }
        Err(self.unexpected("looking for beginning of object key string"))
    }

    fn colon(&mut self) -> Result<(), DecodeError> {
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("after object key"));
        }
        self.at += 1;
        Ok(())
    }

    /// A string; invalid UTF-8 and lone surrogates become U+FFFD as in Go.
    pub fn string(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        self.string_bytes().map(into_text)
    }

    /// [`Lexer::string`], not checked to be UTF-8.
    pub fn string_bytes(&mut self) -> Result<Cow<'a, [u8]>, DecodeError> {
        self.at += 1;
        let start = self.at;
        self.skip_plain();
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(&self.input[start..self.at - 1]));
        }
        let mut out = self.input[start..self.at].to_vec();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(out));
                }
                Some(b'\\') => {
                    self.at += 1;
                    let escaped = self.escape()?;
                    out.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => return Err(self.unexpected("in string literal")),
            }
            let start = self.at;
            self.skip_plain();
            out.extend_from_slice(&self.input[start..self.at]);
        }
    }

    /// Passes over what stands for itself in a string.
    fn skip_plain(&mut self) {
        while let Some(word) = self.input.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let special = special(u64::from_le_bytes(*word));
            if special != 0 {
                // Bytes before the first special one are not.
                self.at += special.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        while let Some(0x20..) = self.peek()
            && !matches!(self.peek(), Some(b'"' | b'\\'))
        {
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Result<char, DecodeError> {
        let escaped = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.unexpected("in string escape code")),
        };
        self.at += 1;
        Ok(escaped)
    }

    fn unicode(&mut self) -> Result<char, DecodeError> {
        let unit = self.hex()?;
        if !(0xd800..0xe000).contains(&unit) {
            return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if unit < 0xdc00 && self.input[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                let scalar = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Result<u32, DecodeError> {
        let mut unit = 0;
        for _ in 0..4 {
            match self.peek().and_then(|byte| char::from(byte).to_digit(16)) {
                Some(digit) => unit = unit * 16 + digit,
                None => return Err(self.unexpected("in \\u hexadecimal character escape")),
            }
            self.at += 1;
        }
        Ok(unit)
    }

    /// The text of a number.
    pub fn number(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.unexpected("in numeric literal")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.unexpected("after decimal point in numeric literal"));
            }
            self.digits();
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.unexpected("in exponent of numeric literal"));
            }
            self.digits();
        }
        Ok(std::str::from_utf8(&self.input[start..self.at]).unwrap_or_default())
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    /// Nothing but white space may follow.
    pub fn end(&mut self) -> Result<(), DecodeError> {
        self.skip_space();
        if self.at < self.input.len() { Err(self.unexpected("after top-level value")) } else { Ok(()) }
    }

    /// Passes over one value.
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        match self.start()? {
            Start::Object => {
                let mut more = self.open(b'}')?;
                while more {
                    self.skip_key()?;
                    self.skip()?;
                    more = self.next_entry()?;
                }
            }
            Start::Array => {
                let mut more = self.open(b']')?;
                while more {
                    self.skip()?;
                    more = self.next_element()?;
                }
            }
            Start::String => self.skip_string()?,
            Start::Number => drop(self.number()?),
            Start::True => self.literal("true")?,
            Start::False => self.literal("false")?,
            Start::Null => self.literal("null")?,
        }
        Ok(())
    }

    /// Passes over one value of a text that is known to be JSON.
    pub fn pass(&mut self) -> Result<(), DecodeError> {
        if !matches!(self.start()?, Start::Object | Start::Array) {
            return self.skip();
        }
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.skip_string()?;
                    continue;
                }
                Some(b'{' | b'[') => depth += 1,
                Some(b'}' | b']') => depth -= 1,
                None => return Err(self.unexpected("")),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn skip_key(&mut self) -> Result<(), DecodeError> {
        self.before_key()?;
        self.skip_string()?;
        self.colon()
    }

    fn skip_string(&mut self) -> Result<(), DecodeError> {
        self.at += 1;
        loop {
            self.skip_plain();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                _ => return Err(self.unexpected("in string literal")),
            }
        }
    }

    fn unexpected(&self, context: &str) -> DecodeError {
        let Some(byte) = self.peek() else {
            return DecodeError::Syntax("unexpected end of JSON input".into());
        };
        let shown = match byte {
            b'\'' => r"'\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            _ => {
                let quoted = format!("{:?}", char::from(byte).to_string());
                format!("'{}'", &quoted[1..quoted.len() - 1])
            }
        };
        DecodeError::Syntax(format!("invalid character {shown} {context}"))
    }
}

/// Checks that the text is JSON that may stand at this depth, and writes it without white space and with Go's
/// HTML-safe escapes.
pub fn compact(input: &[u8], depth: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let mut lexer = Lexer { input, at: 0, depth };
    lexer.skip()?;
    lexer.end()?;
    let text = text(input);
    let bytes = text.as_bytes();
    let mut written = 0;
    let mut in_string = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let (replacement, length): (&[u8], usize) = match byte {
            b'"' => {
                in_string = !in_string;
                at += 1;
                continue;
            }
            b'\\' => {
                at += 2;
                continue;
            }
            b' ' | b'\t' | b'\n' | b'\r' if !in_string => (b"", 1),
            b'<' => (b"\\u003c", 1),
            b'>' => (b"\\u003e", 1),
            b'&' => (b"\\u0026", 1),
            0xe2 if bytes[at..].starts_with("\u{2028}".as_bytes()) => (b"\\u2028", 3),
            0xe2 if bytes[at..].starts_with("\u{2029}".as_bytes()) => (b"\\u2029", 3),
            _ => {
                at += 1;
                continue;
            }
        };
        out.extend_from_slice(&bytes[written..at]);
        out.extend_from_slice(replacement);
        at += length;
        written = at;
    }
    out.extend_from_slice(&bytes[written..]);
    Ok(())
}

/// The highest bit of each of eight bytes that is a quote, a backslash or a control character. Of the bytes behind
/// the first of them it says nothing.
fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    zero(word ^ (ONES * b'"' as u64)) | zero(word ^ (ONES * b'\\' as u64)) | control
}

fn into_text(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => text(bytes),
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Cow::Owned(text),
            Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
        },
    }
}

/// UTF-8, where each invalid part becomes U+FFFD. Checking first is faster: `from_utf8` has a path for ASCII.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}
