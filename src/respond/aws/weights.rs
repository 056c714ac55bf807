//! Destinations of AWS that share traffic, before and after a wish. Pure.

use serde_json::{Value, json};

use crate::model::plan::{FieldChange, Guard, Refusal, Share};
use crate::respond::guard::refusal;
use crate::respond::kubernetes::fields::kept;
use crate::respond::weights::{divided, moved, percents, words};
use crate::text::Safe;

use super::client::said;
use super::draft::{after, change, fact, step};

/// Where the weights stand in the fields of what divides traffic: by the key of each destination.
const WEIGHTS: &str = "/weights";

/// One destination.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Way {
    /// By what its system knows it: an ARN, a set identifier.
    pub(super) key: String,
    /// What people call it.
    pub(super) name: String,
    pub(super) weight: u32,
}

/// Destinations with their weights before and after.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) ways: Vec<Way>,
    pub(super) after: Vec<u32>,
}

/// The weights as they count: where all are zero, AWS divides evenly.
pub(super) fn counting(weights: Vec<u32>) -> Vec<u32> {
    if weights.iter().all(|weight| *weight == 0) { vec![1; weights.len()] } else { weights }
}

/// `blue 60 %, green 40 %`.
pub(super) fn shown(ways: &[Way]) -> String {
    let shares = percents(&counting(ways.iter().map(|way| way.weight).collect()));
    let parts: Vec<_> = ways.iter().zip(shares).map(|(way, share)| format!("{} {}", way.name, words(share))).collect();
    parts.join(", ")
}

/// The weights as fields.
pub(super) fn fields(ways: &[Way]) -> Value {
    let weights: serde_json::Map<_, _> = ways.iter().map(|way| (way.key.clone(), json!(way.weight))).collect();
    json!({ "weights": weights })
}

/// What `shares` make of `ways`: each is a percentage, and what they leave over is divided between
/// the others as before. The error is a sentence.
pub(super) fn wish(ways: &[Way], shares: &[Share]) -> Result<Vec<FieldChange>, String> {
    let mut places: Vec<(usize, u32)> = Vec::new();
    for share in shares {
        let Some(at) = ways.iter().position(|way| *way.name == *share.destination) else {
            return Err(format!("there is no destination `{}`; it sends {}", share.destination, shown(ways)));
        };
        if places.iter().any(|(other, _)| *other == at) {
            return Err(format!("`{}` is named twice", share.destination));
        }
        places.push((at, share.weight));
    }
    if places.is_empty() {
        return Err(format!("name who gets how many per cent; now it is {}", shown(ways)));
    }
    let now = counting(ways.iter().map(|way| way.weight).collect());
    let then = divided(&now, &places).map_err(|why| format!("it sends {}; {why}", shown(ways)))?;
    if percents(&now) == percents(&then) {
        return Err(format!("it sends {} already: there is nothing to change", shown(ways)));
    }
    let moves = ways.iter().zip(then).filter(|(way, then)| way.weight != *then);
    Ok(moves.map(|(way, then)| change(pointer(&way.key), said(&way.name), &json!(way.weight), &json!(then))).collect())
}

fn pointer(key: &str) -> String {
    format!("{WEIGHTS}/{}", step(key))
}

/// The weight that `changes` give to a destination.
pub(super) fn given(changes: &[FieldChange], key: &str) -> Option<u32> {
    after(changes, &pointer(key))?.as_u64().and_then(|weight| u32::try_from(weight).ok())
}

impl Split {
    pub(super) fn new(ways: Vec<Way>, changes: &[FieldChange]) -> Self {
        let after = ways.iter().map(|way| given(changes, &way.key).unwrap_or(way.weight)).collect();
        Self { ways, after }
    }

    /// No destination would have any weight, which AWS takes as equal shares.
    pub(super) fn is_nothing(&self) -> bool {
        self.after.iter().all(|weight| *weight == 0)
    }

    pub(super) fn now(&self) -> Vec<u32> {
        counting(self.ways.iter().map(|way| way.weight).collect())
    }

    pub(super) fn before_percent(&self) -> Vec<f64> {
        percents(&self.now())
    }

    pub(super) fn after_percent(&self) -> Vec<f64> {
        percents(&self.after)
    }

    /// `100 % → 60 %`.
    pub(super) fn shift(&self, at: usize) -> String {
        format!("{} → {}", words(self.before_percent()[at]), words(self.after_percent()[at]))
    }

    /// How much of it goes elsewhere: `40 %`.
    pub(super) fn moved(&self) -> String {
        words(moved(&self.before_percent(), &self.after_percent()))
    }

    /// Destinations that get more than before.
    pub(super) fn gaining(&self) -> Vec<usize> {
        let (before, after) = (self.before_percent(), self.after_percent());
        (0..self.ways.len()).filter(|at| after[*at] > before[*at]).collect()
    }

    /// `changes` with what they come to in percent.
    pub(super) fn worded(&self, mut changes: Vec<FieldChange>) -> Vec<FieldChange> {
        for (at, way) in self.ways.iter().enumerate() {
            for change in changes.iter_mut().filter(|change| *change.pointer == *pointer(&way.key)) {
                change.words = Some(Safe::from(self.shift(at)));
            }
        }
        changes
    }

