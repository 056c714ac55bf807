//! Text into tokens.

use super::QueryError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Number(f64),
    /// Milliseconds.
    Length(i64),
    Text(String),
    Symbol(&'static str),
    End,
}

/// Longest first, so that `=~` is not read as `=`.
const SYMBOLS: [&str; 23] = [
    "=~", "!~", "!=", "==", ">=", "<=", "(", ")", "{", "}", "[", "]", ",", "=", ">", "<", "+", "-", "*", "/", "%", "^",
    "@",
];

pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, QueryError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(first) = rest.chars().next() else { break };
        let error = |why: String| QueryError::Parse { column: at + 1, why };
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if first == '#' {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if first == '"' || first == '\'' || first == '`' {
            let (value, used) = quoted(rest, first).ok_or_else(|| error("unterminated quoted string".into()))?;
            found.push((at, Token::Text(value)));
            at += used;
        } else if first.is_ascii_digit() || first == '.' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
            // `1e-3` has its sign inside.
            let end = match rest.get(..end) {
                Some(word) if word.ends_with(['e', 'E']) && rest[end..].starts_with(['-', '+']) => {
                    let tail = &rest[end + 1..];
                    end + 1 + tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len())
                }
                _ => end,
            };
            let word = &rest[..end];
            let token = match (word.parse::<f64>(), length(word)) {
                (Ok(number), _) => Token::Number(number),
                (_, Some(length)) => Token::Length(length),
                _ => return Err(error(format!("bad number or duration syntax: {word:?}"))),
            };
            found.push((at, token));
            at += end;
        } else if first.is_ascii_alphabetic() || first == '_' || first == ':' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').unwrap_or(rest.len());
            let word = &rest[..end];
            let token = match word.to_ascii_lowercase().as_str() {
                "inf" => Token::Number(f64::INFINITY),
                "nan" => Token::Number(f64::NAN),
                _ => Token::Name(word.to_owned()),
            };
            found.push((at, token));
            at += end;
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            found.push((at, Token::Symbol(symbol)));
            at += symbol.len();
        } else {
            return Err(error(format!("unexpected character: {first:?}")));
        }
    }
    found.push((text.len(), Token::End));
    Ok(found)
}

fn quoted(rest: &str, quote: char) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => return Some((value, at + 1)),
            '\\' if quote != '`' => match chars.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                other => value.push(other),
            },
            _ => value.push(c),
        }
    }
    None
}

/// `1h30m` in milliseconds.
pub(in crate::drill) fn length(word: &str) -> Option<i64> {
    let mut total: i64 = 0;
    let mut rest = word;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0)?;
        let number: i64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let scale = match &rest[digits..unit_end] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(scale)?)?;
        rest = &rest[unit_end..];
    }
    // A thousand years: sums of two such stay far from overflow.
    (total < 31_536_000_000_000).then_some(total)
}
