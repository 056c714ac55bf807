//! Rules of composite alarms: `ALARM("a") AND NOT (OK("b") OR TRUE)`.
//!
//! Owns: their grammar, that of CloudWatch's `AlarmRule`. Must not: know any alarm.

use super::AlarmState;

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::drill) enum Rule {
    Is(AlarmState, String),
    Fixed(bool),
    Not(Box<Rule>),
    And(Box<Rule>, Box<Rule>),
    Or(Box<Rule>, Box<Rule>),
}

impl Rule {
    /// The alarms it speaks of.
    pub(in crate::drill) fn names(&self) -> Vec<&str> {
        match self {
            Self::Is(_, name) => vec![name],
            Self::Fixed(_) => Vec::new(),
            Self::Not(inner) => inner.names(),
            Self::And(a, b) | Self::Or(a, b) => a.names().into_iter().chain(b.names()).collect(),
        }
    }

    /// Whether it holds when alarms are in these states.
    pub(in crate::drill) fn holds(&self, state: &dyn Fn(&str) -> Option<AlarmState>) -> bool {
        match self {
            Self::Is(wanted, name) => state(name) == Some(*wanted),
            Self::Fixed(value) => *value,
            Self::Not(inner) => !inner.holds(state),
            Self::And(a, b) => a.holds(state) && b.holds(state),
            Self::Or(a, b) => a.holds(state) || b.holds(state),
        }
    }
}

/// Reads a rule. The error says what was expected.
pub(in crate::drill) fn parse(text: &str) -> Result<Rule, String> {
    // CloudWatch takes rules of up to 10,240 characters.
    if text.len() > 10_240 {
        return Err("the rule is longer than 10,240 characters".into());
    }
    let mut words = words(text)?;
    words.reverse();
    let rule = any_of(&mut words, 0)?;
    match words.pop() {
        None => Ok(rule),
        Some(word) => Err(format!("unexpected `{word}` after the rule")),
    }
}

fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = if first == '"' {
            rest[1..].find('"').map(|at| at + 2).ok_or("a quoted name does not end")?
        } else if matches!(first, '(' | ')') {
            1
        } else {
            rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"')).unwrap_or(rest.len())
        };
        words.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    Ok(words)
}

fn any_of(words: &mut Vec<String>, depth: u8) -> Result<Rule, String> {
    let mut rule = all_of(words, depth)?;
    while words.last().is_some_and(|word| word == "OR") {
        words.pop();
        rule = Rule::Or(Box::new(rule), Box::new(all_of(words, depth)?));
    }
    Ok(rule)
}

fn all_of(words: &mut Vec<String>, depth: u8) -> Result<Rule, String> {
    let mut rule = one(words, depth)?;
    while words.last().is_some_and(|word| word == "AND") {
        words.pop();
        rule = Rule::And(Box::new(rule), Box::new(one(words, depth)?));
    }
    Ok(rule)
}

fn one(words: &mut Vec<String>, depth: u8) -> Result<Rule, String> {
    if depth > 30 {
        return Err("the rule is nested too deeply".into());
    }
    let word = words.pop().ok_or("the rule ends where `ALARM(\"name\")` or the like is expected")?;
    let expect = |wanted: &str, words: &mut Vec<String>| match words.pop() {
        Some(word) if word == wanted => Ok(()),
        _ => Err(format!("`{wanted}` is expected")),
    };
    let state = match word.as_str() {
        "NOT" => return Ok(Rule::Not(Box::new(one(words, depth + 1)?))),
        "TRUE" => return Ok(Rule::Fixed(true)),
        "FALSE" => return Ok(Rule::Fixed(false)),
        "(" => {
            let inner = any_of(words, depth + 1)?;
            expect(")", words)?;
            return Ok(inner);
        }
        "ALARM" => AlarmState::Alarm,
        "OK" => AlarmState::Ok,
        "INSUFFICIENT_DATA" => AlarmState::InsufficientData,
        other => return Err(format!("`{other}` is not one of ALARM, OK, INSUFFICIENT_DATA, NOT, TRUE, FALSE")),
    };
    expect("(", words)?;
    let name = words.pop().ok_or("an alarm's name is expected")?;
    expect(")", words)?;
    Ok(Rule::Is(state, name.trim_matches('"').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_hold_as_cloudwatch_reads_them() {
        let state = |name: &str| Some(if name.starts_with("bad") { AlarmState::Alarm } else { AlarmState::Ok });
        for (text, expected) in [
            ("ALARM(\"bad\")", true),
            ("ALARM(good) OR ALARM(\"bad one\")", true),
            ("ALARM(bad) AND NOT (OK(good) OR FALSE)", false),
            ("ALARM(bad) OR ALARM(good) AND FALSE", true),
        ] {
            assert_eq!(parse(text).unwrap().holds(&state), expected, "{text}");
        }
        for bad in ["", "ALARM(", "ALARM(x) AND", "BAD(x)", "ALARM(x) y", "ALARM(\"x)"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"NOT ".repeat(2000)).is_err());
    }
}