    /// What takes it back, in words.
    pub(super) fn undo(&self, changes: &[FieldChange]) -> Safe {
        let back: Vec<_> = changes
            .iter()
            .filter_map(|change| Some((&change.label, change.words.as_ref()?.split_once(" → ")?)))
            .map(|(label, (was, is))| format!("{label} {is} → {was}"))
            .collect();
        said(&format!("{}, while nobody else has changed it", back.join(", ")))
    }

    /// Each weight counts against all of them, so all have to be as they were read.
    pub(super) fn guards(&self) -> Result<Vec<Guard>, Refusal> {
        let weights = fields(&self.ways)["weights"].take();
        let value = kept(&weights)
            .ok_or_else(|| refusal("it divides between too many for the record to keep: nothing was planned"))?;
        Ok(vec![Guard { pointer: Safe::fixed(WEIGHTS), label: Safe::fixed("its destinations"), value }])
    }

    /// Where all of it goes, before and after.
    pub(super) fn fact(&self) -> crate::model::plan::Fact {
        let then: Vec<_> =
            self.ways.iter().zip(&self.after).map(|(way, weight)| Way { weight: *weight, ..way.clone() }).collect();
        fact("traffic", said(&format!("now {}; then {}", shown(&self.ways), shown(&then))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(weights: &[u32]) -> Vec<Way> {
        let way =
            |(at, weight): (usize, &u32)| Way { key: format!("arn/{at}"), name: format!("g{at}"), weight: *weight };
        weights.iter().enumerate().map(way).collect()
    }

    fn after(now: &[u32], given: &[(&str, u32)]) -> Result<Vec<u32>, String> {
        let shares: Vec<_> =
            given.iter().map(|(name, weight)| Share { destination: (*name).into(), weight: *weight }).collect();
        wish(&ways(now), &shares).map(|changes| Split::new(ways(now), &changes).after)
    }

    #[test]
    fn a_share_is_a_percentage_however_the_weights_add_up() {
        assert_eq!(after(&[100, 0], &[("g0", 70)]), Ok(vec![70, 30]), "the other one takes the rest");
        assert_eq!(after(&[1, 0], &[("g1", 10)]), Ok(vec![90, 10]));
        assert_eq!(after(&[60, 30, 10], &[("g2", 40)]), Ok(vec![40, 20, 40]));
        assert_eq!(after(&[0, 0], &[("g0", 80)]), Ok(vec![80, 20]), "all zero is an equal split");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let why = |now: &[u32], given: &[(&str, u32)]| after(now, given).unwrap_err();
        assert!(why(&[5, 5], &[("g0", 20), ("g1", 30)]).contains("the shares make 50 %: they have to make 100 %"));
        assert!(why(&[1, 0], &[("blue", 10)]).contains("no destination `blue`; it sends g0 100 %, g1 0 %"));
        assert!(why(&[1, 0], &[("g0", 1), ("g0", 2)]).contains("named twice"));
        assert!(why(&[1, 0], &[("g0", 256)]).contains("at most 100 %"));
        assert!(why(&[1, 1], &[("g0", 50)]).contains("already: there is nothing to change"));
        assert!(why(&[1, 0, 0], &[("g0", 70)]).contains("who gets the other 30 %"));
        assert!(why(&[1, 0], &[]).contains("now it is g0 100 %, g1 0 %"));
    }

    #[test]
    fn a_change_is_told_in_percent_and_rests_on_all_weights() {
        let share = Share { destination: "g1".into(), weight: 20 };
        let changes = wish(&ways(&[3, 1]), &[share]).unwrap();
        let split = Split::new(ways(&[3, 1]), &changes);
        let changes = split.worded(changes);
        let shown: Vec<_> = changes.iter().map(FieldChange::shown).collect();
        assert_eq!(shown, ["g0 75 % → 80 %", "g1 25 % → 20 %"]);
        assert_eq!(split.undo(&changes), "g0 80 % → 75 %, g1 20 % → 25 %, while nobody else has changed it");
        assert_eq!(split.guards().unwrap()[0].value, r#"{"arn/0":3,"arn/1":1}"#);
    }

    #[test]
    fn a_third_destination_counts_with_what_is_written() {
        use crate::respond::kubernetes::fields::{Held, held};
        let shares = [("g0", 30), ("g1", 60)].map(|(name, weight)| Share { destination: name.into(), weight });
        let changes = wish(&ways(&[60, 30, 10]), &shares).unwrap();
        assert_eq!(changes.len(), 2, "the third keeps its weight");
        let split = Split::new(ways(&[60, 30, 10]), &changes);
        let guards = split.guards().unwrap();
        let plan = crate::model::plan::Plan { changes, guards, ..crate::record::testing::plan("p1", "aws") };
        assert_eq!(held(&fields(&ways(&[60, 30, 10])), &plan), Held::Before);
        assert_eq!(held(&fields(&ways(&[30, 60, 10])), &plan), Held::After);
        assert!(matches!(held(&fields(&ways(&[60, 30, 100])), &plan), Held::Beside(_)));
        assert!(matches!(held(&fields(&ways(&[30, 60, 100])), &plan), Held::Beside(_)));
    }
}
