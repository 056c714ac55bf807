//! The tree of a query.

use regex::Regex;

/// An expression.
#[derive(Clone, Debug)]
pub(in crate::drill) enum Expr {
    /// A number.
    Number(f64),
    /// A string.
    Text(String),
    /// Series by name and labels.
    Select(Selector),
    /// A sign before an expression.
    Negate(Box<Expr>),
    /// Two expressions and an operator.
    Binary(Box<Binary>),
    /// Many series into few.
    Aggregate(Box<Aggregate>),
    /// A function's call.
    Call { function: String, args: Vec<Expr> },
}

/// Series by name and labels.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Selector {
    pub(super) name: Option<String>,
    pub(super) matchers: Vec<Matcher>,
    /// Milliseconds, for a range selector.
    pub(super) range: Option<i64>,
    /// Milliseconds back in time.
    pub(super) offset: i64,
}

/// A condition on a label. A label that is not there is an empty one.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Matcher {
    pub(in crate::drill) label: String,
    pub(in crate::drill) value: String,
    pub(in crate::drill) equal: bool,
    pub(in crate::drill) regex: Option<Regex>,
}

impl Matcher {
    /// Whether `value` meets the condition.
    pub(in crate::drill) fn matches(&self, value: &str) -> bool {
        let hit = self.regex.as_ref().map_or(value == self.value, |regex| regex.is_match(value));
        hit == self.equal
    }
}

/// Two expressions and an operator.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Binary {
    pub(super) op: Op,
    /// A comparison gives 0 or 1 instead of filtering.
    pub(super) as_bool: bool,
    pub(super) matching: Matching,
    pub(super) left: Expr,
    pub(super) right: Expr,
}

/// Operators, weakest first in [`Op::strength`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Or,
    And,
    Unless,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
}

impl Op {
    pub(super) fn strength(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Equal | Self::NotEqual | Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual => 3,
            Self::Add | Self::Subtract => 4,
            Self::Multiply | Self::Divide | Self::Modulo => 5,
            Self::Power => 6,
        }
    }

    pub(super) fn is_comparison(self) -> bool {
        self.strength() == 3
    }

    pub(super) fn is_set(self) -> bool {
        self.strength() < 3
    }
}

/// How series of two sides find each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Matching {
    /// `on` these labels, or `ignoring` these.
    pub(super) on: bool,
    pub(super) labels: Vec<String>,
    pub(super) group: Group,
}

/// Which side may have several series for one of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Group {
    #[default]
    None,
    Left,
    Right,
}

/// Many series into few.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Aggregate {
    pub(super) kind: Aggregation,
    /// `by` these labels, or `without` these.
    pub(super) by: bool,
    pub(super) labels: Vec<String>,
    pub(super) parameter: Option<Expr>,
    pub(super) of: Expr,
}

/// Aggregations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregation {
    Sum,
    Average,
    Minimum,
    Maximum,
    Count,
    TopK,
    BottomK,
}
