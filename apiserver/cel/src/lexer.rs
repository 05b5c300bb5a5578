//! Text to tokens, by the grammar of CEL.

use crate::issues::{Issues, Source};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tok {
    Ident,
    EscapedIdent,
    Int,
    Uint,
    Float,
    String,
    Bytes,
    /// Operators, punctuation and the words that the grammar knows: `in`, `true`, `false`, `null`.
    Op(&'static str),
    Eof,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub tok: Tok,
    pub start: u32,
    pub end: u32,
}

/// Longer ones first.
const OPERATORS: &[&str] = &[
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "[", "]", "{", "}", "(", ")", ".", ",", "-", "!", "?", ":", "+", "*",
    "/", "%",
];

/// Splits the source. Characters that begin no token are reported and left out, as upstream's lexer does.
pub(crate) fn lex(source: &Source, issues: &mut Issues) -> Vec<Token> {
    let mut lexer = Lexer { chars: &source.chars, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let start = lexer.at;
        if start >= lexer.chars.len() {
            break;
        }
        match lexer.token() {
            Some(tok) => tokens.push(Token { tok, start: offset(start), end: offset(lexer.at) }),
            None => {
                let end = lexer.bad_end(start);
                let shown: String = lexer.chars[start..end].iter().collect();
                issues.report(source, offset(start), format!("Syntax error: token recognition error at: '{shown}'"));
                lexer.at = end;
            }
        }
    }
    let end = offset(lexer.chars.len());
    tokens.push(Token { tok: Tok::Eof, start: end, end });
    tokens
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

struct Lexer<'s> {
    chars: &'s [char],
    at: usize,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn looking_at(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(index, character)| self.peek(index) == Some(character))
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.peek(0) {
                Some('\t' | ' ' | '\r' | '\n' | '\u{c}') => self.at += 1,
                Some('/') if self.peek(1) == Some('/') => {
                    while self.peek(0).is_some_and(|character| character != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn token(&mut self) -> Option<Tok> {
        let first = self.peek(0)?;
        if let Some(tok) = self.string() {
            return Some(tok);
        }
        if first.is_ascii_digit() || (first == '.' && self.peek(1).is_some_and(|c| c.is_ascii_digit())) {
            return Some(self.number());
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let start = self.at;
            while self.peek(0).is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                self.at += 1;
            }
            let word: String = self.chars[start..self.at].iter().collect();
            let words: [&'static str; 4] = ["in", "true", "false", "null"];
            return Some(words.into_iter().find(|known| *known == word).map_or(Tok::Ident, Tok::Op));
        }
        if first == '`' {
            return self.escaped_ident();
        }
        let operator = OPERATORS.iter().find(|operator| self.looking_at(operator))?;
        self.at += operator.len();
        Some(Tok::Op(operator))
    }

    fn escaped_ident(&mut self) -> Option<Tok> {
        let mut end = self.at + 1;
        while self.chars.get(end).is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ' '))
        {
            end += 1;
        }
        if end == self.at + 1 || self.chars.get(end) != Some(&'`') {
            return None;
        }
        self.at = end + 1;
        Some(Tok::EscapedIdent)
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek(0).is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Tok {
        if self.looking_at("0x") && self.peek(2).is_some_and(|c| c.is_ascii_hexdigit()) {
            self.at += 2;
            while self.peek(0).is_some_and(|c| c.is_ascii_hexdigit()) {
                self.at += 1;
            }
            return self.unsigned().unwrap_or(Tok::Int);
        }
        let whole = self.digits();
        let mut float = false;
        if self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            self.digits();
            float = true;
        }
        if matches!(self.peek(0), Some('e' | 'E')) {
            let sign = usize::from(matches!(self.peek(1), Some('+' | '-')));
            if self.peek(1 + sign).is_some_and(|c| c.is_ascii_digit()) {
                self.at += 1 + sign;
                self.digits();
                float = true;
            }
        }
        if float || whole == 0 {
            return Tok::Float;
        }
        self.unsigned().unwrap_or(Tok::Int)
    }

    fn unsigned(&mut self) -> Option<Tok> {
        matches!(self.peek(0), Some('u' | 'U')).then(|| {
            self.at += 1;
            Tok::Uint
        })
    }

    /// A string or bytes literal: `"…"`, `'…'`, tripled, with `r` and `b` in front.
    fn string(&mut self) -> Option<Tok> {
        let mut prefix = 0;
        let mut bytes = false;
        let mut raw = false;
        if matches!(self.peek(0), Some('b' | 'B')) {
            bytes = true;
            prefix += 1;
        }
        if matches!(self.peek(prefix), Some('r' | 'R')) {
            raw = true;
            prefix += 1;
        }
        let quote = self.peek(prefix).filter(|c| matches!(c, '"' | '\''))?;
        let start = self.at + prefix;
        let tripled = self.chars.get(start + 1) == Some(&quote) && self.chars.get(start + 2) == Some(&quote);
        let end = tripled.then(|| self.string_end(start + 3, quote, raw, true)).flatten();
        let end = end.or_else(|| self.string_end(start + 1, quote, raw, false))?;
        self.at = end;
        Some(if bytes { Tok::Bytes } else { Tok::String })
    }

    fn string_end(&self, from: usize, quote: char, raw: bool, tripled: bool) -> Option<usize> {
        let mut at = from;
        loop {
            let character = *self.chars.get(at)?;
            if character == quote {
                if !tripled {
                    return Some(at + 1);
                }
                if self.chars.get(at + 1) == Some(&quote) && self.chars.get(at + 2) == Some(&quote) {
                    return Some(at + 3);
                }
            }
            if character == '\\' && !raw {
                at += self.escape_length(at)?;
                continue;
            }
            if !tripled && matches!(character, '\n' | '\r') {
                return None;
            }
            at += 1;
        }
    }

    /// How long the escape sequence is; none if it is not one.
    fn escape_length(&self, at: usize) -> Option<usize> {
        let hexadecimal = |count: usize| {
            (0..count)
                .all(|index| self.chars.get(at + 2 + index).is_some_and(char::is_ascii_hexdigit))
                .then_some(count + 2)
        };
        match *self.chars.get(at + 1)? {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '\\' | '?' | '`' => Some(2),
            'x' | 'X' => hexadecimal(2),
            'u' => hexadecimal(4),
            'U' => hexadecimal(8),
            '0'..='3' => {
                let octal = |index| self.chars.get(at + index).is_some_and(|c: &char| ('0'..='7').contains(c));
                (octal(2) && octal(3)).then_some(4)
            }
            _ => None,
        }
    }

    /// Where what could not be read ends: an unfinished string goes as far as it could have been one.
    fn bad_end(&self, start: usize) -> usize {
        let quote = self.chars[start];
        if matches!(quote, '=' | '&' | '|') {
            // The start of an operator of two characters.
            return (start + 2).min(self.chars.len());
        }
        if !matches!(quote, '"' | '\'') {
            return start + 1;
        }
        let mut at = start + 1;
        while let Some(character) = self.chars.get(at) {
            match character {
                '\\' => match self.escape_length(at) {
                    Some(length) => at += length,
                    None => return (at + 2).min(self.chars.len()),
                },
                '\n' | '\r' => return at + 1,
                _ => at += 1,
            }
        }
        self.chars.len()
    }
}

/// The text of a string literal without its quotes, escapes resolved. `Err` says what is wrong.
pub(crate) fn unquote(literal: &[char]) -> Result<String, &'static str> {
    let (body, raw) = body_of(literal);
    if raw {
        return Ok(body.iter().collect());
    }
    let mut text = String::with_capacity(body.len());
    let mut at = 0;
    while at < body.len() {
        let character = body[at];
        // Line ends are as the grammar of the language has them: `\r\n` is one.
        if character == '\r' {
            text.push('\n');
            at += if body.get(at + 1) == Some(&'\n') { 2 } else { 1 };
            continue;
        }
        if character != '\\' {
            text.push(character);
            at += 1;
            continue;
        }
        let (code, length) = escape_value(body, at)?;
        text.push(char::from_u32(code).ok_or("invalid unicode code point")?);
        at += length;
    }
    Ok(text)
}

/// The bytes of a bytes literal (the leading `b` taken off): `\x` and octal escapes are single bytes.
pub(crate) fn unquote_bytes(literal: &[char]) -> Result<Vec<u8>, &'static str> {
    let (body, raw) = body_of(literal);
    let mut bytes = Vec::with_capacity(body.len());
    let mut buffer = [0; 4];
    let mut at = 0;
    while at < body.len() {
        let character = body[at];
        if character == '\\' && !raw {
            let next = body.get(at + 1).copied().unwrap_or_default();
            if matches!(next, 'u' | 'U') {
                return Err("unable to unescape string");
            }
            let (code, length) = escape_value(body, at)?;
            bytes.push(u8::try_from(code).map_err(|_| "unable to unescape string")?);
            at += length;
            continue;
        }
        bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        at += 1;
    }
    Ok(bytes)
}

