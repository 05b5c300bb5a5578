//! Tokens to a tree. Recursive descent over the grammar of CEL; macros expand as their calls are read.

use crate::ast::{Ast, Entry, Field, Id, Kind, Literal};
use crate::issues::{Issues, Source};
use crate::lexer::{Tok, Token, lex, unquote, unquote_bytes};
use crate::macros;
use crate::types::Name;

/// Upstream's limit on nesting.
const MAX_DEPTH: u32 = 250;
/// Upstream's limit on the length of an expression, in code points.
const MAX_LENGTH: usize = 100_000;
/// `optMap` copies its target, so that a short chain could grow without end; no honest expression comes near.
pub(crate) const MAX_NODES: usize = 300_000;

const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "package",
    "namespace",
    "null",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// What can begin an expression, as the parser generator of upstream lists it.
const EXPRESSION: &str = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, \
                          STRING, BYTES, IDENTIFIER}";

/// The same, or no argument at all.
const ARGUMENTS: &str = "{'[', '{', '(', ')', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, \
                         STRING, BYTES, IDENTIFIER}";

/// Parsing cannot go on; the reason is among the issues.
pub(crate) struct Stop;

type Parsed<T> = Result<T, Stop>;

pub(crate) struct Parser<'s> {
    pub source: &'s Source,
    pub issues: &'s mut Issues,
    pub ast: Ast,
    tokens: Vec<Token>,
    at: usize,
    nesting: u32,
    /// How deep the tree below each node is, by upstream's counting.
    depth: Vec<u32>,
}

/// Parses a whole expression. `None`: see the issues.
pub(crate) fn parse(source: &Source, issues: &mut Issues) -> Option<Ast> {
    let length = source.chars.len();
    if length > MAX_LENGTH {
        issues.report_nowhere(format!("expression code point size exceeds limit: size: {length}, limit {MAX_LENGTH}"));
        return None;
    }
    let tokens = lex(source, issues);
    let mut parser = Parser { source, issues, ast: Ast::default(), tokens, at: 0, nesting: 0, depth: Vec::new() };
    let root = parser.expression().ok()?;
    if parser.peek() != Tok::Eof {
        let _ = parser.unexpected::<()>("<EOF>");
        return None;
    }
    parser.ast.root = root;
    Some(parser.ast)
}

