//! Tokens into a tree, by precedence climbing.

use regex::Regex;

use super::QueryError;
use super::ast::{Aggregate, Aggregation, Binary, Expr, Group, Matcher, Matching, Op, Selector};
use super::functions;
use super::lexer::{Token, tokens};

/// A query that is longer or deeper is an attack or a mistake.
const MOST_BYTES: usize = 16 * 1024;
const MOST_DEPTH: usize = 64;
/// A chain of operators is a deep tree, too.
const MOST_OPERATORS: usize = 256;

/// Reads a query.
pub(in crate::drill) fn parse(text: &str) -> Result<Expr, QueryError> {
    let mut parser = Parser::new(text)?;
    let expr = parser.expression(0)?;
    parser.end()?;
    Ok(expr)
}

/// Reads matchers as `match[]` and Alertmanager's filters hold them: `{a="b",c=~"d"}`, `up{a="b"}`
/// or, without braces, `a="b"`.
pub(in crate::drill) fn parse_matchers(text: &str) -> Result<Vec<Matcher>, QueryError> {
    let mut parser = Parser::new(text)?;
    let mut matchers = Vec::new();
    if let (Token::Name(name), next) = (parser.peek().clone(), parser.peek_after())
        && matches!(next, Token::Symbol("{") | Token::End)
    {
        parser.next();
        matchers.push(Matcher { label: "__name__".into(), value: name, equal: true, regex: None });
    }
    if parser.take("{") {
        matchers.extend(parser.matchers("}")?);
    } else if *parser.peek() != Token::End {
        loop {
            matchers.push(parser.matcher()?);
            if !parser.take(",") {
                break;
            }
        }
    }
    parser.end()?;
    Ok(matchers)
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
    operators: usize,
}

