//! What lets a plan of the top tier be applied: a second person's consent, or broken glass.

use crate::model::name::IncidentId;
use crate::model::plan::{Plan, PlanId, Tier};
use crate::record::consent_hash;
use crate::text::Safe;

/// What lets one plan of the top tier be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warrant {
    /// The incident whose record tells of it.
    pub incident: IncidentId,
    /// The plan that was shown when it was asked for.
    pub asked: PlanId,
    /// What it names: see [`consent_hash`].
    pub hash: Safe,
    /// Who lets it.
    pub by: By,
}

/// Who lets a plan of the top tier be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A second person, whose entry stands in a file of their own.
    Second {
        /// The name that they give themselves.
        name: Safe,
        /// The user whose file it is.
        uid: u32,
    },
    /// Nobody else: the glass was broken.
    Glass {
        /// Why.
        reason: Safe,
    },
}

impl Warrant {
    /// Whether it is for exactly what `plan` comes to.
    pub fn covers(&self, plan: &Plan) -> bool {
        consent_hash(&self.incident, &self.asked, plan) == self.hash
    }

    /// `with the consent of bob (user 1002)`.
    pub fn words(&self) -> Safe {
        Safe::from(match &self.by {
            By::Second { name, uid } => format!("with the consent of {name} (user {uid})"),
            By::Glass { reason } => format!("BREAK-GLASS, without a second person: {reason}"),
        })
    }
}

/// Why the top tier keeps `plan` from being applied, if so.
pub(super) fn missing(plan: &Plan, warrant: Option<&Warrant>) -> Option<Safe> {
    if plan.tier < Tier::Grave {
        return None;
    }
    match warrant {
        Some(warrant) if warrant.covers(plan) => None,
        Some(_) => {
            Some(Safe::from(format!("{} is not the plan that was consented to: nothing was changed", plan.title)))
        }
        None => Some(Safe::from(format!(
            "{} takes a second person or break-glass, and has neither: nothing was changed",
            plan.title
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::plan;

    #[test]
    fn a_warrant_is_for_one_meaning_and_lower_tiers_need_none() {
        let grave = Plan { tier: Tier::Grave, ..plan("p1", "kubectl") };
        let incident = IncidentId::from("2026-11-21-checkout");
        let warrant = Warrant {
            hash: consent_hash(&incident, &grave.id, &grave),
            asked: grave.id.clone(),
            incident,
            by: By::Second { name: "bob".into(), uid: 1002 },
        };
        assert_eq!(missing(&grave, Some(&warrant)), None);
        assert!(missing(&grave, None).is_some_and(|why| why.contains("second person")));
        let again = Plan { id: PlanId("p2".into()), ..grave.clone() };
        assert_eq!(missing(&again, Some(&warrant)), None, "read again, it means the same");
        let mut other = grave.clone();
        other.changes[0].after = "0".into();
        assert!(missing(&other, Some(&warrant)).is_some_and(|why| why.contains("not the plan")));
        assert_eq!(missing(&plan("p1", "kubectl"), None), None);
    }
}
