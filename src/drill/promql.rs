//! A small PromQL: what the drill's Prometheus, its alert rules and its alarms are asked in.
//!
//! Owns: the samples of the world's metrics, the parser and the evaluator. Covers selectors,
//! ranges, offsets, aggregations, arithmetic, comparisons, set operators and the common functions;
//! subqueries and `@` are refused with an error. Semantics follow Prometheus: lookback of five
//! minutes, stale markers, extrapolated rates. Must not: know what the metrics mean.

mod ast;
mod eval;
mod functions;
mod lexer;
mod parser;
mod store;

pub(in crate::drill) use ast::{Expr, Matcher};
pub(in crate::drill) use eval::{Value, instant, range};
pub(in crate::drill) use lexer::length;
pub(in crate::drill) use parser::{parse, parse_matchers};
pub(in crate::drill) use store::{Labels, Store};

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::drill) enum QueryError {
    /// It is not PromQL, or more than we speak.
    #[error("1:{column}: parse error: {why}")]
    Parse {
        /// Column in bytes, from 1.
        column: usize,
        /// What is wrong.
        why: String,
    },
    /// It cannot be asked over that stretch.
    #[error("{0}")]
    Stretch(String),
    /// It cannot be computed.
    #[error("{0}")]
    Execution(String),
}

impl QueryError {
    /// A type does not fit. Prometheus checks types while it parses; here they show in computing.
    fn mistyped(why: impl Into<String>) -> Self {
        Self::Parse { column: 1, why: why.into() }
    }
}

#[cfg(test)]
mod tests;