impl Parser {
    fn new(text: &str) -> Result<Self, QueryError> {
        if text.len() > MOST_BYTES {
            return Err(QueryError::Parse { column: 1, why: "the query is longer than 16 KiB".into() });
        }
        let tokens = tokens(text)?;
        if tokens.len() <= 1 {
            return Err(QueryError::Parse { column: 1, why: "no expression found in input".into() });
        }
        Ok(Self { tokens, at: 0, depth: 0, operators: 0 })
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(_, token)| token)
    }

    fn peek_after(&self) -> &Token {
        self.tokens.get(self.at + 1).map_or(&Token::End, |(_, token)| token)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn take(&mut self, symbol: &str) -> bool {
        let hit = matches!(self.peek(), Token::Symbol(found) if *found == symbol);
        if hit {
            self.at += 1;
        }
        hit
    }

    fn need(&mut self, symbol: &str) -> Result<(), QueryError> {
        if self.take(symbol) { Ok(()) } else { Err(self.error(&format!("expected {symbol:?}"))) }
    }

    fn end(&self) -> Result<(), QueryError> {
        if *self.peek() == Token::End { Ok(()) } else { Err(self.error("unexpected text after the expression")) }
    }

    fn error(&self, why: &str) -> QueryError {
        let column = self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |(at, _)| at + 1);
        QueryError::Parse { column, why: why.to_owned() }
    }

    fn expression(&mut self, weakest: u8) -> Result<Expr, QueryError> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(self.error("the query is nested too deeply"));
        }
        let mut left = self.unary()?;
        while let Some(op) = self.operator().filter(|op| op.strength() > weakest) {
            self.at += 1;
            self.operators += 1;
            if self.operators > MOST_OPERATORS {
                return Err(self.error("the query has more than 256 operators"));
            }
            let (as_bool, matching) = self.modifiers(op)?;
            // `^` binds to the right, all others to the left.
            let right = self.expression(if op == Op::Power { op.strength() - 1 } else { op.strength() })?;
            left = Expr::Binary(Box::new(Binary { op, as_bool, matching, left, right }));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operator(&self) -> Option<Op> {
        Some(match self.peek() {
            Token::Name(word) => match word.to_ascii_lowercase().as_str() {
                "or" => Op::Or,
                "and" => Op::And,
                "unless" => Op::Unless,
                _ => return None,
            },
            Token::Symbol(symbol) => match *symbol {
                "==" => Op::Equal,
                "!=" => Op::NotEqual,
                "<" => Op::Less,
                "<=" => Op::LessEqual,
                ">" => Op::Greater,
                ">=" => Op::GreaterEqual,
                "+" => Op::Add,
                "-" => Op::Subtract,
                "*" => Op::Multiply,
                "/" => Op::Divide,
                "%" => Op::Modulo,
                "^" => Op::Power,
                _ => return None,
            },
            _ => return None,
        })
    }

    fn word(&mut self, words: &[&str]) -> Option<String> {
        let Token::Name(word) = self.peek() else { return None };
        let word = word.to_ascii_lowercase();
        words.contains(&word.as_str()).then(|| {
            self.at += 1;
            word
        })
    }

    fn modifiers(&mut self, op: Op) -> Result<(bool, Matching), QueryError> {
        let as_bool = self.word(&["bool"]).is_some();
        if as_bool && !op.is_comparison() {
            return Err(self.error("bool modifier can only be used on comparison operators"));
        }
        let mut matching = Matching::default();
        if let Some(word) = self.word(&["on", "ignoring"]) {
            matching.on = word == "on";
            matching.labels = self.label_list()?;
        }
        if let Some(word) = self.word(&["group_left", "group_right"]) {
            matching.group = if word == "group_left" { Group::Left } else { Group::Right };
            if matches!(self.peek(), Token::Symbol("(")) {
                self.label_list()?;
            }
        }
        Ok((as_bool, matching))
    }

    fn label_list(&mut self) -> Result<Vec<String>, QueryError> {
        self.need("(")?;
        let mut labels = Vec::new();
        while !self.take(")") {
            match self.next() {
                Token::Name(label) => labels.push(label),
                _ => return Err(self.error("expected a label name")),
            }
            if !self.take(",") {
                self.need(")")?;
                break;
            }
        }
        Ok(labels)
    }

    fn unary(&mut self) -> Result<Expr, QueryError> {
        let mut negative = false;
        loop {
            if self.take("-") {
                negative = !negative;
            } else if !self.take("+") {
                break;
            }
        }
        // A sign is weaker than a power: -2^2 is -4.
        let operand = if negative { self.expression(Op::Multiply.strength())? } else { self.postfix()? };
        Ok(if negative { Expr::Negate(Box::new(operand)) } else { operand })
    }

    fn postfix(&mut self) -> Result<Expr, QueryError> {
        let mut expr = self.primary()?;
        if self.take("[") {
            let Token::Length(length) = self.next() else { return Err(self.error("expected a duration such as 5m")) };
            if !self.take("]") {
                return Err(self.error("this server does not answer subqueries"));
            }
            match &mut expr {
                Expr::Select(selector) if selector.range.is_none() && length > 0 => selector.range = Some(length),
                _ => return Err(self.error("ranges only allowed for vector selectors")),
            }
        }
        if self.word(&["offset"]).is_some() {
            let sign = if self.take("-") { -1 } else { 1 };
            let Token::Length(length) = self.next() else { return Err(self.error("expected a duration such as 5m")) };
            match &mut expr {
                Expr::Select(selector) => selector.offset = sign * length,
                _ => return Err(self.error("offset modifier must be preceded by a selector")),
            }
        }
        if self.take("@") {
            return Err(self.error("this server does not answer the @ modifier"));
        }
        Ok(expr)
    }

    fn primary(&mut self) -> Result<Expr, QueryError> {
        match self.peek().clone() {
            Token::Number(number) => {
                self.at += 1;
                Ok(Expr::Number(number))
            }
            Token::Text(text) => {
                self.at += 1;
                Ok(Expr::Text(text))
            }
            Token::Symbol("(") => {
                self.at += 1;
                let inner = self.expression(0)?;
                self.need(")")?;
                Ok(inner)
            }
            Token::Symbol("{") => {
                self.at += 1;
                let matchers = self.matchers("}")?;
                if matchers.iter().all(|matcher| matcher.matches("")) {
                    return Err(self.error("vector selector must contain at least one non-empty matcher"));
                }
                Ok(Expr::Select(Selector { name: None, matchers, range: None, offset: 0 }))
            }
            Token::Name(name) => {
                self.at += 1;
                let calls = matches!(self.peek(), Token::Symbol("("));
                if let Some(kind) = aggregation(&name)
                    && (calls || matches!(self.peek(), Token::Name(word) if matches!(word.as_str(), "by" | "without")))
                {
                    return self.aggregate(kind);
                }
                if calls {
                    return self.call(name);
                }
                let matchers = if self.take("{") { self.matchers("}")? } else { Vec::new() };
                Ok(Expr::Select(Selector { name: Some(name), matchers, range: None, offset: 0 }))
            }
            _ => Err(self.error("unexpected token where an expression begins")),
        }
    }

    fn aggregate(&mut self, kind: Aggregation) -> Result<Expr, QueryError> {
        let (mut by, mut labels) = self.grouping()?.unwrap_or((true, Vec::new()));
        let mut args = self.arguments()?;
        if let Some(after) = self.grouping()? {
            (by, labels) = after;
        }
        let wants = if matches!(kind, Aggregation::TopK | Aggregation::BottomK) { 2 } else { 1 };
        if args.len() != wants {
            return Err(self.error("wrong number of arguments for aggregate expression"));
        }
        let Some(of) = args.pop() else { return Err(self.error("expected an expression")) };
        Ok(Expr::Aggregate(Box::new(Aggregate { kind, by, labels, parameter: args.pop(), of })))
    }

    fn grouping(&mut self) -> Result<Option<(bool, Vec<String>)>, QueryError> {
        match self.word(&["by", "without"]) {
            Some(word) => Ok(Some((word == "by", self.label_list()?))),
            None => Ok(None),
        }
    }

    fn call(&mut self, name: String) -> Result<Expr, QueryError> {
        let Some(shape) = functions::arguments(&name) else {
            return Err(self.error(&format!("unknown function with name {name:?}")));
        };
        let args = self.arguments()?;
        if !shape.contains(&args.len()) {
            return Err(self.error(&format!("wrong number of arguments in call to {name:?}")));
        }
        Ok(Expr::Call { function: name, args })
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, QueryError> {
        self.need("(")?;
        let mut args = Vec::new();
        if self.take(")") {
            return Ok(args);
        }
        loop {
            args.push(self.expression(0)?);
            if !self.take(",") {
                break;
            }
        }
        self.need(")")?;
        Ok(args)
    }

    fn matchers(&mut self, end: &str) -> Result<Vec<Matcher>, QueryError> {
        let mut matchers = Vec::new();
        while !self.take(end) {
            matchers.push(self.matcher()?);
            if !self.take(",") {
                self.need(end)?;
                break;
            }
        }
        Ok(matchers)
    }

    fn matcher(&mut self) -> Result<Matcher, QueryError> {
        let (Token::Name(label) | Token::Text(label)) = self.next() else {
            return Err(self.error("expected a label name"));
        };
        let Token::Symbol(op @ ("=" | "!=" | "=~" | "!~")) = self.next() else {
            return Err(self.error("expected one of = != =~ !~"));
        };
        let value = match self.next() {
            Token::Text(value) => value,
            // Alertmanager's filters may leave the quotes away.
            Token::Name(value) => value,
            Token::Number(value) => value.to_string(),
            _ => return Err(self.error("expected a label value")),
        };
        let regex = if op.ends_with('~') {
            let anchored = format!("^(?s:{value})$");
            Some(Regex::new(&anchored).map_err(|why| self.error(&format!("bad regular expression: {why}")))?)
        } else {
            None
        };
        Ok(Matcher { label, value, equal: op.starts_with('='), regex })
    }
}

fn aggregation(name: &str) -> Option<Aggregation> {
    Some(match name {
        "sum" => Aggregation::Sum,
        "avg" => Aggregation::Average,
        "min" => Aggregation::Minimum,
        "max" => Aggregation::Maximum,
        "count" => Aggregation::Count,
        "topk" => Aggregation::TopK,
        "bottomk" => Aggregation::BottomK,
        _ => return None,
    })
}
