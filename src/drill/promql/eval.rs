//! What a query comes to, at a moment or over a stretch.

use std::collections::BTreeMap;

use super::QueryError;
use super::ast::{Aggregate, Aggregation, Binary, Expr, Group, Matching, Op, Selector};
use super::functions::{bucket_quantile, over_range};
use super::store::{Labels, Store};

/// How far back an instant selector looks.
const LOOKBACK_MS: i64 = 5 * 60 * 1000;
/// Points of one series that a range query may ask for, as in Prometheus.
const MOST_POINTS: i64 = 11_000;

/// One value with its labels.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::drill) struct Sample {
    pub(in crate::drill) labels: Labels,
    pub(in crate::drill) value: f64,
}

/// What a query comes to at a moment.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::drill) enum Value {
    Scalar(f64),
    Text(String),
    Vector(Vec<Sample>),
    Matrix(Matrix),
}

/// Series with their points: milliseconds since the Unix epoch and value.
pub(in crate::drill) type Matrix = Vec<(Labels, Vec<(i64, f64)>)>;

/// The value at `at`, milliseconds since the Unix epoch.
pub(in crate::drill) fn instant(store: &Store, expr: &Expr, at: i64) -> Result<Value, QueryError> {
    Eval { store, at }.expr(expr)
}

/// The values from `start` to `end`, both included, every `step` milliseconds.
pub(in crate::drill) fn range(
    store: &Store,
    expr: &Expr,
    start: i64,
    end: i64,
    step: i64,
) -> Result<Matrix, QueryError> {
    if step <= 0 {
        return Err(QueryError::Stretch(
            "zero or negative query resolution step widths are not accepted. Try a positive integer".into(),
        ));
    }
    if end < start {
        return Err(QueryError::Stretch("end timestamp must not be before start time".into()));
    }
    if (end.saturating_sub(start)) / step > MOST_POINTS {
        return Err(QueryError::Stretch("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)".into()));
    }
    let mut found: BTreeMap<Labels, Vec<(i64, f64)>> = BTreeMap::new();
    let mut at = start;
    while at <= end {
        match instant(store, expr, at)? {
            Value::Scalar(value) => found.entry(Labels::new()).or_default().push((at, value)),
            Value::Vector(samples) => {
                for sample in samples {
                    found.entry(sample.labels).or_default().push((at, sample.value));
                }
            }
            Value::Text(_) | Value::Matrix(_) => {
                return Err(QueryError::Stretch(
                    "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector".into(),
                ));
            }
        }
        let Some(next) = at.checked_add(step) else { break };
        at = next;
    }
    Ok(found.into_iter().collect())
}

struct Eval<'a> {
    store: &'a Store,
    at: i64,
}

