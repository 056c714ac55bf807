//! From what a person calls a service or a route to the one object that divides its traffic.

use crate::model::name::{Kind, Origin, Target};
use crate::model::plan::{Request, Share};
use crate::model::service::Route;
use crate::session::core::Core;
use crate::session::{Effect, NoticeKind};
use crate::text::Safe;

use super::acting;

pub(super) fn divert(core: &mut Core, of: &Safe, shares: Vec<Share>) -> Vec<Effect> {
    let found = find(core, of, "weights", Route::divides_by_weights);
    ask(core, found, |target| Request::Divert { target, shares })
}

pub(super) fn switch(core: &mut Core, of: &Safe, key: Safe, to: Safe) -> Vec<Effect> {
    let found = find(core, of, "a selector", |route| route.kind == Kind::Service);
    ask(core, found, |target| Request::Switch { target, key, to })
}

fn ask(core: &mut Core, found: Result<Target, String>, request: impl FnOnce(Target) -> Request) -> Vec<Effect> {
    if let Some(why) = acting::why_not_now(core) {
        core.say(NoticeKind::Error, why);
        return Vec::new();
    }
    match found {
        Ok(target) => acting::want(core, request(target)),
        Err(why) => {
            core.say(NoticeKind::Error, why);
            Vec::new()
        }
    }
}

/// The route that `name` means: the one route of a service that divides by `what`, or a route by its
/// place, with or without its kind.
fn find(core: &Core, name: &Safe, what: &str, fits: impl Fn(&Route) -> bool) -> Result<Target, String> {
    let services = core.picture.catalogue.services();
    let of_service: Option<Vec<&Route>> =
        services.iter().find(|service| *service.name.0 == **name).map(|service| service.routes.iter().collect());
    let by_place = || {
        let mut found: Vec<&Route> = services
            .iter()
            .flat_map(|service| &service.routes)
            .filter(|route| route.to_string() == **name || route.path.to_string() == **name)
            .collect();
        found.sort_by_key(|route| route.to_string());
        found.dedup();
        found
    };
    let known = of_service.unwrap_or_else(by_place);
    let fitting: Vec<&&Route> = known.iter().filter(|route| fits(route)).collect();
    match fitting.as_slice() {
        [route] => Ok(Target {
            origin: Origin { env: core.facing.env.clone(), source: route.source().into() },
            kind: route.kind,
            path: route.path.clone(),
            uid: None,
        }),
        [] if known.is_empty() => {
            let all: Vec<_> = services
                .iter()
                .filter(|service| !service.routes.is_empty())
                .map(|service| service.name.as_str())
                .collect();
            Err(match all.as_slice() {
                [] => "no service has routes: `routes` in its section names what divides its traffic".to_owned(),
                all => format!("`{name}` has no routes that are known; these services have: {}", all.join(", ")),
            })
        }
        [] => {
            let others: Vec<_> = known.iter().map(|route| route.to_string()).collect();
            Err(format!("nothing of `{name}` divides traffic by {what}, but there is {}", others.join(", ")))
        }
        several => {
            let names: Vec<_> = several.iter().map(|route| route.to_string()).collect();
            Err(format!("`{name}` has {} that divide by {what}: {}; name one", several.len(), names.join(", ")))
        }
    }
}
