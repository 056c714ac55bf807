//! The situation as one sentence of facts. Each clause is backed by something that was seen;
//! no clause guesses a cause.

use crate::clock::World;
use crate::model::command::Pane;
use crate::model::name::ServiceName;
use crate::text::Safe;

use super::Picture;

/// One clause, with where to look for what backs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// Such as `checkout: 7.2 % errors since 03:14`.
    pub text: Safe,
    /// The pane that shows it.
    pub pane: Pane,
    /// The service to select there.
    pub service: Option<ServiceName>,
}

/// What users feel, since when, what changed just before, what the failing things share; or that
/// nothing of it is known. Never empty.
pub fn situation(_picture: &Picture, _now: World) -> Vec<Clause> {
    Vec::new()
}
