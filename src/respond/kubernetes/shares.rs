//! Destinations that share traffic: lists of them, what people call them, and which list somebody's
//! shares are about. Pure.

use serde_json::{Value, json};

use crate::model::name::Target;
use crate::model::plan::{Refusal, Share};
use crate::respond::guard::refusal;
use crate::respond::weights::{divided, percents, words};

use super::said;

/// One list of destinations that divides traffic.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct List {
    /// Where it is in the object.
    pub(super) pointer: String,
    /// What tells which requests it is for: pointers into the object.
    pub(super) around: Vec<String>,
    /// What its author calls it.
    pub(super) name: Option<String>,
    /// From 1 on.
    pub(super) number: usize,
    pub(super) ways: Vec<Way>,
}

/// One destination of a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Way {
    /// What people call it, if nothing else of the list is called so.
    pub(super) label: String,
    /// What tells it from others of that label.
    pub(super) long: String,
    /// All that names it.
    pub(super) names: Vec<String>,
    pub(super) weight: Option<u32>,
    /// What no weight means.
    pub(super) absent: u32,
    /// As it stands in the list.
    pub(super) entry: Value,
}

impl Way {
    pub(super) fn counts(&self) -> u32 {
        self.weight.unwrap_or(self.absent)
    }

    /// Its entry with another weight.
    pub(super) fn with(&self, weight: Option<u32>) -> Value {
        let mut entry = self.entry.clone();
        if let Some(map) = entry.as_object_mut() {
            match weight {
                Some(weight) => drop(map.insert("weight".into(), json!(weight))),
                None => drop(map.remove("weight")),
            }
        }
        entry
    }
}

impl List {
    /// A person's word for it: its name, else its number.
    fn called(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.number.to_string())
    }

    fn is(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name) || self.number.to_string() == name
    }

    pub(super) fn label(&self, at: usize) -> &str {
        let way = &self.ways[at];
        let same = self.ways.iter().filter(|other| other.label == way.label).count();
        if same > 1 { &way.long } else { &way.label }
    }

    /// Which of its destinations `name` names. `Err`: several.
    fn find(&self, name: &str) -> Result<Option<usize>, ()> {
        let found: Vec<usize> =
            (0..self.ways.len()).filter(|at| self.ways[*at].names.iter().any(|one| one == name)).collect();
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            _ => Err(()),
        }
    }

    pub(super) fn weights(&self) -> Vec<u32> {
        match self.ways.as_slice() {
            // One destination alone gets everything.
            [_] => vec![1],
            ways => ways.iter().map(Way::counts).collect(),
        }
    }

    /// `partner-a 100 %, partner-b 0 %`.
    pub(super) fn shown(&self, weights: &[u32]) -> String {
        let parts: Vec<_> = percents(weights)
            .into_iter()
            .enumerate()
            .map(|(at, percent)| format!("{} {}", self.label(at), words(percent)))
            .collect();
        parts.join(", ")
    }
}

/// The weight of an entry, if it has one.
pub(super) fn weight_of(entry: &Value) -> Option<u32> {
    entry.get("weight").and_then(Value::as_u64).and_then(|weight| u32::try_from(weight).ok())
}

/// The list that `shares` are about, and the weights that they make of it.
pub(super) fn chosen<'a>(
    target: &Target,
    lists: &'a [List],
    shares: &[Share],
) -> Result<(&'a List, Vec<Option<u32>>), Refusal> {
    let divides: Vec<&List> = lists.iter().filter(|list| list.ways.len() > 1).collect();
    let all = |lists: &[&List]| {
        let said: Vec<_> = lists
            .iter()
            .map(|list| {
                let name = if lists.len() > 1 { format!("{}: ", list.called()) } else { String::new() };
                format!("{name}{}", list.shown(&list.weights()))
            })
            .collect();
        said.join("; ")
    };
    let no = |why: String| refusal(said(&why));
    if divides.is_empty() {
        return Err(no(format!("{target} sends all of its traffic to one place each: there is nothing to divide")));
    }
    if shares.is_empty() {
        let first = divides[0].label(1);
        return Err(no(format!(
            "{target} sends {}: name who is to get how many percent, such as {first}=20",
            all(&divides)
        )));
    }
    // `canary:partner-b` names the list, too.
    let scoped: Vec<(Option<&str>, &str, u32)> = shares
        .iter()
        .map(|share| match share.destination.split_once(':') {
            Some((list, name)) if lists.iter().any(|one| one.is(list)) => (Some(list), name, share.weight),
            _ => (None, share.destination.as_str(), share.weight),
        })
        .collect();
    let fits: Vec<&List> = divides
        .iter()
        .copied()
        .filter(|list| {
            scoped.iter().all(|(scope, name, _)| {
                scope.is_none_or(|scope| list.is(scope)) && !matches!(list.find(name), Ok(None))
            })
        })
        .collect();
    let list = match fits.as_slice() {
        [list] => *list,
        [] => {
            let unknown = scoped.iter().find(|(_, name, _)| divides.iter().all(|list| list.find(name) == Ok(None)));
            return Err(no(match unknown {
                Some((_, name, _)) => format!("{target} sends nothing to {name:?}, but {}", all(&divides)),
                None => format!("{target} has no route with all of these: {}", all(&divides)),
            }));
        }
        several => {
            let (first, name) = (several[0].called(), scoped[0].1);
            return Err(no(format!(
                "{target} divides between these more than once ({}): say which, such as {first}:{name}={}",
                all(several),
                scoped[0].2
            )));
        }
    };
    let mut places = Vec::new();
    for (_, name, weight) in &scoped {
        let Ok(Some(at)) = list.find(name) else {
            let named: Vec<_> = list.ways.iter().filter(|way| way.names.iter().any(|one| one == name)).collect();
            let longs: Vec<_> = named.iter().map(|way| way.long.as_str()).collect();
            return Err(no(format!("{name:?} is more than one destination of {target}: {}", longs.join(", "))));
        };
        if places.iter().any(|(other, _)| *other == at) {
            return Err(no(format!("{} is named twice: give each destination one share", list.label(at))));
        }
        places.push((at, *weight));
    }
    let now = list.weights();
    let after = divided(&now, &places).map_err(|why| no(format!("{target} sends {}; {why}", list.shown(&now))))?;
    let total: u64 = now.iter().copied().map(u64::from).sum();
    let moves = |(now, then): (&u32, &u32)| u64::from(*now) * 100 != u64::from(*then) * total;
    if !now.iter().zip(&after).any(moves) {
        return Err(no(format!("{target} sends {} already: there is nothing to change", list.shown(&now))));
    }
    // What counts as before is left as it stands, so that no entry is written that does not change.
    let kept = |way: &Way, then: u32| if way.counts() == then { way.weight } else { Some(then) };
    Ok((list, list.ways.iter().zip(after).map(|(way, then)| kept(way, then)).collect()))
}
