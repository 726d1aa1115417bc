//! Tokens to a tree. Precedence and associativity are those of CEL.

use super::token::{Lexeme, Token, tokens};
use super::{EXPRESSION_BYTES_MAX, Fault, FaultKind};

/// Brackets and signs inside one another.
const DEPTH_MAX: usize = 32;

/// A part of an expression with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) what: What,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    List(Vec<Node>),
    Name(String),
    /// A fact of a thing; the place is that of the name after the dot.
    Field(Box<Node>, String, (usize, usize)),
    Not(Box<Node>),
    Negative(Box<Node>),
    /// The place is that of the operator.
    Binary(&'static str, (usize, usize), Box<Node>, Box<Node>),
    /// `condition ? then : otherwise`.
    Choice(Box<Node>, Box<Node>, Box<Node>),
    /// `function(…)` or `target.function(…)`; the place is that of the name.
    Call(String, (usize, usize), Vec<Node>),
    /// `over.all(name, body)` and its like.
    Each(Macro, Box<Node>, String, Box<Node>),
}

/// What goes through a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Macro {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

/// Every macro by name.
pub(super) const MACROS: [(&str, Macro); 5] = [
    ("all", Macro::All),
    ("exists", Macro::Exists),
    ("exists_one", Macro::ExistsOne),
    ("filter", Macro::Filter),
    ("map", Macro::Map),
];

/// Functions: called on a value (`text.startsWith("a")`, `list.size()`), `size` also before it, conversions only so.
pub(super) const METHODS: [&str; 4] = ["size", "startsWith", "endsWith", "contains"];
pub(super) const FUNCTIONS: [&str; 3] = ["size", "int", "double"];

impl Node {
    pub(super) fn place(&self) -> (usize, usize) {
        (self.start, self.end)
    }
}

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(Fault::new(FaultKind::Syntax, (0, text.len()), "the expression is longer than 4096 bytes"));
    }
    let tokens = tokens(text).map_err(|fault| habit(text, fault))?;
    let mut parser = Parser { tokens, at: 0, depth: 0 };
    let node = parser.expression().map_err(|fault| habit(text, fault))?;
    match parser.peek().token {
        Token::End => Ok(node),
        _ => Err(habit(text, parser.unexpected("the end, or an operator"))),
    }
}

/// `every store.replicas >= 2` was how one said it before there were expressions.
fn habit(text: &str, fault: Fault) -> Fault {
    let Some(("every", rest)) = text.trim().split_once(' ') else { return fault };
    let subject = rest.split(['.', ' ']).next().unwrap_or("store");
    let fault =
        Fault::new(FaultKind::Syntax, (0, text.len().min(5)), "`every` stands beside the expression, not in it");
    fault.with_help(format!("write `every: {subject}` and `check: {}`", rest.replace("70%", "0.7")))
}

struct Parser {
    tokens: Vec<Lexeme>,
    at: usize,
    depth: usize,
}

/// Binary operators by rising precedence; each row binds equally and to the left.
const ROWS: [&[&str]; 5] = [&["||"], &["&&"], &["<", "<=", ">", ">=", "==", "!=", "in"], &["+", "-"], &["*", "/", "%"]];

