//! What shifts that are on mean for a change of the same load balancer's listeners and rules: targets
//! in a zone that is left take nothing.

use crate::respond::aws::client::{Api, ApiError, said};
use crate::respond::aws::draft::text;
use crate::text::Safe;

use super::{Balancer, UNMANAGED, Zones, until, zones};

/// Zones that traffic of a load balancer is shifted away from.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::respond::aws) struct Away {
    /// By id, and by name where that is known.
    zones: Vec<String>,
    /// `traffic is shifted away from eu-central-1a, until 12:06Z (game day)`.
    pub(in crate::respond::aws) words: Safe,
}

impl Away {
    /// Whether a target in `zone`, as ELB tells it, takes nothing.
    pub(in crate::respond::aws) fn holds(&self, zone: &str) -> bool {
        self.zones.iter().any(|away| away == zone)
    }
}

/// Asks which zones the load balancer of this ARN leaves now; `None` if it leaves none.
pub(in crate::respond::aws) async fn shifted_away(api: &Api, arn: &str) -> Result<Option<Away>, ApiError> {
    let balancer = match Balancer::managed(api, arn).await {
        Err(error) if error.is(&[UNMANAGED]) => return Ok(None),
        balancer => balancer?,
    };
    let ids = balancer.left();
    if ids.is_empty() {
        return Ok(None);
    }
    let named = zones(api).await;
    Ok(Some(balancer.away(&ids, named.ok().as_ref())))
}

impl Balancer {
    /// Zones that get no traffic, or will not as soon as a shift is applied.
    fn left(&self) -> Vec<String> {
        let weights = self.weights();
        let empty = weights.iter().filter(|(_, weight)| weight.as_f64() == Some(0.0)).map(|(id, _)| id.clone());
        let mut ids: Vec<_> = empty.chain(self.shifts().map(|shift| text(shift, "/awayFrom").to_owned())).collect();
        ids.sort();
        ids.dedup();
        ids
    }

    fn away(&self, ids: &[String], named: Option<&Zones>) -> Away {
        let name = |id: &String| named.and_then(|zones| zones.get(id));
        let told: Vec<_> = ids
            .iter()
            .map(|id| {
                let shift = self.shifts().find(|shift| text(shift, "/awayFrom") == id);
                let why = shift.map(|shift| format!("{} ({})", until(shift), text(shift, "/comment")));
                format!("{}{}", name(id).unwrap_or(id), why.unwrap_or_default())
            })
            .collect();
        let unknown =
            if named.is_none() { "; which targets stand there could not be asked: they count here" } else { "" };
        Away {
            zones: ids.iter().chain(ids.iter().filter_map(name)).cloned().collect(),
            words: said(&format!("traffic is shifted away from {}{unknown}", told.join(", "))),
        }
    }
}