impl Eval<'_> {
    fn expr(&self, expr: &Expr) -> Result<Value, QueryError> {
        Ok(match expr {
            Expr::Number(number) => Value::Scalar(*number),
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Select(selector) => self.select(selector),
            Expr::Negate(inner) => match self.expr(inner)? {
                Value::Scalar(value) => Value::Scalar(-value),
                other => Value::Vector(mapped(vector(other)?, |value| -value)),
            },
            Expr::Binary(binary) => self.binary(binary)?,
            Expr::Aggregate(aggregate) => self.aggregate(aggregate)?,
            Expr::Call { function, args } => self.call(function, args)?,
        })
    }

    fn select(&self, selector: &Selector) -> Value {
        let at = self.at - selector.offset;
        let series = self.store.select(selector.name.as_deref(), &selector.matchers);
        match selector.range {
            None => Value::Vector(
                series
                    .filter_map(|series| {
                        Some(Sample { labels: series.labels.clone(), value: series.latest(at, LOOKBACK_MS)? })
                    })
                    .collect(),
            ),
            Some(range) => Value::Matrix(
                series
                    .map(|series| (series.labels.clone(), series.between(at - range, at).collect::<Vec<_>>()))
                    .filter(|(_, samples)| !samples.is_empty())
                    .collect(),
            ),
        }
    }

    fn scalar(&self, expr: &Expr) -> Result<f64, QueryError> {
        match self.expr(expr)? {
            Value::Scalar(value) => Ok(value),
            _ => Err(QueryError::mistyped("expected type scalar")),
        }
    }

    fn call(&self, function: &str, args: &[Expr]) -> Result<Value, QueryError> {
        let Some(last) = args.last() else { return Ok(Value::Scalar(self.at as f64 / 1000.0)) };
        if let Some(over) = over_range(function) {
            let (Expr::Select(selector), Value::Matrix(series)) = (last, self.expr(last)?) else {
                return Err(QueryError::mistyped(format!(
                    "expected type range vector in call to function {function:?}, got instant vector"
                )));
            };
            let to = self.at - selector.offset;
            let window = (to - selector.range.unwrap_or_default(), to);
            let keeps_name = function == "last_over_time";
            return Ok(Value::Vector(
                series
                    .into_iter()
                    .filter_map(|(mut labels, samples)| {
                        let value = over(&samples, window)?;
                        if !keeps_name {
                            labels.remove("__name__");
                        }
                        Some(Sample { labels, value })
                    })
                    .collect(),
            ));
        }
        let argument = |at: usize| args.get(at).map_or(Ok(f64::NAN), |arg| self.scalar(arg));
        let each = |change: &dyn Fn(f64) -> f64| -> Result<Value, QueryError> {
            Ok(Value::Vector(mapped(vector(self.expr(args.first().unwrap_or(last))?)?, change)))
        };
        match function {
            "vector" => Ok(Value::Vector(vec![Sample { labels: Labels::new(), value: self.scalar(last)? }])),
            "scalar" => match vector(self.expr(last)?)?.as_slice() {
                [one] => Ok(Value::Scalar(one.value)),
                _ => Ok(Value::Scalar(f64::NAN)),
            },
            "abs" => each(&f64::abs),
            "ceil" => each(&f64::ceil),
            "floor" => each(&f64::floor),
            "sqrt" => each(&f64::sqrt),
            "exp" => each(&f64::exp),
            "ln" => each(&f64::ln),
            "timestamp" => {
                let at = self.at as f64 / 1000.0;
                each(&|_| at)
            }
            "round" => {
                let to = if args.len() > 1 { argument(1)? } else { 1.0 };
                each(&|value| (value / to).round() * to)
            }
            "clamp_min" => {
                let low = argument(1)?;
                each(&|value| value.max(low))
            }
            "clamp_max" => {
                let high = argument(1)?;
                each(&|value| value.min(high))
            }
            "clamp" => {
                let (low, high) = (argument(1)?, argument(2)?);
                each(&|value| value.max(low).min(high))
            }
            "absent" => Ok(Value::Vector(match vector(self.expr(last)?)?.is_empty() {
                true => vec![Sample { labels: Labels::new(), value: 1.0 }],
                false => Vec::new(),
            })),
            "sort" | "sort_desc" => {
                let mut samples = vector(self.expr(last)?)?;
                samples.sort_by(|a, b| a.value.total_cmp(&b.value));
                if function == "sort_desc" {
                    samples.reverse();
                }
                Ok(Value::Vector(samples))
            }
            "histogram_quantile" => self.histogram_quantile(argument(0)?, last),
            _ => Err(QueryError::Execution(format!("this server has no function {function:?} for that argument"))),
        }
    }

    fn histogram_quantile(&self, q: f64, of: &Expr) -> Result<Value, QueryError> {
        let mut histograms: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        for mut sample in vector(self.expr(of)?)? {
            sample.labels.remove("__name__");
            let le = sample
                .labels
                .remove("le")
                .and_then(|le| if le == "+Inf" { Some(f64::INFINITY) } else { le.parse().ok() });
            if let Some(le) = le {
                histograms.entry(sample.labels).or_default().push((le, sample.value));
            }
        }
        let quantile = |(labels, buckets)| Sample { labels, value: bucket_quantile(q, buckets) };
        Ok(Value::Vector(histograms.into_iter().map(quantile).collect()))
    }

    fn aggregate(&self, aggregate: &Aggregate) -> Result<Value, QueryError> {
        let k = match &aggregate.parameter {
            Some(parameter) => self.scalar(parameter)?.max(0.0) as usize,
            None => 0,
        };
        let mut groups: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
        for sample in vector(self.expr(&aggregate.of)?)? {
            let key = grouped(&sample.labels, aggregate.by, &aggregate.labels);
            groups.entry(key).or_default().push(sample);
        }
        let mut found = Vec::new();
        for (labels, mut samples) in groups {
            let values = samples.iter().map(|sample| sample.value);
            let value = match aggregate.kind {
                Aggregation::Sum => values.sum(),
                Aggregation::Average => values.sum::<f64>() / samples.len() as f64,
                Aggregation::Minimum => values.fold(f64::INFINITY, f64::min),
                Aggregation::Maximum => values.fold(f64::NEG_INFINITY, f64::max),
                Aggregation::Count => samples.len() as f64,
                Aggregation::TopK | Aggregation::BottomK => {
                    samples.sort_by(|a, b| b.value.total_cmp(&a.value));
                    if aggregate.kind == Aggregation::BottomK {
                        samples.reverse();
                    }
                    found.extend(samples.into_iter().take(k));
                    continue;
                }
            };
            found.push(Sample { labels, value });
        }
        Ok(Value::Vector(found))
    }

    fn binary(&self, binary: &Binary) -> Result<Value, QueryError> {
        let (left, right) = (self.expr(&binary.left)?, self.expr(&binary.right)?);
        let op = binary.op;
        if op.is_set() {
            return Ok(Value::Vector(sets(op, &binary.matching, vector(left)?, vector(right)?)));
        }
        match (left, right) {
            (Value::Scalar(a), Value::Scalar(b)) => match compute(op, a, b) {
                Computed::Number(value) => Ok(Value::Scalar(value)),
                Computed::Holds(holds) if binary.as_bool => Ok(Value::Scalar(f64::from(u8::from(holds)))),
                Computed::Holds(_) => Err(QueryError::mistyped("comparisons between scalars must use BOOL modifier")),
            },
            (Value::Scalar(a), right) => Ok(Value::Vector(
                vector(right)?.into_iter().filter_map(|s| combined(binary, s.clone(), a, s.value, s.value)).collect(),
            )),
            (left, Value::Scalar(b)) => Ok(Value::Vector(
                vector(left)?.into_iter().filter_map(|s| combined(binary, s.clone(), s.value, b, s.value)).collect(),
            )),
            (left, right) => vectors(binary, vector(left)?, vector(right)?).map(Value::Vector),
        }
    }
}