fn body_of(literal: &[char]) -> (&[char], bool) {
    let raw = matches!(literal.first(), Some('r' | 'R'));
    let quoted = if raw { &literal[1..] } else { literal };
    let tripled = quoted.len() >= 6 && quoted[1] == quoted[0] && quoted[2] == quoted[0];
    let width = if tripled { 3 } else { 1 };
    (&quoted[width..quoted.len() - width], raw)
}

fn escape_value(body: &[char], at: usize) -> Result<(u32, usize), &'static str> {
    let bad = "unable to unescape string";
    let digits = |from: usize, count: usize, radix: u32| {
        let text: String = body.get(from..from + count).ok_or(bad)?.iter().collect();
        u32::from_str_radix(&text, radix).map_err(|_| bad)
    };
    let simple = |character: char| Ok((u32::from(character), 2));
    match *body.get(at + 1).ok_or(bad)? {
        'a' => simple('\u{7}'),
        'b' => simple('\u{8}'),
        'f' => simple('\u{c}'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\u{b}'),
        quoted @ ('\\' | '\'' | '"' | '`' | '?') => simple(quoted),
        'x' | 'X' => Ok((digits(at + 2, 2, 16)?, 4)),
        'u' => Ok((digits(at + 2, 4, 16)?, 6)),
        'U' => Ok((digits(at + 2, 8, 16)?, 10)),
        '0'..='3' => Ok((digits(at + 1, 3, 8)?, 4)),
        _ => Err(bad),
    }
}