impl Parser {
    fn peek(&self) -> &Lexeme {
        // The last token is the end and is never passed.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Lexeme {
        let lexeme = self.peek().clone();
        self.at += 1;
        lexeme
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek().token, Token::Symbol(s) if s == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<usize, Fault> {
        if self.symbol(symbol) {
            return Ok(self.tokens[self.at - 1].end);
        }
        Err(self.unexpected(&format!("`{symbol}`")))
    }

    /// The next token does not belong there.
    fn unexpected(&self, due: &str) -> Fault {
        let lexeme = self.peek();
        let place = lexeme.place();
        match &lexeme.token {
            Token::End => {
                let place = (place.0.saturating_sub(1), place.1);
                let fault = Fault::new(FaultKind::Syntax, place, format!("the expression ends where {due} is due"));
                fault.with_help("inside `{ … }` a comma ends the text: put the whole expression in quotes")
            }
            Token::Name(word) => {
                let fault = Fault::new(FaultKind::Syntax, place, format!("{due} is due, not `{word}`"));
                match word.as_str() {
                    "and" | "AND" => fault.with_help("write `&&`").with_instead("&&"),
                    "or" | "OR" => fault.with_help("write `||`").with_instead("||"),
                    "is" => fault.with_help("write `==`").with_instead("=="),
                    _ => fault,
                }
            }
            Token::Symbol(symbol) => Fault::new(FaultKind::Syntax, place, format!("{due} is due, not `{symbol}`")),
            Token::Int(_) | Token::Double(_) | Token::Text(_) => {
                Fault::new(FaultKind::Syntax, place, format!("{due} is due, not a value"))
            }
        }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == DEPTH_MAX {
            let what = format!("the expression is nested deeper than {DEPTH_MAX}");
            return Err(Fault::new(FaultKind::Syntax, self.peek().place(), what));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn expression(&mut self) -> Result<Node, Fault> {
        self.deeper(|parser| {
            let condition = parser.binary(0)?;
            if !parser.symbol("?") {
                return Ok(condition);
            }
            let then = parser.binary(0)?;
            parser.expect(":")?;
            let otherwise = parser.expression()?;
            let (start, end) = (condition.start, otherwise.end);
            let what = What::Choice(Box::new(condition), Box::new(then), Box::new(otherwise));
            Ok(Node { start, end, what })
        })
    }

    fn binary(&mut self, row: usize) -> Result<Node, Fault> {
        let Some(operators) = ROWS.get(row) else { return self.unary() };
        let mut left = self.binary(row + 1)?;
        loop {
            let word = match &self.peek().token {
                Token::Symbol(symbol) => symbol,
                Token::Name(name) => name.as_str(),
                _ => return Ok(left),
            };
            let Some(operator) = operators.iter().find(|o| **o == word) else { return Ok(left) };
            let place = self.next().place();
            let right = self.binary(row + 1)?;
            let (start, end) = (left.start, right.end);
            left = Node { start, end, what: What::Binary(operator, place, Box::new(left), Box::new(right)) };
        }
    }

    fn unary(&mut self) -> Result<Node, Fault> {
        let start = self.peek().start;
        if self.symbol("!") {
            let inner = self.deeper(Self::unary)?;
            return Ok(Node { start, end: inner.end, what: What::Not(Box::new(inner)) });
        }
        if self.symbol("-") {
            let inner = self.deeper(Self::unary)?;
            let end = inner.end;
            let what = match inner.what {
                What::Int(value) if value > 0 => What::Int(-value),
                What::Double(value) if value > 0.0 => What::Double(-value),
                _ => What::Negative(Box::new(inner)),
            };
            return Ok(Node { start, end, what });
        }
        self.member()
    }

    fn member(&mut self) -> Result<Node, Fault> {
        let mut node = self.primary()?;
        while self.symbol(".") {
            let lexeme = self.next();
            let place = lexeme.place();
            let Token::Name(name) = lexeme.token else {
                self.at -= 1;
                return Err(self.unexpected("the name of a fact"));
            };
            let start = node.start;
            if !self.symbol("(") {
                node = Node { start, end: place.1, what: What::Field(Box::new(node), name, place) };
                continue;
            }
            node = match MACROS.iter().find(|(word, _)| *word == name) {
                Some((_, each)) => self.each(*each, node)?,
                None => {
                    let (mut arguments, end) = self.arguments()?;
                    arguments.insert(0, node);
                    // The dot tells a method from a function.
                    Node { start, end, what: What::Call(format!(".{name}"), place, arguments) }
                }
            };
        }
        Ok(node)
    }

    /// `(name, body)` after `over.all`.
    fn each(&mut self, each: Macro, over: Node) -> Result<Node, Fault> {
        let lexeme = self.next();
        let Token::Name(name) = lexeme.token else {
            self.at -= 1;
            return Err(self
                .unexpected("a name for each of them")
                .with_help("write it as `services.all(s, s.replicas >= 2)`"));
        };
        self.expect(",")?;
        let body = self.expression()?;
        let end = self.expect(")")?;
        Ok(Node { start: over.start, end, what: What::Each(each, Box::new(over), name, Box::new(body)) })
    }

    fn arguments(&mut self) -> Result<(Vec<Node>, usize), Fault> {
        let mut all = Vec::new();
        if self.symbol(")") {
            return Ok((all, self.tokens[self.at - 1].end));
        }
        loop {
            all.push(self.expression()?);
            if !self.symbol(",") {
                return Ok((all, self.expect(")")?));
            }
        }
    }

    fn primary(&mut self) -> Result<Node, Fault> {
        let lexeme = self.next();
        let (start, mut end) = lexeme.place();
        let what = match lexeme.token {
            Token::Int(value) => What::Int(value),
            Token::Double(value) => What::Double(value),
            Token::Text(text) => What::Text(text),
            Token::Name(name) => match name.as_str() {
                "true" => What::Bool(true),
                "false" => What::Bool(false),
                "not" => {
                    let fault = Fault::new(FaultKind::Syntax, (start, end), "`not` means nothing here");
                    return Err(fault.with_help("write `!`; and quote an expression that begins with it"));
                }
                _ if self.symbol("(") => {
                    let (arguments, close) = self.arguments()?;
                    let place = (start, end);
                    end = close;
                    What::Call(name, place, arguments)
                }
                _ => What::Name(name),
            },
            Token::Symbol("(") => {
                let inner = self.expression()?;
                end = self.expect(")")?;
                inner.what
            }
            Token::Symbol("[") => self.list(&mut end)?,
            _ => {
                self.at -= 1;
                return Err(self.unexpected("a value"));
            }
        };
        Ok(Node { start, end, what })
    }

    fn list(&mut self, end: &mut usize) -> Result<What, Fault> {
        let mut items = Vec::new();
        while !self.symbol("]") {
            items.push(self.expression()?);
            if !self.symbol(",") {
                *end = self.expect("]")?;
                return Ok(What::List(items));
            }
        }
        *end = self.tokens[self.at - 1].end;
        Ok(What::List(items))
    }
}