enum Computed {
    Number(f64),
    Holds(bool),
}

fn compute(op: Op, a: f64, b: f64) -> Computed {
    Computed::Number(match op {
        Op::Add => a + b,
        Op::Subtract => a - b,
        Op::Multiply => a * b,
        Op::Divide => a / b,
        Op::Modulo => a % b,
        Op::Power => a.powf(b),
        Op::Equal => return Computed::Holds(a == b),
        Op::NotEqual => return Computed::Holds(a != b),
        Op::Less => return Computed::Holds(a < b),
        Op::LessEqual => return Computed::Holds(a <= b),
        Op::Greater => return Computed::Holds(a > b),
        Op::GreaterEqual => return Computed::Holds(a >= b),
        Op::Or | Op::And | Op::Unless => f64::NAN,
    })
}

/// `kept` is the value that a filtering comparison lets through.
fn combined(binary: &Binary, mut sample: Sample, a: f64, b: f64, kept: f64) -> Option<Sample> {
    sample.value = match compute(binary.op, a, b) {
        Computed::Number(value) => value,
        Computed::Holds(holds) if binary.as_bool => f64::from(u8::from(holds)),
        Computed::Holds(true) => {
            sample.value = kept;
            return Some(sample);
        }
        Computed::Holds(false) => return None,
    };
    sample.labels.remove("__name__");
    Some(sample)
}

fn vectors(binary: &Binary, left: Vec<Sample>, right: Vec<Sample>) -> Result<Vec<Sample>, QueryError> {
    let swapped = binary.matching.group == Group::Right;
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let mut index: BTreeMap<Labels, f64> = BTreeMap::new();
    for sample in one {
        if index.insert(signature(&sample.labels, &binary.matching), sample.value).is_some() {
            return Err(QueryError::Execution(
                "found duplicate series for the match group on the \"one\" side of the operation: many-to-many matching not allowed".into(),
            ));
        }
    }
    let mut used: BTreeMap<Labels, ()> = BTreeMap::new();
    let mut found = Vec::new();
    for mut sample in many {
        let key = signature(&sample.labels, &binary.matching);
        let Some(other) = index.get(&key).copied() else { continue };
        if binary.matching.group == Group::None && used.insert(key.clone(), ()).is_some() {
            return Err(QueryError::Execution(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)".into(),
            ));
        }
        let (a, b) = if swapped { (other, sample.value) } else { (sample.value, other) };
        if binary.matching.group == Group::None && (!binary.op.is_comparison() || binary.as_bool) {
            sample.labels = key;
        }
        let kept = sample.value;
        found.extend(combined(binary, sample, a, b, kept));
    }
    Ok(found)
}

fn sets(op: Op, matching: &Matching, left: Vec<Sample>, right: Vec<Sample>) -> Vec<Sample> {
    let keys = |side: &[Sample]| -> std::collections::BTreeSet<Labels> {
        side.iter().map(|sample| signature(&sample.labels, matching)).collect()
    };
    match op {
        Op::Or => {
            let known = keys(&left);
            let more = right.into_iter().filter(|sample| !known.contains(&signature(&sample.labels, matching)));
            left.into_iter().chain(more).collect()
        }
        _ => {
            let known = keys(&right);
            let wanted = op == Op::And;
            left.into_iter().filter(|s| known.contains(&signature(&s.labels, matching)) == wanted).collect()
        }
    }
}

fn signature(labels: &Labels, matching: &Matching) -> Labels {
    grouped(labels, matching.on, &matching.labels)
}

fn grouped(labels: &Labels, keep: bool, named: &[String]) -> Labels {
    labels
        .iter()
        .filter(|(label, _)| label.as_str() != "__name__" || (keep && named.contains(label)))
        .filter(|(label, _)| named.contains(label) == keep)
        .map(|(label, value)| (label.clone(), value.clone()))
        .collect()
}

fn vector(value: Value) -> Result<Vec<Sample>, QueryError> {
    match value {
        Value::Vector(samples) => Ok(samples),
        Value::Scalar(_) => Err(QueryError::mistyped("expected type instant vector, got scalar")),
        Value::Text(_) => Err(QueryError::mistyped("expected type instant vector, got string")),
        Value::Matrix(_) => Err(QueryError::mistyped("expected type instant vector, got range vector")),
    }
}

fn mapped(samples: Vec<Sample>, change: impl Fn(f64) -> f64) -> Vec<Sample> {
    samples
        .into_iter()
        .map(|mut sample| {
            sample.labels.remove("__name__");
            sample.value = change(sample.value);
            sample
        })
        .collect()
}