impl Parser<'_> {
    fn peek(&self) -> Tok {
        self.tokens[self.at].tok
    }

    fn is(&self, operator: &str) -> bool {
        matches!(self.peek(), Tok::Op(found) if found == operator)
    }

    fn next(&mut self) -> Token {
        let token = self.tokens[self.at];
        if token.tok != Tok::Eof {
            self.at += 1;
        }
        token
    }

    fn take(&mut self, operator: &str) -> Option<Token> {
        self.is(operator).then(|| self.next())
    }

    fn expect(&mut self, operator: &str) -> Parsed<Token> {
        match self.take(operator) {
            Some(token) => Ok(token),
            None => {
                // Where all would be well with it, it is "missing".
                let token = self.tokens[self.at];
                let missing = match operator {
                    ":" => begins_expression(token.tok),
                    _ => operator == ")" && follows_expression(token.tok),
                };
                let next = self.tokens.get(self.at + 1).map(|next| next.tok);
                let next_fits = matches!(next, Some(Tok::Op(next)) if next == operator);
                if missing && !next_fits {
                    let shown = self.shown(token);
                    self.report(token.start, format!("Syntax error: missing '{operator}' at '{shown}'"));
                    return Err(Stop);
                }
                self.unexpected(&format!("'{operator}'"))
            }
        }
    }

    /// The end of what commas separate.
    fn expect_end(&mut self, operator: &str) -> Parsed<()> {
        match self.take(operator) {
            Some(_) => Ok(()),
            None => self.unexpected(&format!("{{'{operator}', ','}}")),
        }
    }

    fn shown(&self, token: Token) -> String {
        if token.tok == Tok::Eof { "<EOF>".to_owned() } else { self.text(token) }
    }

    fn text(&self, token: Token) -> String {
        self.chars(token).iter().collect()
    }

    fn chars(&self, token: Token) -> &[char] {
        &self.source.chars[token.start as usize..token.end as usize]
    }

    fn unexpected<T>(&mut self, expected: &str) -> Parsed<T> {
        let token = self.tokens[self.at];
        let shown = self.shown(token);
        // One token too many before what would fit is "extraneous", all else is "mismatched".
        let fits = |tok: Tok| match expected {
            "<EOF>" => tok == Tok::Eof,
            EXPRESSION | ARGUMENTS => begins_expression(tok),
            other => matches!(tok, Tok::Op(operator) if other == format!("'{operator}'")),
        };
        let negated = self.at > 0 && matches!(self.tokens[self.at - 1].tok, Tok::Op("!"));
        let extraneous =
            self.tokens.get(self.at + 1).is_some_and(|next| fits(next.tok)) || (negated && token.tok == Tok::Eof);
        let kind = if extraneous { "extraneous" } else { "mismatched" };
        self.report(token.start, format!("Syntax error: {kind} input '{shown}' expecting {expected}"));
        Err(Stop)
    }

    pub fn report(&mut self, at: u32, message: impl Into<String>) {
        self.issues.report(self.source, at, message);
    }

    /// Reports, and goes on with a node that stands for the error.
    fn error(&mut self, at: u32, message: impl Into<String>) -> Id {
        self.report(at, message);
        self.add(at, Kind::Unspecified)
    }

    /// Adds a node. Depth is checked by those that upstream counts.
    pub fn add(&mut self, at: u32, kind: Kind) -> Id {
        let id = self.ast.add(at, kind);
        let below = self.ast.children(id).into_iter().map(|child| self.depth[child as usize]).max();
        self.depth.push(below.unwrap_or(0));
        id
    }

    fn add_counted(&mut self, at: u32, kind: Kind) -> Parsed<Id> {
        let id = self.add(at, kind);
        self.count(id)
    }

    fn count(&mut self, id: Id) -> Parsed<Id> {
        let depth = &mut self.depth[id as usize];
        *depth += 1;
        if *depth > MAX_DEPTH {
            self.issues.report_nowhere("Internal error: max recursion depth exceeded");
            return Err(Stop);
        }
        if self.ast.nodes.len() > MAX_NODES {
            self.issues.report_nowhere("Internal error: expression too large after macro expansion");
            return Err(Stop);
        }
        Ok(id)
    }

    pub fn literal(&mut self, at: u32, literal: Literal) -> Id {
        self.add(at, Kind::Literal(literal))
    }

    pub fn call(&mut self, at: u32, function: &str, args: Vec<Id>) -> Id {
        self.add(at, Kind::Call { target: None, function: function.into(), args })
    }

    pub fn member_call(&mut self, at: u32, function: &str, target: Id, args: Vec<Id>) -> Id {
        self.add(at, Kind::Call { target: Some(target), function: function.into(), args })
    }

    fn expression(&mut self) -> Parsed<Id> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH {
            self.issues.report_nowhere(format!("Internal error: expression recursion limit exceeded: {MAX_DEPTH}"));
            return Err(Stop);
        }
        let condition = self.logical("||")?;
        let result = match self.take("?") {
            None => condition,
            Some(token) => {
                let yes = self.logical("||")?;
                self.expect(":")?;
                let no = self.expression()?;
                let id = self.call(token.start, "_?_:_", vec![condition, yes, no]);
                self.count(id)?
            }
        };
        self.nesting -= 1;
        Ok(result)
    }

    /// `a || b || c`, of which upstream makes a balanced tree; below it the same with `&&`.
    fn logical(&mut self, operator: &'static str) -> Parsed<Id> {
        let operand = |parser: &mut Self| {
            if operator == "||" { parser.logical("&&") } else { parser.binary(0) }
        };
        let mut terms = vec![operand(self)?];
        let mut places = Vec::new();
        while let Some(token) = self.take(operator) {
            places.push(token.start);
            terms.push(operand(self)?);
        }
        let function = if operator == "||" { "_||_" } else { "_&&_" };
        Ok(if places.is_empty() { terms[0] } else { self.balanced(function, &terms, &places) })
    }

    fn balanced(&mut self, function: &str, terms: &[Id], places: &[u32]) -> Id {
        let middle = places.len().div_ceil(2).min(places.len() - 1);
        let middle = if places.len() == 1 { 0 } else { middle };
        let left = if middle == 0 { terms[0] } else { self.balanced(function, &terms[..=middle], &places[..middle]) };
        let after = &places[middle + 1..];
        let right =
            if after.is_empty() { terms[middle + 1] } else { self.balanced(function, &terms[middle + 1..], after) };
        self.call(places[middle], function, vec![left, right])
    }

    /// Relations (level 0), sums (1) and products (2), all of which group to the left.
    fn binary(&mut self, level: usize) -> Parsed<Id> {
        const LEVELS: [&[(&str, &str)]; 3] = [
            &[
                ("<", "_<_"),
                ("<=", "_<=_"),
                (">=", "_>=_"),
                (">", "_>_"),
                ("==", "_==_"),
                ("!=", "_!=_"),
                ("in", "@in"),
            ],
            &[("+", "_+_"), ("-", "_-_")],
            &[("*", "_*_"), ("/", "_/_"), ("%", "_%_")],
        ];
        let operand = |parser: &mut Self| if level == 2 { parser.unary() } else { parser.binary(level + 1) };
        let mut left = operand(self)?;
        while let Tok::Op(found) = self.peek() {
            let Some((_, function)) = LEVELS[level].iter().find(|(operator, _)| *operator == found) else { break };
            let token = self.next();
            let right = operand(self)?;
            let id = self.call(token.start, function, vec![left, right]);
            left = self.count(id)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Id> {
        for (operator, function) in [("!", "!_"), ("-", "-_")] {
            if !self.is(operator) {
                continue;
            }
            let negative_literal =
                operator == "-" && matches!(self.tokens.get(self.at + 1).map(|t| t.tok), Some(Tok::Int | Tok::Float));
            if negative_literal {
                return self.member();
            }
            let first = self.next();
            let mut count = 1;
            while self.take(operator).is_some() {
                count += 1;
            }
            let operand = self.member()?;
            if count % 2 == 0 {
                return Ok(operand);
            }
            return Ok(self.call(first.start, function, vec![operand]));
        }
        self.member()
    }

    fn member(&mut self) -> Parsed<Id> {
        let mut operand = self.primary()?;
        loop {
            if let Some(dot) = self.take(".") {
                let optional = self.take("?").is_some();
                let name = self.next();
                match name.tok {
                    Tok::Ident => {}
                    Tok::EscapedIdent => {
                        self.report(name.start, "unsupported syntax: '`'");
                    }
                    Tok::Op(word @ ("true" | "false" | "null")) => {
                        self.report(
                            name.start,
                            format!("Syntax error: mismatched input '{word}' expecting IDENTIFIER"),
                        );
                        return Err(Stop);
                    }
                    _ => {
                        let shown = self.text(name);
                        self.report(name.start, format!("Syntax error: no viable alternative at input '.{shown}'"));
                        return Err(Stop);
                    }
                }
                let text = self.text(name);
                if !optional
                    && name.tok == Tok::Ident
                    && let Some(open) = self.take("(")
                {
                    let args = self.arguments()?;
                    let expanded = macros::expand(self, open.start, &text, Some(operand), &args);
                    let id = match expanded {
                        Some(id) => id,
                        None => self.member_call(open.start, &text, operand, args),
                    };
                    operand = self.count(id)?;
                    continue;
                }
                operand = if optional {
                    let field = self.literal(name.start, Literal::String(text.into()));
                    let id = self.call(dot.start, "_?._", vec![operand, field]);
                    self.count(id)?
                } else {
                    self.add_counted(dot.start, Kind::Select { operand, field: text.into(), test: false })?
                };
                continue;
            }
            if let Some(open) = self.take("[") {
                let optional = self.take("?").is_some();
                let index = self.expression()?;
                self.expect("]")?;
                let function = if optional { "_[?_]" } else { "_[_]" };
                let id = self.call(open.start, function, vec![operand, index]);
                operand = self.count(id)?;
                continue;
            }
            return Ok(operand);
        }
    }

    /// The arguments of a call, its `(` read.
    fn arguments(&mut self) -> Parsed<Vec<Id>> {
        let mut args = Vec::new();
        if self.take(")").is_some() {
            return Ok(args);
        }
        if !begins_expression(self.peek()) {
            return self.unexpected(ARGUMENTS);
        }
        loop {
            args.push(self.expression()?);
            if self.take(",").is_none() {
                self.expect_end(")")?;
                return Ok(args);
            }
        }
    }

    fn primary(&mut self) -> Parsed<Id> {
        let token = self.tokens[self.at];
        match token.tok {
            Tok::Ident => self.named(""),
            Tok::Op(".") => {
                self.next();
                if self.peek() != Tok::Ident {
                    return self.unexpected("IDENTIFIER");
                }
                self.named(".")
            }
            Tok::Op("(") => {
                self.next();
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            Tok::Op("[") => self.list(),
            Tok::Op("{") => self.map(),
            Tok::Op("-") if matches!(self.tokens.get(self.at + 1).map(|t| t.tok), Some(Tok::Int | Tok::Float)) => {
                self.next();
                let number = self.next();
                Ok(self.number(token.start, number, true))
            }
            Tok::Int | Tok::Uint | Tok::Float => {
                self.next();
                Ok(self.number(token.start, token, false))
            }
            Tok::String => {
                self.next();
                match unquote(self.chars(token)) {
                    Ok(text) => Ok(self.literal(token.start, Literal::String(text.into()))),
                    Err(problem) => Ok(self.error(token.start, problem)),
                }
            }
            Tok::Bytes => {
                self.next();
                match unquote_bytes(&self.chars(token)[1..]) {
                    Ok(bytes) => Ok(self.literal(token.start, Literal::Bytes(bytes.into()))),
                    Err(problem) => Ok(self.error(token.start, problem)),
                }
            }
            Tok::Op(word @ ("true" | "false")) => {
                self.next();
                Ok(self.literal(token.start, Literal::Bool(word == "true")))
            }
            Tok::Op("null") => {
                self.next();
                Ok(self.literal(token.start, Literal::Null))
            }
            _ => self.unexpected(EXPRESSION),
        }
    }

    /// An identifier, a call or a message, the leading dot (if any) read.
    fn named(&mut self, dot: &str) -> Parsed<Id> {
        let token = self.next();
        let text = self.text(token);
        if let Some(id) = self.message(token, dot)? {
            return Ok(id);
        }
        if RESERVED.contains(&text.as_str()) {
            if self.take("(").is_some() {
                self.arguments()?;
            }
            return Ok(self.error(token.start, format!("reserved identifier: {text}")));
        }
        let name = format!("{dot}{text}");
        let Some(open) = self.take("(") else { return Ok(self.add(token.start, Kind::Ident(name.into()))) };
        let args = self.arguments()?;
        if let Some(id) = macros::expand(self, open.start, &name, None, &args) {
            return Ok(id);
        }
        Ok(self.call(open.start, &name, args))
    }

    /// `a.b.C{field: value}`, if that is what follows.
    fn message(&mut self, first: Token, dot: &str) -> Parsed<Option<Id>> {
        let mut end = self.at;
        let mut name = format!("{dot}{}", self.text(first));
        while matches!(self.tokens[end].tok, Tok::Op(".")) && self.tokens[end + 1].tok == Tok::Ident {
            name.push('.');
            name.push_str(&self.text(self.tokens[end + 1]));
            end += 2;
        }
        if !matches!(self.tokens[end].tok, Tok::Op("{")) {
            return Ok(None);
        }
        self.at = end;
        let open = self.next();
        let first = self.tokens[self.at].start;
        let mut fields = Vec::new();
        while self.take("}").is_none() {
            let optional = self.take("?").is_some();
            let field = self.next();
            if field.tok == Tok::EscapedIdent {
                // Upstream points at the first field, whichever it is.
                self.report(first, "unsupported syntax: '`'");
            } else if field.tok != Tok::Ident {
                self.at -= usize::from(field.tok != Tok::Eof);
                return self.unexpected("{'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}");
            }
            let colon = self.expect(":")?;
            let value = self.expression()?;
            fields.push(Field { at: colon.start, name: self.text(field).into(), value, optional });
            if self.take(",").is_none() {
                self.expect("}")?;
                break;
            }
        }
        let name: Name = name.into();
        Ok(Some(self.add(open.start, Kind::Struct { name, fields })))
    }

    fn list(&mut self) -> Parsed<Id> {
        let open = self.next();
        let mut elements = Vec::new();
        let mut optionals = Vec::new();
        while self.take("]").is_none() {
            if elements.is_empty() && self.take(",").is_some() {
                self.expect("]")?;
                break;
            }
            if self.take("?").is_some() {
                optionals.push(u32::try_from(elements.len()).unwrap_or(u32::MAX));
            }
            elements.push(self.expression()?);
            if self.take(",").is_none() {
                self.expect_end("]")?;
                break;
            }
            if self.is(",") {
                return self.unexpected("']'");
            }
        }
        Ok(self.add(open.start, Kind::List { elements, optionals }))
    }

    fn map(&mut self) -> Parsed<Id> {
        let open = self.next();
        let mut entries = Vec::new();
        while self.take("}").is_none() {
            if entries.is_empty() && self.take(",").is_some() {
                self.expect("}")?;
                break;
            }
            let optional = self.take("?").is_some();
            let key = self.expression()?;
            self.expect(":")?;
            let value = self.expression()?;
            entries.push(Entry { key, value, optional });
            if self.take(",").is_none() {
                self.expect_end("}")?;
                break;
            }
        }
        Ok(self.add(open.start, Kind::Map(entries)))
    }

    fn number(&mut self, at: u32, token: Token, negative: bool) -> Id {
        let sign = if negative { "-" } else { "" };
        let text = self.text(token);
        let (text, name) = match token.tok {
            Tok::Float => {
                let parsed = format!("{sign}{text}").parse::<f64>().ok().filter(|number| number.is_finite());
                return match parsed {
                    Some(number) => self.literal(at, Literal::Double(number)),
                    None => self.error(at, "invalid double literal"),
                };
            }
            Tok::Uint => (text[..text.len() - 1].to_owned(), "uint"),
            _ => (text, "int"),
        };
        let (digits, radix) = match text.strip_prefix("0x") {
            Some(digits) => (digits, 16),
            None => (text.as_str(), 10),
        };
        let literal = if name == "uint" {
            u64::from_str_radix(digits, radix).ok().map(Literal::Uint)
        } else {
            i64::from_str_radix(&format!("{sign}{digits}"), radix).ok().map(Literal::Int)
        };
        match literal {
            Some(literal) => self.literal(at, literal),
            None => self.error(at, format!("invalid {name} literal")),
        }
    }
}

/// What may stand after a closing parenthesis.
fn follows_expression(tok: Tok) -> bool {
    match tok {
        Tok::Op(operator) => !matches!(operator, "!" | "true" | "false" | "null" | "{" | "("),
        other => other == Tok::Eof,
    }
}

fn begins_expression(tok: Tok) -> bool {
    match tok {
        Tok::Op(operator) => matches!(operator, "[" | "{" | "(" | "." | "-" | "!" | "true" | "false" | "null"),
        Tok::Eof | Tok::EscapedIdent => false,
        _ => true,
    }
}
