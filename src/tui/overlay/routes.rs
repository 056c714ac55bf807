//! What divides traffic, for the action menu and for Tab on the command line.

use crate::model::name::{Kind, ServiceName};
use crate::model::plan::Plan;
use crate::model::service::{Route, Service};
use crate::session::PlanView;
use crate::tui::panes::Item;
use crate::tui::scene::Scene;

/// One command that a route can be the object of: what the menu says, and the line it opens.
pub(super) struct Offer {
    pub(super) title: String,
    pub(super) line: String,
}

/// What can be done about the traffic of the selected service, alert, workload or pod.
pub(super) fn offers<'a>(scene: &Scene<'a>, selected: Option<&Item<'a>>, chip: Option<&'a ServiceName>) -> Vec<Offer> {
    let Some(service) = selected.and_then(Item::service).or(chip) else { return Vec::new() };
    let Some(service) = scene.catalogue.service(service) else { return Vec::new() };
    let offers = service.routes.iter().filter_map(|route| {
        let (id, words) = doing(route)?;
        // The service's name is enough where it has one route of the kind.
        let alike = service.routes.iter().filter(|other| doing(other) == doing(route)).count();
        let name = if alike == 1 { service.name.to_string() } else { route.to_string() };
        Some(Offer { title: format!("{words} {route} …"), line: format!("{id} {name} ") })
    });
    offers.collect()
}

fn doing(route: &Route) -> Option<(&'static str, &'static str)> {
    match route.kind {
        Kind::Service => Some(("switch", "switch")),
        Kind::LoadBalancer => Some(("evacuate", "leave a zone of")),
        _ => route.divides_by_weights().then_some(("divert", "divert traffic of")),
    }
}

/// What Tab makes of a line whose command is about a route: a service's name, then a destination that
/// an earlier plan of it named.
pub(super) fn complete(id: &str, rest: &str, scene: &Scene<'_>) -> Option<String> {
    let offered =
        |service: &&Service| service.routes.iter().any(|route| doing(route).is_some_and(|(for_it, _)| for_it == id));
    let services = scene.catalogue.services().iter().filter(offered);
    let Some((name, typed)) = rest.rsplit_once(' ') else {
        return services
            .map(|service| &service.name)
            .find(|name| name.as_str().starts_with(rest))
            .map(|name| format!("{id} {name} "));
    };
    let given = name.split_whitespace().next()?;
    let taken =
        |label: &str| name.split_whitespace().any(|word| word.split_once('=').is_some_and(|(one, _)| one == label));
    let plans = scene.actions.iter().map(|action| &action.plan).chain(shown(scene));
    let labels = plans
        .filter(|plan| plan.service.as_ref().is_some_and(|service| service.as_str() == given))
        .filter(|plan| {
            doing(&Route { kind: plan.target.kind, path: plan.target.path.clone() })
                .is_some_and(|(for_it, _)| for_it == id)
        })
        .flat_map(|plan| &plan.changes)
        .map(|change| change.label.as_str());
    labels.filter(|label| label.starts_with(typed) && !taken(label)).map(|label| format!("{id} {name} {label}=")).next()
}

fn shown<'a>(scene: &Scene<'a>) -> Option<&'a Plan> {
    match scene.plan {
        Some(PlanView::Shown { plan, .. }) => Some(plan),
        _ => None,
    }
}
